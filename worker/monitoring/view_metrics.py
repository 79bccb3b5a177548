"""Metrics of `stripwatch view`. A coil is never a label. The page bounds the number of its lines."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from stripwatch.worker.contracts.coil_summary import CoilState
from stripwatch.worker.contracts.header_specs import DECISIONS

SEARCH_FAILURES = ("busy", "error", "kafka", "timeout")
WRITES = ("acknowledgement", "correction")
_STATES: dict[CoilState, int] = {"ok": 0, "warning": 1, "alarm": 2}


class ViewMetrics:
    """Metrics of one page server. Create one instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # If it stays 0, the page shows old figures: Kafka cannot be reached, or the page cannot keep up.
        self.live = self._gauge("live", "1 while the page has read all results and rejects, else 0.")
        self.viewers = self._gauge("viewers", "Browsers that are connected to the page.")
        self.coil_state = self._gauge(
            "coil_state", "State of the running coil by line: 0 ok, 1 warning, 2 alarm.", "line"
        )
        self.alarms = self._gauge("alarms", "Alarms that the page shows, by line.", "line")
        # Always 0 where nobody may acknowledge.
        self.unacknowledged = self._gauge(
            "alarms_unacknowledged", "Alarms by line that somebody could acknowledge and nobody has.", "line"
        )
        self.writes = self._counter("writes", "Records that people have written with the page, by kind.", "kind")
        # The person sees an error, and nothing was changed.
        self.failed_writes = self._counter("failed_writes", "Records that Kafka did not accept, by kind.", "kind")
        self.corrections = self._counter("corrections", "Predictions that people have decided about.", "decision")
        # A limit or severity for a misspelled class has no effect.
        self.unknown_labels = self._gauge(
            "unknown_labels", "Classes in the settings severity and limits that no model has."
        )
        # The person sees an error. busy: too many searches at once; timeout: the time range is too long.
        self.failed_searches = self._counter(
            "failed_searches", "Searches of the history on Kafka that failed, by reason.", "reason"
        )
        for reason in SEARCH_FAILURES:
            self.failed_searches.labels(reason)
        for kind in WRITES:  # Prometheus sees no increase in a series that begins at 1
            self.writes.labels(kind)
            self.failed_writes.labels(kind)
        for decision in DECISIONS:
            self.corrections.labels(decision)

    def note_write(self, kind: str, acknowledged: bool) -> None:
        """Count a record that a person has written. kind: one of WRITES. acknowledged: Kafka has it."""
        (self.writes if acknowledged else self.failed_writes).labels(kind).inc()

    def show_states(self, states: Mapping[str, CoilState]) -> None:
        """Set the states of the running coils. A line without one has no series."""
        self.coil_state.clear()
        for line, state in states.items():
            self.coil_state.labels(line).set(_STATES[state])

    def show_alarms(self, lines: Iterable[str], alarms: Mapping[str, int], unacknowledged: Mapping[str, int]) -> None:
        """Set the number of alarms of each line. Mappings: number by line; a line without alarms may be absent."""
        for line in lines:
            self.alarms.labels(line).set(alarms.get(line, 0))
            self.unacknowledged.labels(line).set(unacknowledged.get(line, 0))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stripwatch_view_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"stripwatch_view_{name}", text, labels, registry=self.registry)
