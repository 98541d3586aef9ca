"""Prefect's environment, set before it is imported: quiet, no telemetry, patient at start-up."""

import os

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_CLI_PROMPT": "false",
}
"""Anything the user has set stays as it is."""


def prepare_environment() -> None:
    """Fill in what is not set."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
