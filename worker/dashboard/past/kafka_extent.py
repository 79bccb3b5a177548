"""What Kafka still has: how far back a search can go."""

import msgspec

from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.dashboard.past.ranges import RecordTimes


class KafkaExtent(msgspec.Struct, frozen=True):
    """The results, rejects and summaries on Kafka. Times are null if there are none.

    results: number of results and rejects. oldest_result_at: time at which the oldest was written. summaries: number of
    coils with a summary. oldest_coil_at: capture time of the first frame of the oldest of them. newest_coil_at: capture
    time of the last frame of the newest.
    """

    results: int
    oldest_result_at: str | None
    summaries: int = 0
    oldest_coil_at: str | None = None
    newest_coil_at: str | None = None


def result_extent(times: RecordTimes) -> KafkaExtent:
    """Return what the topics of results and rejects contain."""
    oldest_ms = times.oldest_ms()
    records = sum(max(0, end - times.begins[tp]) for tp, end in times.ends.items())
    return KafkaExtent(records, None if oldest_ms is None else rfc3339(oldest_ms))
