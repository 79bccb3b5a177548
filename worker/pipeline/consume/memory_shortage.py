"""Handling of memory shortage: wait until frames in flight have released memory, then end with a clear error.

A frame that cannot be processed for lack of memory is not at fault, so it is never rejected for that. It is not
committed either, so the next worker inspects it.
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


def retry_on_memory_error(
    work: Callable[[], T],
    what: str,
    shortages: Counter | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return the result of `work`. While it raises MemoryError, retry it after pauses of growing length.

    what: the name of the work in the log. shortages: counts each failure. Raises MemoryShortageError after the last
    attempt.
    """
    for pause_s in _PAUSES_S:
        try:
            return work()
        except MemoryError as error:
            if shortages is not None:
                shortages.inc()
            log.warning("out of memory; retrying", what=what, pause_s=pause_s, error=str(error))
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
        f"out of memory: {what}. No frame was lost. Lower inflight.bytes_max, inflight.frames_max or "
        "frames.pixels_max, or give the worker more memory"
    )
