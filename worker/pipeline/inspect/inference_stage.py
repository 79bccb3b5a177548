"""Turns decoded frames into outcomes, batch by batch."""

import threading
import time
from itertools import groupby

from stripwatch.worker.common.rates import DecayedRate
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.inspect.deadline import Deadline
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.gather_batches import collect_batch
from stripwatch.worker.pipeline.inspect.infer import infer_batch
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, FrameOutcome, Prediction, Skipped
from stripwatch.worker.pipeline.inspect.publish_stage import PublishStage


class InferenceStage:
    """Moves frames from the decode pool through the model to the publish stage, in the order of the pool.

    slots: number of batches in flight on the device, and of threads that call `run`. A free thread collects the next
    batch, so no batch is collected before a thread can run it. Batches leave in the order in which they were collected.
    """

    def __init__(
        self, decoding: DecodePool, deadline: Deadline, publishing: PublishStage, metrics: Metrics, slots: int
    ) -> None:
        self._decoding = decoding
        self._deadline = deadline
        self._publishing = publishing
        self._metrics = metrics
        self._slots = slots
        self._rate = DecayedRate()
        self._taking = threading.Lock()
        self._left = threading.Condition()
        self._taken_count = 0
        self._left_count = 0

    def run(self) -> None:
        try:
            while self._run_next_batch():
                pass
        finally:  # even after a failure, because otherwise the next stage would wait forever
            self._publishing.end()

    def _run_next_batch(self) -> bool:
        """Collect a batch, run it, and pass its outcomes on. Return False after the last batch.

        One thread at a time collects and one passes on, while several run batches. An error of a run is raised here
        after the earlier batches have left; later batches continue.
        """
        with self._taking:
            batch = self.take_batch()
            if batch is None:
                return False
            turn = self._taken_count
            self._taken_count += 1
        outcomes: list[FrameOutcome] = []
        try:
            outcomes = self.infer(batch)
        finally:
            with self._left:
                self._left.wait_for(lambda: self._left_count == turn)
            for outcome in outcomes:
                self._publishing.put(outcome)
            with self._left:
                self._left_count += 1
                self._left.notify_all()
        return True

    def take_batch(self) -> list[DecodedFrame] | None:
        """Return the next batch, or None after the last one.

        While it waits, it holds no reference to a replaced model."""
        first = self._decoding.head(None)
        if first is None:
            return None
        waiting, rate_fps = 1 + self._decoding.waiting_frames, self._rate.count(0, time.monotonic())
        batch = collect_batch(first, self._decoding, first.model.batch_policy.limits(waiting, rate_fps), time)
        self._rate.count(len(batch), time.monotonic())
        return batch

    def infer(self, batch: list[DecodedFrame]) -> list[FrameOutcome]:
        """Return the outcome of each frame.

        A batch with frames of two models is run by each of them, one after the other.
        """
        outcomes: list[FrameOutcome] = []
        try:
            for model, frames in groupby(map(self._check_deadline, batch), key=lambda item: item.model):
                found = infer_batch(list(frames), model.session, self._metrics.memory_shortages)
                self._observe(found)
                outcomes += found
        finally:
            for item in batch:
                if isinstance(item, Decoded):
                    item.release()
        return outcomes

    def _check_deadline(self, item: DecodedFrame) -> DecodedFrame:
        """Check the deadline at the last moment at which a late frame can still be skipped."""
        late = isinstance(item, Skipped) or (isinstance(item, Decoded) and self._deadline.passed(item.frame))
        if late:
            self._metrics.late_frames.inc()
        if not (late and isinstance(item, Decoded) and self._deadline.skip):
            return item
        waited_s = time.monotonic() - item.finished_s
        return Skipped(item.frame, item.model, item.image.width_px, item.image.height_px, item.decode_s, waited_s)

    def _observe(self, outcomes: list[FrameOutcome]) -> None:
        metrics = self._metrics
        predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        if predictions:
            metrics.batch_frames.observe(len(predictions))
            metrics.device_busy.inc(predictions[0].inference_s / self._slots)
        for prediction in predictions:
            metrics.decode_seconds.observe(prediction.decode_s)
            metrics.queue_seconds.observe(prediction.queue_s)
            metrics.inference_seconds.observe(prediction.inference_s)
