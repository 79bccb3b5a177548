"""Evidence: a picture of each frame with a defect, on a topic of its own, under the event's id.

Whether there will be one is decided before the event goes out, and the event says so. The picture is drawn and sent
once the event is acknowledged, so none is of a frame that was turned down and comes again.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from stripwatch.worker.common.rates import TokenBucket
from stripwatch.worker.config.sections import EvidenceSettings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.annotate import HeatmapOverlay, PictureLimits, annotate_frame
from stripwatch.worker.observers.background_worker import BackgroundWorker
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord


class _PendingEvidence(NamedTuple):
    """What is drawn. It holds no model, which another may have replaced by then.

    decode_spec: of the model that judged the frame; the picture maps samples of more than 8 bits as it does.
    """

    frame: Frame
    event: Result
    overlay: HeatmapOverlay | None
    decode_spec: DecodeSpec


class Evidence(FrameObserver):
    """Draws on a thread of its own, in the background."""

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
        self._limits = PictureLimits(settings.side_px_max, settings.quality, settings.bytes_max)
        self._decode_limits = decode_limits
        self._metrics = metrics
        self._worker = BackgroundWorker("evidence", self._publish_picture, self._count)
        self._waiting: dict[
            int, _PendingEvidence
        ] = {}  # by the identity of the frame: two copies of one may be in flight
        self.start = self._worker.start

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:
        """Say in the event of a defect whether there will be evidence."""
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
        sight = self._waiting.pop(id(frame), None)
        if sight:
            self._worker.put(frame, sight)

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:  # noqa: ARG002
        if self._waiting.pop(id(frame), None):
            self._worker.cancel(frame)

    def close(self, timeout_s: float) -> None:
        """Send what was admitted, until the time is up."""
        self._worker.close(timeout_s)

    def _refusal(self, frame: Frame) -> str | None:
        if self._topic.circuit_open or not self._worker.has_room():
            return "dropped"
        return None if self._quota.take(self._metrics.camera_label(frame.camera)) else "over_quota"

    def _publish_picture(self, frame: Frame, sight: _PendingEvidence) -> None:
        event = sight.event
        headers = event_headers(frame, "evidence", "image/jpeg")
        record = OutgoingRecord(self._topic_name, event.id.encode(), b"", headers, frame.record_ms)
        room_bytes = self._topic.body_bytes_max(record)
        limits = self._limits
        if room_bytes is not None and room_bytes < limits.bytes_max:
            limits = replace(limits, bytes_max=room_bytes)
        jpeg = annotate_frame(
            frame.encoded, event.defects, sight.overlay, limits, self._decode_limits, frame.layout, sight.decode_spec
        )
        self._topic.send(record._replace(body=jpeg))

    def _count(self, outcome: str) -> None:
        self._metrics.evidence_frames.labels(outcome).inc()


def _heatmap_of(prediction: Prediction, event: Result) -> HeatmapOverlay | None:
    """Of the surest defect; a copy, since the maps of a whole batch are one array."""
    maps, model = prediction.heatmaps, prediction.model
    if maps is None or model.heatmap_decoder is None:
        return None
    at = model.policy.labels.index(event.defects[0].label)
    heatmap = np.ascontiguousarray(maps[..., at])
    return HeatmapOverlay(heatmap, model.heatmap_decoder) if np.isfinite(heatmap).all() else None
