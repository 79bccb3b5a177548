"""Builds valid and invalid record batches, and reads them."""

import struct
from collections.abc import Callable, Iterator

from kafka import codec
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.util import calc_crc32c, encode_varint

from stripwatch.worker.broker.workarounds.batches.batch_faults import BatchFaults
from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.batches.partition_batches import BoundedBatches
from stripwatch.worker.contracts.positions import DiscardedValue

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = {GZIP: codec.gzip_encode, SNAPPY: codec.snappy_encode, LZ4: codec.lz4_encode, ZSTD: codec.zstd_encode}
LIMITS = FetchLimits(record_bytes_max=1000, batch_bytes_max=2_000_000)
Encode = Callable[[bytes], bytes]


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
    """Build a batch with a valid checksum around any payload. Record times are 1000 plus the index."""
    delta = count - 1 if delta is None else delta
    covered = struct.pack(">hiqqqhii", kind, delta, 1000, 2000, -1, -1, -1, count) + payload
    return struct.pack(">qiibI", base, 9 + len(covered), 0, 2, calc_crc32c(covered)) + covered


class Read:
    """Records and faults read from the bytes of a fetch."""

    def __init__(self, data: bytes, limits: FetchLimits = LIMITS, start: int = 100, faults: BatchFaults | None = None):
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
