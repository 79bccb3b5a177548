"""A work-around: kafka-python 3.0.12 cannot read a record whose header has a name that is not UTF-8.

It raises CorruptRecordError, at the same batch again after every restart, so one careless sender would stop the line.
The day it reads such names itself, `tests/worker/broker/workarounds/test_header_names.py` fails, and this file can go.
"""

from typing import Any

from kafka.record.default_records import DefaultRecordBatch

_read_record = DefaultRecordBatch._read_msg


class _Lenient(bytes):
    """Bytes whose slices decode any name: what is not UTF-8 becomes a backslash and its number."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found if isinstance(found, int) else _Lenient(found)

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def accept_any_header_name() -> None:
    """From now on every consumer of this process reads such records. Others are read as before, at no cost."""
    DefaultRecordBatch._read_msg = _read_leniently


def _read_leniently(batch: Any) -> Any:
    try:
        return _read_record(batch)
    except UnicodeDecodeError:  # nothing has moved yet: read the same record once more
        buffer = batch._buffer
        batch._buffer = _Lenient(buffer)
        try:
            return _read_record(batch)
        finally:
            batch._buffer = buffer
