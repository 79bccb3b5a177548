"""One day per alert: its fault occurs, and no other alert fires."""

from collections.abc import Sequence

from tests.deploy.days.day import ALWAYS, CAMERAS, FOREVER, Change, Day, Line, Worker, alerts

_AT = 10  # minutes, when the fault begins
_A = {"instance": "a"}
_PAGE = {"instance": "page"}


def _counted(alert: str, metric: str, once: int = 1, **labels: str) -> Day:
    """Build a fault day on which a counter counts that stays constant on an ordinary day."""
    return _fault(alert, Change(f"stripwatch_{metric}_total", {**_A, **labels}, _AT, once=once))


def _shown(alert: str, metric: str, value: float, minutes: int = 20, **labels: str) -> Day:
    """Build a fault day on which a gauge has a value it never has on an ordinary day."""
    return _fault(alert, Change(f"stripwatch_{metric}", {**_A, **labels}, _AT, value=value), minutes=minutes)


def _share(alert: str, metric: str, per_minute: int, minutes: int = 25, **labels: str) -> Day:
    """Build a fault day on which `per_minute` of the 1,200 frames per minute are counted."""
    change = Change(f"stripwatch_{metric}_total", {**_A, **labels}, _AT, per_minute=per_minute)
    return _fault(alert, change, minutes=minutes)


def _condition(alert: str, condition: str) -> Day:
    return _shown(alert, "camera_condition", 1, camera="top-1", condition=condition)


def _fault(
    alert: str, *changes: Change, minutes: int = 20, line: Line | None = None, lines: Sequence[Line] = ()
) -> Day:
    lines = (line,) if line else lines or (Line(),)
    return Day(f"fault: {alert}", minutes=minutes, lines=tuple(lines), changes=changes, fires=alerts(alert))


def _verdicts(alert: str, verdict: str, per_minute: int) -> Day:
    """Build a fault day on which a verdict becomes frequent after 90 ordinary minutes."""
    change = Change("stripwatch_results_total", {**_A, "verdict": verdict}, 90, per_minute=per_minute)
    return _fault(alert, change, minutes=115)


WORKERS = (
    _fault("NoWorker", line=Line(workers=(Worker("a", ((0, _AT),)),))),
    _fault(
        "WorkerDown",
        Change("up", {"instance": "b"}, _AT, value=0),
        line=Line(workers=(Worker("a"), Worker("b", ((0, _AT),)))),
    ),
    _fault("ProcessDown", line=Line(workers=(Worker("a", process="0"), Worker("a", ((0, _AT),), process="1")))),
    _shown("WorkerNotReady", "ready", 0),
    _fault(
        "WorkerRestarting", line=Line(workers=(Worker("a", ((0, 10), (11, 13), (14, 16), (17, FOREVER))), Worker("b")))
    ),
    _fault("WorkerStuck", Change("stripwatch_results_total", _A, _AT, holds=True)),
    _counted("InstanceIdTaken", "instance_ids_taken"),
    _counted("CommitsFail", "commit_failures", 5),
    _counted("MemoryShort", "memory_shortages"),
)

KAFKA = (
    _shown("KafkaSilent", "broker_silence_seconds", 30),
    _shown("PartitionsWithoutLeader", "partitions_without_leader", 2),
    _shown("PartitionsUnread", "partitions_read", 0),
    _shown("TopicsUnwritable", "unwritable_topics", 1),
    _counted("ProducerFails", "producer_rebuilds", 5),
    _counted("RejectsShortened", "rejects_shortened"),
    _shown("ClockRefused", "clock_refused", 1),
    _counted("HealthConnectionsClosed", "health_connections_closed", 30, reason="timeout"),
    _shown("HealthCertificateExpires", "health_certificate_expiry_timestamp_seconds", 6 * 86_400),
    _counted("FramesDeleted", "frames_deleted", 1200),
    _counted("OffsetsJump", "offset_resets", cause="recreated"),
    _counted("BatchesUnreadable", "batch_faults", fault="damaged"),
    _counted("PartitionsAdded", "partitions_added", 2),
    _counted("FramesSkippedAtStart", "frames_skipped_at_start", 900),
)

MODEL = (
    _fault("WrongProvider", line=Line(device="gpu")),
    _fault("BundlesDiffer", line=Line(workers=(Worker("a"), Worker("b", bundle="sha-9")))),
    _shown("BundleRefused", "bundle_outdated", 1),
    _counted("DefectsUnlocated", "unlocated_defects"),
    _share("ShadowDisagrees", "shadow_frames", 60, 50, outcome="differs"),
    _shown("ShadowFails", "shadow_outdated", 1),
    _counted("EvidenceOrReviewFails", "evidence_frames", outcome="failed"),
    _counted("CameraStatesFail", "camera_states", outcome="failed"),
)

FRAMES = (
    _fault("CameraSilent", line=Line(cameras={**CAMERAS, "top-2": ((0, _AT),)})),
    _fault("CameraReplaced", line=Line(cameras={"top-1": ALWAYS, "top-2": ((0, _AT),), "top-9": ((_AT, FOREVER),)})),
    _condition("CameraDark", "dark"),
    _condition("CameraBright", "bright"),
    _condition("CameraRejecting", "rejecting"),
    _condition("CameraFrozen", "frozen"),
    _condition("CameraLowContrast", "low_contrast"),
    _condition("CameraNoisy", "noisy"),
    _condition("CameraBlurred", "blurred"),
    _condition("CameraMisnamed", "misnamed"),
    _condition("CameraUntrainedSize", "untrained_size"),
    _condition("NovelFrames", "novel"),
    _condition("CameraColoured", "coloured"),
    _counted("FramesFlagged", "flagged_frames", camera="top-1", flag="damaged"),
    _fault("LineSilent", line=Line(stops=((_AT, FOREVER),)), minutes=30),
    _shown("LagGrows", "consumer_lag_frames", 50_000),
    _fault("FrameAgeHigh", line=Line(slow={(_AT, FOREVER): 0.1})),
    _share("FramesSkipped", "results", 30, verdict="skipped"),
    _share("RejectsHigh", "rejects", 60, reason="truncated"),
    _share("HeadersMalformed", "header_faults", 60, header="ce_time"),
    _share("CameraClockAhead", "negative_frame_ages", 60),
    _verdicts("DefectRateHigh", "defect", 700),
    _verdicts("UnsureRateHigh", "unsure", 700),
    _shown("FramesDrift", "frame_drift", 1.6, 40, camera="top-1", statistic="brightness"),
    _shown("ScoresDrift", "score_drift", -0.3, 40, camera="top-1", statistic="confidence"),
)

_COILS = {"instance": "coils"}

COILS = (
    _fault(
        "CoilFramesTooLate",
        Change("stripwatch_coils_late_frames_total", {**_COILS, "outcome": "supplement"}, _AT, once=120),
    ),
    _fault("CoilsFaulty", Change("stripwatch_coils_faulty_total", {**_COILS, "fault": "reset"}, _AT, once=1)),
    _fault("CoilsNotSummarized", Change("stripwatch_coils_caught_up", _COILS, _AT, value=0), minutes=30),
)

PAGE = (
    _fault(
        "AlarmUnacknowledged",
        Change("stripwatch_view_alarms_unacknowledged", {**_PAGE, "line": "l1"}, _AT, value=1),
        minutes=30,
    ),
    _fault(
        "PageWritesFail",
        Change("stripwatch_view_failed_writes_total", {**_PAGE, "kind": "correction"}, _AT, once=1),
    ),
    _fault(
        "HistorySearchesFail",
        Change("stripwatch_view_failed_searches_total", {**_PAGE, "reason": "kafka"}, _AT, once=1),
    ),
    _fault("PageNotLive", Change("stripwatch_view_live", _PAGE, _AT, value=0)),
    _fault("LimitsUnknownClass", Change("stripwatch_view_unknown_labels", _PAGE, _AT, value=1), minutes=30),
)

DAYS = (*WORKERS, *KAFKA, *MODEL, *FRAMES, *COILS, *PAGE)
