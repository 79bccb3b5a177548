"""How much of a record batch is read."""

from dataclasses import dataclass

HEADERS_MAX = 1000  # of a record
UNREADABLE_MAX = 100_000  # rejects of one damaged batch; no sender makes batches of that many frames


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """record_bytes_max: of a value that is kept. batch_bytes_max: of a compressed batch, unpacked."""

    record_bytes_max: int
    batch_bytes_max: int
