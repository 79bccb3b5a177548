"""The metrics of `stripwatch coils`. Neither a coil nor a line is a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from stripwatch.worker.monitoring.metrics import connections_closed

POSITION_FAULTS = ("outlier", "reset", "jump", "reversed", "still")  # as in the field position_faults of a summary
SILENT_CAMERA = "silent_camera"


class CoilMetrics:
    """Made once per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        # Follows results and rejects of the workers together.
        self.frames = self._counter("frames", "Frames counted in a coil, each once.", "state")
        # Grows after a worker was killed: its successor inspects some frames again.
        self.repeats = self._counter("repeats", "Events of frames that were counted before.")
        # late: a summary is corrected. supplement: the coil could no longer be corrected, and its late frames get a
        # summary of their own. replayed: the same, of a frame that somebody sent again.
        self.late_frames = self._counter("late_frames", "Frames that came after the end of their coil.", "outcome")
        # corrected grows with first: settle_s is too short for the workers, or they are late.
        self.summaries = self._counter("summaries", "Summaries that Kafka has.", "kind")
        # Each kind once for a coil, also where a correction states it first. The fields position_faults and
        # cameras_silent of the summary say more.
        self.faulty = self._counter("faulty", "Coils with positions that cannot be right, or a silent camera.", "fault")
        # Somebody else writes to these topics.
        self.unreadable = self._counter("unreadable_records", "Records that are neither a result nor a reject.")
        self.running = self._gauge("running", "Coils that have not ended.")
        self.correctable = self._gauge("correctable", "Coils that have ended and are kept to be corrected.")
        # 0 for long: it does not keep up with the workers, so no coil ends.
        self.caught_up = self._gauge("caught_up", "1 while all results and rejects have been read.")
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
