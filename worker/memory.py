"""Memory that glibc keeps for later: a worker whose models come and go must not grow by it."""

import ctypes
import os
import sys

_M_ARENA_MAX = -8  # of malloc.h


def limit_arenas() -> None:
    """As many heaps as threads can run at once. By default there are eight times as many, each with holes of its own.

    Call before the first thread starts. Does nothing where the allocator is not glibc's.
    """
    if mallopt := _glibc("mallopt"):
        mallopt(_M_ARENA_MAX, os.cpu_count() or 1)


def give_back_memory() -> None:
    """What is free goes back to the system. glibc alone keeps it for a use that does not come."""
    if trim := _glibc("malloc_trim"):
        trim(0)


def _glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
