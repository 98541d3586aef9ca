"""Does the Prefect API answer now? Asked before what would otherwise wait for it for a minute."""

import time
import urllib.error
import urllib.request

import httpx
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings

from storage.patience import retry_delays

ANSWER_S = 3.0
API_ERRORS = (httpx.HTTPError, PrefectException, OSError, RuntimeError)
"""What Prefect's client raises when its server is away or refuses."""


def api_answers() -> bool:
    """Whether the API that is configured answers within seconds; any answer counts."""
    address = get_current_settings().api.url
    if not address:
        return True  # Prefect would bring its own
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=ANSWER_S):  # noqa: S310 - set by the user
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def api_comes_back() -> bool:
    """Wait for an API that is being restarted, about as long as for a store."""
    for delay in retry_delays():
        if api_answers():
            return True
        time.sleep(delay)
    return api_answers()
