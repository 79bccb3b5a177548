"""Version of kafka-python with which the workarounds were tested."""

from functools import cache

import kafka
import structlog

log = structlog.get_logger()

TESTED_VERSION = "3.0.12"


def warn_of_untested_version() -> None:
    """Log a warning, once per process, if another version is installed."""
    if kafka.__version__ != TESTED_VERSION:
        _warn(kafka.__version__)


@cache
def _warn(installed: str) -> None:
    log.warning(
        "the workarounds for kafka-python were not tested with the installed version; frames may be lost or repeated. "
        f"Run pip install kafka-python=={TESTED_VERSION}",
        installed=installed,
        tested=TESTED_VERSION,
    )
