"""Waiting for a store that is out of reach: how long, and how often it is asked again."""

import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from storage.errors import StoreUnreachable

VARIABLE = "CROSSDIFF_FIRST_RETRY_S"
"""Environment: seconds until the first repetition; each further wait is twice as long."""
FIRST_RETRY_S = 2.0
RETRIES = 6
"""2 + 4 + ... + 64 s: an outage of a minute or two passes."""
JITTER = 0.3
"""Share by which a wait is drawn longer or shorter: workers must not all come back at once."""

T = TypeVar("T")


def retry_delays() -> list[float]:
    """Seconds before each repetition.

    Raises:
        ValueError: The environment says something else than a number of seconds.
    """
    said = os.environ.get(VARIABLE, "")
    try:
        first = float(said) if said else FIRST_RETRY_S
    except ValueError:
        first = -1.0
    if not 0 <= first < float("inf"):
        raise ValueError(f"{VARIABLE}={said!r}: give a number of seconds, such as 2")
    return [first * 2**attempt for attempt in range(RETRIES)]


def patiently(act: Callable[[], T], told: Callable[[str], None] = lambda _: None) -> T:
    """Do what needs the store; while it cannot be reached, wait and do it again.

    Args:
        act: Safe to repeat.
        told: Hears of each failure.

    Raises:
        StoreUnreachable: It stayed out of reach.
    """
    for delay in retry_delays():
        try:
            return act()
        except StoreUnreachable as error:
            wait = delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            told(f"{error}; trying again in {wait:.0f} s")
            time.sleep(wait)
    return act()
