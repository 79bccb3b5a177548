"""Record batches of any size and with any damage: within the limits, and every offset comes out."""

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
from kafka import codec
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.util import calc_crc32c, encode_varint

from stripwatch.worker.broker.workarounds.record_batches import BatchFaults, BatchLimits, BoundedBatches
from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = {GZIP: codec.gzip_encode, SNAPPY: codec.snappy_encode, LZ4: codec.lz4_encode, ZSTD: codec.zstd_encode}
LIMITS = BatchLimits(record_bytes_max=1000, batch_bytes_max=2_000_000)
Encode = Callable[[bytes], bytes]


class OddName(str):
    """A header name as a careless sender writes it."""

    def encode(self, *_: object) -> bytes:
        return b"caf\xe9"


def varint(value: int) -> bytes:
    out = bytearray()
    encode_varint(value, out.append)
    return bytes(out)


def field(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(delta: int, value: bytes | None, headers: bytes = b"\x00", key: bytes | None = b"k") -> bytes:
    body = b"\x00" + varint(delta) + varint(delta) + field(key) + field(value) + headers
    return varint(len(body)) + body


def batch(payload: bytes, count: int, kind: int = 0, base: int = 100, delta: int | None = None) -> bytes:
    """A batch with a right checksum around any payload. Times are 1000 + the number of the record."""
    delta = count - 1 if delta is None else delta
    covered = struct.pack(">hiqqqhii", kind, delta, 1000, 2000, -1, -1, -1, count) + payload
    return struct.pack(">qiibI", base, 9 + len(covered), 0, 2, calc_crc32c(covered)) + covered


class Read:
    """What comes out of the bytes of a fetch."""

    def __init__(self, data: bytes, limits: BatchLimits = LIMITS, start: int = 100, faults: BatchFaults | None = None):
        self.faults: list[str] = []
        faults = faults or BatchFaults()
        faults.report = self.faults.append
        self.records = list(self._all(BoundedBatches(MemoryRecords(data), limits, faults, "t-0", lambda: start)))

    def _all(self, batches: BoundedBatches) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
        while found := batches.next_batch():
            if not found.validate_crc():
                raise CorruptRecordError
            for record in found:
                yield record.offset, record.timestamp, record.key, record.value

    @property
    def offsets(self) -> list[int]:
        return [offset for offset, *_ in self.records]

    def discarded(self) -> list[DiscardedValue]:
        return [value for *_, value in self.records if isinstance(value, DiscardedValue)]


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
    """If this fails, kafka-python has learned it: see whether record_batches.py can go."""
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
    limits = BatchLimits(1000, 10_000)  # 64 times as much are read through
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
        (gzip.compress(record(0, b"a"))[:-3], GZIP),
        (gzip.compress(record(0, b"a") * 2)[:-20] + b"\xff" * 20, GZIP),
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


@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_sets_are_bounded_too(magic: int) -> None:
    def message_set(kind: int, values: list[bytes]) -> bytes:
        builder = LegacyRecordBatchBuilder(magic, kind, 10**9)
        for number, value in enumerate(values):
            builder.append(100 + number, 5, b"k", value)
        data = bytes(builder.build())
        return struct.pack(">q", 102) + data[8:] if kind else data  # the broker writes the offset of the last one

    plain = Read(message_set(0, [b"a", b"b" * 1001]))
    assert plain.offsets == [100, 101]
    assert len(plain.discarded()) == 1
    small = Read(message_set(GZIP, [b"a", b"b", b"c"]), start=100)
    assert [value for *_, value in small.records] == [b"a", b"b", b"c"]
    large = Read(message_set(GZIP, [bytes(1_500_000)] * 3), start=100)
    assert len(large.discarded()) == 3
    assert large.faults == ["too_large"]


def test_forged_lengths_in_an_old_message_set_are_no_endless_loop() -> None:
    inner = struct.pack(">qi", 0, -12) + bytes(30)
    builder = LegacyRecordBatchBuilder(1, 0, 10**6)
    builder.append(100, 5, None, gzip.compress(inner))
    data = bytearray(builder.build())
    data[17] = GZIP  # attributes
    read = Read(bytes(data[:12]) + struct.pack(">I", zlib.crc32(data[16:])) + bytes(data[16:]))
    assert read.offsets == [100]
    assert read.faults == ["damaged"]
