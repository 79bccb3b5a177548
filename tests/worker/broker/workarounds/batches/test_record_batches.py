"""Record batches of any size and with any damage: within the limits, and every offset comes out."""

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
    """A header name as a careless sender writes it."""

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
def test_an_ordinary_batch_reads_as_kafka_python_reads_it(kind: int) -> None:
    batches = BoundedBatches(MemoryRecords(built(kind)), LIMITS, BatchFaults(), "t-0", lambda: 0)
    records = list(batches.next_batch())
    assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in records] == [
        (0, 5, b"k", b"good", [("plain", b"1")]),
        (1, 6, b"k", b"odd", [("caf\\xe9", b"2")]),
        (2, 7, None, None, [("none", None)]),
        (3, 8, None, b"good", []),
    ]
    assert batches.next_batch() is None


def test_kafka_python_itself_still_unpacks_everything_and_refuses_header_names() -> None:
    """If this fails, kafka-python has learned it: see whether the package can go."""
    data = batch(gzip.compress(record(0, bytes(5_000_000))), 1, GZIP)
    assert [len(found.value) for found in DefaultRecordBatch(data)] == [5_000_000]
    with pytest.raises(CorruptRecordError):
        list(DefaultRecordBatch(built(0)))


@pytest.mark.parametrize("kind", CODECS)
def test_a_batch_that_unpacks_to_too_much_keeps_its_offsets_keys_and_headers(kind: int) -> None:
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
def test_it_takes_no_more_memory_than_the_limit(kind: int) -> None:
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


def test_one_block_of_snappy_that_is_too_large_is_not_unpacked() -> None:
    payload = b"".join(record(i, bytes(1_000_000)) for i in range(3))
    read = Read(batch(codec.snappy_encode(payload, xerial_compatible=False), 3, SNAPPY))
    assert read.offsets == [100, 101, 102]
    assert {value.reason for value in read.discarded()} == {RejectReason.TOO_MANY_BYTES}


def test_reading_through_a_huge_batch_ends_as_well() -> None:
    limits = FetchLimits(1000, 10_000)  # 64 times as much are read through
    payload = b"".join(record(i, bytes(200_000)) for i in range(10))
    read = Read(batch(gzip.compress(payload), 10, GZIP), limits)
    assert read.offsets == list(range(100, 110))
    assert [value.size_bytes for value in read.discarded()][::9] == [200_000, 0]


@pytest.mark.parametrize("kind", [0, GZIP])
def test_a_record_over_the_limit_comes_without_its_bytes(kind: int) -> None:
    payload = record(0, b"x" * 1000) + record(1, b"x" * 1001)
    read = Read(batch(gzip.compress(payload) if kind else payload, 2, kind))
    assert read.records[0][3] == b"x" * 1000
    (value,) = read.discarded()
    assert (value.size_bytes, value.detail) == (1001, "1001 bytes, over the limit of 1000")
    assert read.faults == []  # the record is at fault, not the batch


def test_a_million_headers_take_no_memory() -> None:
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
def test_damage_under_a_right_checksum_stops_nothing(payload: bytes, kind: int) -> None:
    read = Read(batch(payload, 3, kind) + batch(record(0, b"good"), 1, base=103))
    assert read.offsets == [100, 101, 102, 103]
    assert read.records[3][3] == b"good"
    assert {value.reason for value in read.discarded()} <= {RejectReason.UNDECODABLE, RejectReason.TOO_MANY_BYTES}
    assert len(read.faults) == 1


@pytest.mark.parametrize(("count", "delta"), [(2**31 - 1, 2**31 - 1), (-1, 2), (3, -7), (2**31 - 1, 2)])
def test_forged_numbers_of_records_are_bounded(count: int, delta: int) -> None:
    read = Read(batch(record(0, b"a"), count, delta=delta))
    assert read.offsets[:1] == [100]
    assert len(read.offsets) <= 100_001


def test_two_partitions_with_wrong_checksums_do_not_hold_each_other_up() -> None:
    faults = BatchFaults()
    tries = [(faults.is_lasting("t-0", 100), faults.is_lasting("t-1", 7)) for _ in range(3)]
    assert tries == [(False, False), (False, False), (True, True)]


@pytest.mark.parametrize("kind", [GZIP, LZ4])
def test_a_batch_of_very_many_compressed_frames_is_damaged(kind: int) -> None:
    """Finding the next costs a copy of all that follow: a megabyte of empty ones took six seconds."""
    read = Read(
        batch(1001 * CODECS[kind](b"") + CODECS[kind](record(0, b"good")), 1, kind)
        + batch(record(0, b"good"), 1, base=101)
    )
    assert read.offsets == [100, 101]
    assert "frames" in read.discarded()[0].detail


def test_a_wrong_checksum_is_read_again_and_counts_as_damage_in_the_end() -> None:
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


def test_a_length_that_makes_no_batch_is_an_error_and_not_an_endless_loop() -> None:
    data = bytearray(batch(record(0, b"a"), 1))
    data[8:12] = struct.pack(">i", -12)
    with pytest.raises(CorruptRecordError):
        Read(bytes(data))


@pytest.mark.parametrize("kind", [0, GZIP])
def test_the_same_number_of_headers_is_read_whether_or_not_a_batch_is_too_large(kind: int) -> None:
    headers = varint(1500) + (field(b"n") + field(b"v")) * 1500
    payload = record(0, bytes(2_500_000), headers)
    data = batch(gzip.compress(payload) if kind else payload, 1, kind)
    (found,) = BoundedBatches(MemoryRecords(data), LIMITS, BatchFaults(), "t-0", lambda: 100).next_batch()
    assert len(found.headers) == HEADERS_MAX
