"""The shadow: a candidate model inspects a share of the frames, and is compared with the production model.

Its results go to metrics and to a separate topic. It can neither delay nor break production: see background_worker.py.
"""

import time
from collections.abc import Callable
from zlib import crc32

from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import BackgroundWorker
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder, timing_ms


class Shadow:
    """Inspects frames with the shadow model and compares the results.

    share: fraction of frames, selected by a hash of the frame id, so that a frame read again is selected again.
    publish: receives the result of the shadow; it may raise.
    """

    def __init__(
        self, share: float, events: EventBuilder, metrics: Metrics, publish: Callable[[Result, Frame], None]
    ) -> None:
        self._share = share
        self._events = events
        self._metrics = metrics
        self._publish = publish
        self._model: LoadedModel | None = None
        self._worker = BackgroundWorker("shadow", self._inspect, self._count)
        self.start = self._worker.start

    def use(self, model: LoadedModel) -> None:
        """Use this model from now on. May be called from any thread."""
        self._metrics.show_shadow(model.session.bundle)
        self._model = model

    def offer(self, production: Result, frame: Frame) -> None:
        """Offer a frame with the result of the production model. Returns at once."""
        if production.state != "inspected" or crc32(frame.id.encode()) >= self._share * 2**32:
            return
        if self._model is None:
            self._count("dropped")
        else:
            self._worker.offer(frame, production)

    def close(self, timeout_s: float) -> bool:
        """Drop queued frames and wait for the one being inspected. Return False if it does not finish in time."""
        self._model = None
        return self._worker.close(timeout_s)

    def _inspect(self, frame: Frame, production: Result) -> None:
        model = self._model
        if model is None:
            self._count("dropped")
            return
        started_s = time.monotonic()
        image = model.decode_frame(frame)
        decoded_s = time.monotonic()
        inspection = model.inspect_image(image)
        ended_s = time.monotonic()
        self._metrics.shadow_seconds.observe(ended_s - started_s)
        timing = timing_ms(frame, ended_s, decoded_s - started_s, inference_s=ended_s - decoded_s)
        shadow = self._events.inspected(frame, model.info, inspection, timing)
        self._compare(production, shadow)
        self._publish(shadow, frame)

    def _compare(self, production: Result, shadow: Result) -> None:
        same = (production.verdict, production.label) == (shadow.verdict, shadow.label)
        self._count("agrees" if same else "differs")
        self._metrics.shadow_verdicts.labels(production.verdict, shadow.verdict).inc()
        difference = score_difference(production, shadow)
        if difference is not None:
            self._metrics.shadow_score_difference.observe(difference)

    def _count(self, outcome: str) -> None:
        self._metrics.shadow_frames.labels(outcome).inc()


def score_difference(production: Result, shadow: Result) -> float | None:
    """Return the largest score difference of any label that both results have; None if they share none."""
    shared = production.scores.keys() & shadow.scores.keys()
    return max((abs(production.scores[label] - shadow.scores[label]) for label in shared), default=None)
