"""A second model sees a share of the frames: its verdicts go to metrics and to a topic of their own.

It can neither delay nor break the first: see background_worker.py.
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
    """share: of the frames, chosen by their ids, so that a frame that comes again is chosen again.

    publish: gets the result of the shadow; may raise.
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
        """From now on this one judges. Any thread may call."""
        self._metrics.show_shadow(model.session.bundle)
        self._model = model

    def offer(self, first: Result, frame: Frame) -> None:
        """Called for each result of the first model: returns at once, whatever the shadow is doing."""
        if first.state != "inspected" or crc32(frame.id.encode()) >= self._share * 2**32:
            return
        if self._model is None:
            self._count("dropped")
        else:
            self._worker.offer(frame, first)

    def close(self, timeout_s: float) -> bool:
        """What still waits is dropped; a frame that is being inspected is waited for. False: it still is."""
        self._model = None
        return self._worker.close(timeout_s)

    def _inspect(self, frame: Frame, first: Result) -> None:
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
        second = self._events.inspected(frame, model.info, inspection, timing)
        self._compare(first, second)
        self._publish(second, frame)

    def _compare(self, first: Result, second: Result) -> None:
        same = (first.verdict, first.label) == (second.verdict, second.label)
        self._count("agrees" if same else "differs")
        self._metrics.shadow_verdicts.labels(first.verdict, second.verdict).inc()
        difference = score_difference(first, second)
        if difference is not None:
            self._metrics.shadow_score_difference.observe(difference)

    def _count(self, outcome: str) -> None:
        self._metrics.shadow_frames.labels(outcome).inc()


def score_difference(first: Result, second: Result) -> float | None:
    """The largest of any label that both have; None if they share none."""
    shared = first.scores.keys() & second.scores.keys()
    return max((abs(first.scores[label] - second.scores[label]) for label in shared), default=None)
