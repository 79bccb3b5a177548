"""Record batches of any size and with any damage: limits hold, and every offset is returned.

If the test whose name starts with `test_kafka_python` fails, the workaround may no longer be needed.
"""

import gzip
import struct
import tracemalloc

import pytest
from kafka import codec
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from stripwatch.worker.broker.workarounds.batches.batch_faults import BatchFaults
from stripwatch.worker.broker.workarounds.batches.limits import HEADERS_MAX, FetchLimits
from stripwatch.worker.broker.workarounds.batches.partition_batches import BoundedBatches
from stripwatch.worker.common.errors import RejectReason
from tests.worker.broker.workarounds.batches.fetched_bytes import (
    CODECS,
    GZIP,
    LIMITS,
    LZ4,
    SNAPPY,
    ZSTD,
    Read,
    batch,
    field,
    record,
    varint,
)


class OddName(str):
    """Header name that is encoded as Latin-1."""

    def encode(self, *_: object) -> bytes:
        return b"caf\xe9"


def built(kind: int, transactional: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, kind, transactional, -1, -1, -1, 100_000)
    builder.append(0, 5, b"k", b"good", [("plain", b"1")])
    builder.append(1, 6, b"k", b"odd", [(OddName("x"), b"2")])
    builder.append(2, 7, None, None, [("none", None)])
    builder.append(3, 8, None, b"good", [])
    return bytes(builder.build())


@pytest.mark.parametrize("kind", [0, *CODECS])
def test_reads_ordinary_batches_like_kafka_python(kind: int) -> None:
    batches = BoundedBatches(MemoryRecords(built(kind)), LIMITS, BatchFaults(), "t-0", lambda: 0)
    records = list(batches.next_batch())
    assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in records] == [
        (0, 5, b"k", b"good", [("plain", b"1")]),
        (1, 6, b"k", b"odd", [("caf\\xe9", b"2")]),
        (2, 7, None, None, [("none", None)]),
        (3, 8, None, b"good", []),
    ]
    assert batches.next_batch() is None


def test_kafka_python_unpacks_without_a_limit_and_rejects_header_names_that_are_not_utf8() -> None:
    data = batch(gzip.compress(record(0, bytes(5_000_000))), 1, GZIP)
    assert [len(found.value) for found in DefaultRecordBatch(data)] == [5_000_000]
    with pytest.raises(CorruptRecordError):
        list(DefaultRecordBatch(built(0)))


@pytest.mark.parametrize("kind", CODECS)
def test_keeps_offsets_keys_and_headers_of_a_batch_that_unpacks_to_too_many_bytes(kind: int) -> None:
    header = varint(1) + field(b"ce_subject") + field(b"C1")
    payload = b"".join(record(i, bytes(900_000), header, b"camera") for i in range(6))
    good = batch(record(0, b"good"), 1, base=106)
    data = batch(CODECS[kind](payload), 6, kind) + good
    read = Read(data)
    assert read.offsets == list(range(100, 107))
    assert read.records[5][:3] == (105, 1005, b"camera")
    assert read.records[6][3] == b"good"
    for value in read.discarded():
        assert (value.reason, value.size_bytes, value) == (RejectReason.TOO_MANY_BYTES, 900_000, b"")
        assert "900000 bytes" in value.detail
        assert "2000000" in value.detail
    assert len(read.discarded()) == 6
    assert read.faults == ["too_large"]


@pytest.mark.parametrize("kind", CODECS)
def test_uses_no_more_memory_than_the_limit(kind: int) -> None:
    payload = b"".join(record(i, bytes(15_000_000)) for i in range(4))
    data = batch(CODECS[kind](payload), 4, kind)
    del payload
    tracemalloc.start()
    try:
        assert len(Read(data).discarded()) == 4
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) + 2 * LIMITS.batch_bytes_max + 4_000_000


def test_does_not_unpack_a_snappy_block_that_is_too_large() -> None:
    payload = b"".join(record(i, bytes(1_000_000)) for i in range(3))
    read = Read(batch(codec.snappy_encode(payload, xerial_compatible=False), 3, SNAPPY))
    assert read.offsets == [100, 101, 102]
    assert {value.reason for value in read.discarded()} == {RejectReason.TOO_MANY_BYTES}


def test_limits_how_much_of_a_huge_batch_is_skimmed() -> None:
    limits = FetchLimits(1000, 10_000)  # up to 64 times as many bytes are skimmed
    payload = b"".join(record(i, bytes(200_000)) for i in range(10))
    read = Read(batch(gzip.compress(payload), 10, GZIP), limits)
    assert read.offsets == list(range(100, 110))
    assert [value.size_bytes for value in read.discarded()][::9] == [200_000, 0]


@pytest.mark.parametrize("kind", [0, GZIP])
def test_discards_the_value_of_a_record_over_the_limit(kind: int) -> None:
    payload = record(0, b"x" * 1000) + record(1, b"x" * 1001)
    read = Read(batch(gzip.compress(payload) if kind else payload, 2, kind))
    assert read.records[0][3] == b"x" * 1000
    (value,) = read.discarded()
    assert (value.size_bytes, value.detail) == (1001, "1001 bytes, over the limit of 1000")
    assert read.faults == []  # the record is too large, not the batch


def test_a_million_headers_use_little_memory() -> None:
    data = batch(record(0, b"v", varint(1_000_000) + b"\x00\x00" * 1_000_000), 1)
    tracemalloc.start()
    try:
        assert Read(data).records[0][3] == b"v"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (record(0, b"a") + b"\x00\x01", 0),
        (record(0, b"a") + varint(2**31) + b"\x00" * 20, 0),
        (record(0, b"a") + varint(-5) + b"\x00" * 20, 0),
        (record(0, b"a") + record(1, b"b", varint(-3)), 0),
        (record(0, b"a") + record(1, b"b", varint(2**31)), 0),
        (record(0, b"a") + record(7, b"b"), 0),
        (record(0, b"a") + record(-7, b"b"), 0),
        (record(0, b"a") + b"\xff" * 30, 0),
        (gzip.compress(record(0, b"a"), mtime=0)[:-3], GZIP),
        (gzip.compress(record(0, b"a") * 2, mtime=0)[:-20] + b"\xff" * 20, GZIP),
        (b"no gzip", GZIP),
        (b"no lz4", LZ4),
        (b"no zstd", ZSTD),
        (b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x7f\xff\xff\xff", SNAPPY),
        (b"\xff\xff\xff\xff\xff", SNAPPY),
        (b"", 7),
    ],
)
def test_continues_after_damage_with_a_valid_checksum(payload: bytes, kind: int) -> None:
    read = Read(batch(payload, 3, kind) + batch(record(0, b"good"), 1, base=103))
    assert read.offsets == [100, 101, 102, 103]
    assert read.records[3][3] == b"good"
    assert {value.reason for value in read.discarded()} <= {RejectReason.UNDECODABLE, RejectReason.TOO_MANY_BYTES}
    assert len(read.faults) == 1


@pytest.mark.parametrize(("count", "delta"), [(2**31 - 1, 2**31 - 1), (-1, 2), (3, -7), (2**31 - 1, 2)])
def test_limits_forged_record_counts(count: int, delta: int) -> None:
    read = Read(batch(record(0, b"a"), count, delta=delta))
    assert read.offsets[:1] == [100]
    assert len(read.offsets) <= 100_001


def test_counts_failed_checksums_per_partition() -> None:
    faults = BatchFaults()
    tries = [(faults.is_lasting("t-0", 100), faults.is_lasting("t-1", 7)) for _ in range(3)]
    assert tries == [(False, False), (False, False), (True, True)]


@pytest.mark.parametrize("kind", [GZIP, LZ4])
def test_limits_the_number_of_compressed_frames(kind: int) -> None:
    """Each frame costs a copy of all bytes after it: a megabyte of empty frames took six seconds."""
    read = Read(
        batch(1001 * CODECS[kind](b"") + CODECS[kind](record(0, b"good")), 1, kind)
        + batch(record(0, b"good"), 1, base=101)
    )
    assert read.offsets == [100, 101]
    assert "frames" in read.discarded()[0].detail


def test_fetches_a_batch_again_after_a_failed_checksum_and_then_counts_it_as_damaged() -> None:
    data = bytearray(batch(record(0, b"a") + record(1, b"b"), 2))
    data[-3] ^= 1
    faults = BatchFaults()
    for _ in range(2):
        with pytest.raises(CorruptRecordError):
            Read(bytes(data), faults=faults)
    read = Read(bytes(data), faults=faults)
    assert read.offsets == [100, 101]
    assert "checksum" in read.discarded()[0].detail
    assert read.faults == ["damaged"]


def test_raises_on_an_invalid_batch_length() -> None:
    data = bytearray(batch(record(0, b"a"), 1))
    data[8:12] = struct.pack(">i", -12)
    with pytest.raises(CorruptRecordError):
        Read(bytes(data))


@pytest.mark.parametrize("kind", [0, GZIP])
def test_reads_the_same_number_of_headers_of_normal_and_too_large_batches(kind: int) -> None:
    headers = varint(1500) + (field(b"n") + field(b"v")) * 1500
    payload = record(0, bytes(2_500_000), headers)
    data = batch(gzip.compress(payload) if kind else payload, 1, kind)
    (found,) = BoundedBatches(MemoryRecords(data), LIMITS, BatchFaults(), "t-0", lambda: 100).next_batch()
    assert len(found.headers) == HEADERS_MAX
