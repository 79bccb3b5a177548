"""Evidence: an image of each frame with a defect, on a separate topic, with the event id as key.

Whether there will be an image is decided before the event is published, and the event states it. The image is drawn and
sent after the acknowledgement, so none is sent for a frame that is dropped and read again.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from stripwatch.worker.common.rates import TokenBucket
from stripwatch.worker.config.observer_sections import EvidenceSettings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.annotate import HeatmapOverlay, ImageLimits, annotate_frame
from stripwatch.worker.observers.background_worker import BackgroundWorker
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord


class _PendingEvidence(NamedTuple):
    """Frame, result and heatmap of an evidence image that waits to be drawn.

    The model is not kept, because it may have been replaced by then.

    decode_spec: decoding settings of the model that inspected the frame; the image converts samples of more than 8 bits
    in the same way.
    """

    frame: Frame
    event: Result
    overlay: HeatmapOverlay | None
    decode_spec: DecodeSpec


class Evidence(FrameObserver):
    """Draws and sends evidence images in the background."""

    def __init__(
        self,
        settings: EvidenceSettings,
        topic_name: str,
        topic: BestEffortProducer,
        decode_limits: DecodeLimits,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic_name = topic_name
        self._topic = topic
        self._quota = TokenBucket(settings.per_minute_max, settings.per_minute_max / 60, monotonic)
        self._limits = ImageLimits(settings.side_px_max, settings.quality, settings.bytes_max)
        self._decode_limits = decode_limits
        self._metrics = metrics
        self._worker = BackgroundWorker("evidence", self._publish_image, self._count)
        self._waiting: dict[
            int, _PendingEvidence
        ] = {}  # by id() of the frame, because two copies of one frame may be in flight
        self.start = self._worker.start

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:
        """Add to the event of a frame with a defect whether there will be an evidence image."""
        if not (isinstance(event, Result) and event.defects and isinstance(outcome, Prediction)):
            return event
        frame = outcome.frame
        refusal = self._refusal(frame)
        if refusal:
            self._count(refusal)
            return msgspec.structs.replace(event, evidence=False)
        self._worker.reserve(frame)
        event = msgspec.structs.replace(event, evidence=True)
        decode_spec = outcome.model.session.bundle.manifest.decode
        self._waiting[id(frame)] = _PendingEvidence(frame, event, _heatmap_of(outcome, event), decode_spec)
        return event

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:  # noqa: ARG002
        pending = self._waiting.pop(id(frame), None)
        if pending:
            self._worker.put(frame, pending)

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:  # noqa: ARG002
        if self._waiting.pop(id(frame), None):
            self._worker.cancel(frame)

    def close(self, timeout_s: float) -> None:
        """Send the accepted images until the time is up."""
        self._worker.close(timeout_s)

    def _refusal(self, frame: Frame) -> str | None:
        if self._topic.circuit_open or not self._worker.has_room():
            return "dropped"
        return None if self._quota.take(self._metrics.camera_label(frame.camera)) else "over_quota"

    def _publish_image(self, frame: Frame, pending: _PendingEvidence) -> None:
        event = pending.event
        headers = event_headers(frame, "evidence", "image/jpeg")
        record = OutgoingRecord(self._topic_name, event.id.encode(), b"", headers, frame.record_ms)
        room_bytes = self._topic.body_bytes_max(record)
        limits = self._limits
        if room_bytes is not None and room_bytes < limits.bytes_max:
            limits = replace(limits, bytes_max=room_bytes)
        jpeg = annotate_frame(
            frame.encoded,
            event.defects,
            pending.overlay,
            limits,
            self._decode_limits,
            frame.layout,
            pending.decode_spec,
        )
        self._topic.send(record._replace(body=jpeg))

    def _count(self, outcome: str) -> None:
        self._metrics.evidence_frames.labels(outcome).inc()


def _heatmap_of(prediction: Prediction, event: Result) -> HeatmapOverlay | None:
    """Return a copy of the heatmap of the defect with the highest score.

    A view would keep the arrays of the whole batch.
    """
    maps, model = prediction.heatmaps, prediction.model
    if maps is None or model.heatmap_decoder is None:
        return None
    at = model.policy.labels.index(event.defects[0].label)
    heatmap = np.ascontiguousarray(maps[..., at])
    return HeatmapOverlay(heatmap, model.heatmap_decoder) if np.isfinite(heatmap).all() else None
