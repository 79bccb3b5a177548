"""What to do when memory is short: wait for what is in flight to free some, then end with a clear error.

A frame that could not be worked on for want of memory is not at fault, so it is never rejected for that. It is not
committed either: whoever comes next inspects it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from prometheus_client import Counter

from stripwatch.worker.common.errors import MemoryShortageError
from stripwatch.worker.common.process.malloc import trim_malloc

log = structlog.get_logger()
T = TypeVar("T")
_PAUSES_S = (0.1, 0.3, 1.0, 3.0)


def with_patience(
    work: Callable[[], T],
    what: str,
    shortages: Counter | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `work`, which is tried again after pauses while it raises MemoryError.

    what: the work, for the log. shortages: counts each failure. Raises MemoryShortageError after the last one.
    """
    for pause_s in _PAUSES_S:
        try:
            return work()
        except MemoryError as error:
            if shortages is not None:
                shortages.inc()
            log.warning("not enough memory; trying again", what=what, pause_s=pause_s, error=str(error))
        trim_malloc()
        sleep(pause_s)
    try:
        return work()
    except MemoryError as error:
        if shortages is not None:
            shortages.inc()
        raise shortage(what) from error


def shortage(what: str) -> MemoryShortageError:
    return MemoryShortageError(
        f"not enough memory for {what}; no frame was lost. Lower inflight.bytes_max, inflight.frames_max or "
        "frames.pixels_max, or give the worker more memory"
    )
