"""Atomic file writes, and reads that raise InputError."""

from stripwatch.worker.common.atomic_files import atomic_write, is_temporary, read_whole

__all__ = ["atomic_write", "is_temporary", "read_whole"]
