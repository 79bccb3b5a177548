"""The work-around for header names that are not UTF-8, and for nothing else."""

import pytest
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from stripwatch.worker.broker.workarounds import header_names


class _Name(str):
    """A header name as a careless sender writes it."""

    def encode(self, *_: object) -> bytes:
        return b"caf\xe9"


def batch() -> DefaultRecordBatch:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
    builder.append(0, 5, b"k", b"good", [("plain", b"1")])
    builder.append(1, 6, b"k", b"odd", [(_Name("x"), b"2")])
    builder.append(2, 7, None, b"good", [])
    return DefaultRecordBatch(bytes(builder.build()))


def test_kafka_python_itself_still_cannot_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, kafka-python has learned it: remove worker/broker/workarounds/header_names.py."""
    monkeypatch.setattr(DefaultRecordBatch, "_read_msg", header_names._read_record)
    with pytest.raises(CorruptRecordError):
        list(batch())


def test_with_it_every_record_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DefaultRecordBatch, "_read_msg", header_names._read_record)
    header_names.accept_any_header_name()
    records = list(batch())
    assert [(record.offset, record.value) for record in records] == [(0, b"good"), (1, b"odd"), (2, b"good")]
    assert [record.headers for record in records] == [[("plain", b"1")], [("caf\\xe9", b"2")], []]
