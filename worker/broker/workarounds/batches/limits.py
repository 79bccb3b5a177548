"""Limits on record batches."""

from dataclasses import dataclass

HEADERS_MAX = 1000  # per record
UNREADABLE_MAX = 100_000  # rejects per damaged batch; senders do not write batches with more frames


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits that depend on the settings.

    Attributes:
        record_bytes_max: Maximum size of a value, in bytes; larger values are discarded.
        batch_bytes_max: Maximum unpacked size of a compressed batch, in bytes.
    """

    record_bytes_max: int
    batch_bytes_max: int
