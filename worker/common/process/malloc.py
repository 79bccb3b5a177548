"""Tuning of glibc's malloc: frames reuse memory, and replaced models do not make the process grow."""

import ctypes
import sys

from stripwatch.worker.common.process.cores import usable_cores

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # constants of malloc.h
_KEPT_BYTES_MAX = 128 << 20  # free memory kept at the end of a heap
_MAPPED_BYTES_MIN = (
    4 << 20
)  # larger than the pixels of a 256 x 1600 frame (1.2 MB); larger blocks would fragment the heap


def tune_malloc() -> None:
    """Configure malloc. Call before the first thread starts. Does nothing if the allocator is not glibc's.

    It limits the number of heaps to the usable cores: by default there are eight times as many, each of which
    fragments. It also keeps freed memory, so that the pixels of a frame reuse that of the previous frame: page faults
    on new memory take a fifth of the decoding time of a strip.
    """
    if mallopt := _glibc("mallopt"):
        mallopt(_M_ARENA_MAX, usable_cores())
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES_MIN)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES_MAX)


def trim_malloc() -> None:
    """Return free memory to the system. glibc would otherwise keep it for reuse."""
    if trim := _glibc("malloc_trim"):
        trim(0)


def _glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
