"""Message sets of producers older than Kafka 0.11: limits hold, and every offset is returned."""

import gzip
import struct
import zlib

import pytest
from kafka.record.legacy_records import LegacyRecordBatchBuilder

from tests.worker.broker.workarounds.batches.fetched_bytes import (
    GZIP,
    Read,
)


@pytest.mark.parametrize("magic", [0, 1])
def test_limits_old_message_sets(magic: int) -> None:
    def message_set(kind: int, values: list[bytes]) -> bytes:
        builder = LegacyRecordBatchBuilder(magic, kind, 10**9)
        for number, value in enumerate(values):
            builder.append(100 + number, 5, b"k", value)
        data = bytes(builder.build())
        return struct.pack(">q", 102) + data[8:] if kind else data  # the broker writes the offset of the last message

    plain = Read(message_set(0, [b"a", b"b" * 1001]))
    assert plain.offsets == [100, 101]
    assert len(plain.discarded()) == 1
    small = Read(message_set(GZIP, [b"a", b"b", b"c"]), start=100)
    assert [value for *_, value in small.records] == [b"a", b"b", b"c"]
    large = Read(message_set(GZIP, [bytes(1_500_000)] * 3), start=100)
    assert len(large.discarded()) == 3
    assert large.faults == ["too_large"]


def test_forged_lengths_in_an_old_message_set_cause_no_endless_loop() -> None:
    inner = struct.pack(">qi", 0, -12) + bytes(30)
    builder = LegacyRecordBatchBuilder(1, 0, 10**6)
    builder.append(100, 5, None, gzip.compress(inner))
    data = bytearray(builder.build())
    data[17] = GZIP  # attributes
    read = Read(bytes(data[:12]) + struct.pack(">I", zlib.crc32(data[16:])) + bytes(data[16:]))
    assert read.offsets == [100]
    assert read.faults == ["damaged"]
