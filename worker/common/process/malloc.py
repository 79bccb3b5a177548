"""What glibc keeps for later: enough that no frame maps new memory, not so much that replaced models make it grow."""

import ctypes
import sys

from stripwatch.worker.common.process.cores import usable_cores

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of malloc.h
_KEPT_BYTES_MAX = 128 << 20  # at the end of a heap
_MAPPED_BYTES_MIN = 4 << 20  # a frame of 256x1600 is 1.2 MB of pixels; larger blocks leave holes that stay


def tune_malloc() -> None:
    """As many heaps as threads can run at once: by default there are eight times as many, each with holes of its own.
    And the pixels of a frame lie where those of the last one lay: new memory from the system comes page by page,
    which is a fifth of decoding a strip.

    Call before the first thread starts. Does nothing where the allocator is not glibc's.
    """
    if mallopt := _glibc("mallopt"):
        mallopt(_M_ARENA_MAX, usable_cores())
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES_MIN)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES_MAX)


def trim_malloc() -> None:
    """What is free goes back to the system. glibc alone keeps it for a use that does not come."""
    if trim := _glibc("malloc_trim"):
        trim(0)


def _glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
