"""Coils found in the results and rejects, by the rules of the live page, where Kafka has no summaries of coils."""

from collections.abc import Callable, Iterable

from stripwatch.worker.broker.time_ordered_reader import Timed
from stripwatch.worker.coils.tracking.coil_part import CoilPart
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules, CoilTracker
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.dashboard.past.event_records import EventRecord
from stripwatch.worker.dashboard.past.summary_index import without_lists

COILS_MAX = 5_000


def scan(
    events: Iterable[Timed[EventRecord]],
    rules: CoilRules,
    wanted: Callable[[CoilSummary], bool],
    until_ms: int,
) -> list[CoilSummary]:
    """Return the summaries, without their lists, of the wanted coils in these events: the newest COILS_MAX of them.

    A coil that had not ended by `until_ms`, the time up to which these are all events, has `ended` None. `offsets` of a
    summary are its records.
    """
    tracker, found = CoilTracker(rules), dict[str, CoilSummary]()
    looked_s = now_s = 0.0
    newest_ms = until_ms

    def collect(parts: Iterable[CoilPart]) -> None:
        for part in parts:
            summary = without_lists(part.summary())
            found.pop(summary.id, None)
            if wanted(summary):
                found[summary.id] = summary
            while len(found) > COILS_MAX:
                del found[next(iter(found))]

    for now_s, event in events:
        if now_s - looked_s >= 1:
            looked_s = now_s
            collect(tracker.due(now_s))
        tracker.add(event.observation, now_s, event.source)
        newest_ms = event.timestamp_ms
    collect(tracker.due(now_s + max(0, until_ms - newest_ms) / 1000))
    collect(tracker.finish())
    return sorted(found.values(), key=lambda summary: summary.first_captured_at)
