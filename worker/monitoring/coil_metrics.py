"""Metrics of `stripwatch coils`. Neither a coil nor a line is a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from stripwatch.worker.contracts.coil_summary import POSITION_FAULTS
from stripwatch.worker.monitoring.health_metrics import connections_closed

SILENT_CAMERA = "silent_camera"


class CoilMetrics:
    """Metrics of one coil summarizer. Create one instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # Follows results and rejects of all workers.
        self.frames = self._counter(
            "frames", "Distinct frames counted in a coil, by state: inspected, skipped or rejected.", "state"
        )
        # Grows after a worker was killed, because its successor inspects some frames again.
        self.repeats = self._counter("repeats", "Repeated events of frames that were already counted.")
        # late: the summary is corrected. supplement: the coil can no longer be corrected, so its late frames get a
        # separate summary. replayed: like supplement, for replayed frames.
        self.late_frames = self._counter(
            "late_frames",
            "Frames that arrived after the end of their coil, by outcome: late, supplement or replayed.",
            "outcome",
        )
        # If corrected grows as fast as first, settle_s is too short, or the workers are late.
        self.summaries = self._counter(
            "summaries", "Acknowledged coil summaries, by kind: first, corrected or supplement.", "kind"
        )
        # Each fault counts once per coil, even if a correction is the first to report it. The fields position_faults
        # and cameras_silent of the summary have the details.
        self.faulty = self._counter(
            "faulty", "Coils with implausible strip positions or a silent camera, by fault.", "fault"
        )
        # Another program writes to these topics.
        self.unreadable = self._counter("unreadable_records", "Records that are neither a result nor a reject.")
        self.running = self._gauge("running", "Coils that have not ended.")
        self.correctable = self._gauge("correctable", "Coils that have ended and can still be corrected.")
        # If it stays 0, the summarizer cannot keep up with the workers, and no coil ends.
        self.caught_up = self._gauge("caught_up", "1 while all results and rejects have been read, else 0.")
        self.connections_closed = connections_closed(registry)
        for state in ("inspected", "skipped", "rejected"):  # Prometheus sees no increase in a series that begins at 1
            self.frames.labels(state)
        for outcome in ("late", "supplement", "replayed"):
            self.late_frames.labels(outcome)
        for kind in ("first", "corrected", "supplement"):
            self.summaries.labels(kind)
        for fault in (*POSITION_FAULTS, SILENT_CAMERA):
            self.faulty.labels(fault)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stripwatch_coils_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"stripwatch_coils_{name}", text, registry=self.registry)
