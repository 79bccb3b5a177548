"""Evidence: a picture of each frame with a defect, on a topic of its own, under the event's id.

Whether there will be one is decided before the event goes out, and the event says so. The picture is drawn and sent
once the event is acknowledged, so none is of a frame that was turned down and comes again.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from stripwatch.worker.common.token_bucket import Quota
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.images.decode import DecodeLimits
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.annotate import Heat, PictureLimits, draw
from stripwatch.worker.observers.background_worker import Aside
from stripwatch.worker.observers.best_effort_producer import AsideTopic
from stripwatch.worker.pipeline.inspect.outcomes import Outcome, Prediction
from stripwatch.worker.pipeline.produce.record_builder import Outgoing


class _Sight(NamedTuple):
    """What is drawn. It holds no model, which another may have replaced by then."""

    frame: Frame
    event: Result
    heat: Heat | None


class Evidence:
    """The publish thread calls `admit`; of each frame that was admitted, any thread then `settled` or `dropped`."""

    def __init__(
        self,
        topic_name: str,
        topic: AsideTopic,
        quota: Quota,
        limits: PictureLimits,
        decode_limits: DecodeLimits,
        metrics: Metrics,
    ) -> None:
        self._topic_name = topic_name
        self._topic = topic
        self._quota = quota
        self._limits = limits
        self._decode_limits = decode_limits
        self._metrics = metrics
        self._aside = Aside("evidence", self._show, self._count)
        self._waiting: dict[int, _Sight] = {}  # by the identity of the frame: two copies of one may be in flight
        self.start = self._aside.start

    def admit(self, outcome: Outcome, event: Result | Reject) -> Result | Reject:
        """The event as it goes out. Returns at once, whatever the drawing is doing."""
        if not (isinstance(event, Result) and event.defects and isinstance(outcome, Prediction)):
            return event
        frame = outcome.frame
        refusal = self._refusal(frame)
        if refusal:
            self._count(refusal)
            return msgspec.structs.replace(event, evidence=False)
        self._aside.reserve(frame)
        event = msgspec.structs.replace(event, evidence=True)
        self._waiting[id(frame)] = _Sight(frame, event, _heat(outcome, event))
        return event

    def settled(self, frame: Frame) -> None:
        """Its event was acknowledged."""
        sight = self._waiting.pop(id(frame), None)
        if sight:
            self._aside.put(frame, sight)

    def dropped(self, frame: Frame) -> None:
        """Its event goes nowhere: the frame comes again."""
        if self._waiting.pop(id(frame), None):
            self._aside.cancel(frame)

    def close(self, timeout_s: float) -> None:
        """Send what was admitted, until the time is up."""
        self._aside.close(timeout_s)

    def _refusal(self, frame: Frame) -> str | None:
        if self._topic.rests or not self._aside.has_room():
            return "dropped"
        return None if self._quota.take(self._metrics.camera_label(frame.camera)) else "over_quota"

    def _show(self, frame: Frame, sight: _Sight) -> None:
        event = sight.event
        jpeg = draw(frame.encoded, event.defects, sight.heat, self._limits, self._decode_limits)
        headers = event_headers(frame, "evidence", b"image/jpeg")
        self._topic.send(Outgoing(self._topic_name, event.id.encode(), jpeg, headers))

    def _count(self, outcome: str) -> None:
        self._metrics.evidence_frames.labels(outcome).inc()


def _heat(prediction: Prediction, event: Result) -> Heat | None:
    """Of the surest defect; a copy, since the maps of a whole batch are one array."""
    maps, model = prediction.heatmaps, prediction.model
    if maps is None or model.maps is None:
        return None
    at = model.judge.labels.index(event.defects[0].label)
    return Heat(np.ascontiguousarray(maps[..., at]), model.maps)
