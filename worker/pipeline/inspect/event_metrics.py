"""What is counted of each event."""

import time

import structlog

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome

log = structlog.get_logger()


def count_unlocated(metrics: Metrics, outcome: FrameOutcome, event: Result | Reject) -> None:
    """Count the defects without a box of a model with heatmaps: they say that something is wrong with it."""
    if outcome.model.heatmap_decoder is None or isinstance(event, Reject):
        return
    labels = [defect.label for defect in event.defects if defect.box_px is None]
    if labels:
        metrics.unlocated_defects.inc(len(labels))
        log.warning("heatmap does not locate a defect", frame=event.id, labels=labels)


def count_event(metrics: Metrics, frame: Frame, event: Result | Reject) -> None:
    """Count a frame that is fully accounted for: what became of it, its defects, its flags and its age."""
    if isinstance(event, Reject):
        metrics.rejects.labels(event.reason).inc()
        return
    metrics.results.labels(event.verdict or event.state).inc()
    for defect in event.defects:
        metrics.defects.labels(defect.label, metrics.camera_label(frame.camera)).inc()
    for flag in event.flags:
        metrics.flagged_frames.labels(metrics.camera_label(frame.camera), flag).inc()
    if frame.replay_of is not None:
        return  # its age says when it was sent again, not how fast the line is
    age_s = time.time() - frame.captured_ms / 1000
    if age_s < 0:
        metrics.negative_ages.inc()
    metrics.frame_age.observe(max(0.0, age_s))
