"""The version of kafka-python that the workarounds were tested with."""

import threading

import kafka
import structlog

log = structlog.get_logger()

TESTED_VERSION = "3.0.12"
_warned = threading.Lock()  # held for good after the first warning of this process


def warn_of_untested_version() -> None:
    """Log once a process that another version is installed."""
    if kafka.__version__ != TESTED_VERSION and _warned.acquire(blocking=False):
        log.warning(
            "kafka-python has a version that its workarounds were not tested with; frames may be lost or repeated. "
            f"Run pip install kafka-python=={TESTED_VERSION}",
            installed=kafka.__version__,
            tested=TESTED_VERSION,
        )
