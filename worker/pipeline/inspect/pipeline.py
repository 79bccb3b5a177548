"""The stages between the consumer and the offsets, and the threads that run them.

    take -> decode pool -> [predict threads] -> [publish thread] -> publisher -> settled

Frames stay in order all the way: the pool and the batch slots emit them as they came, and what follows is one thread.
A frame is given its model when it comes in. After a swap the frames of the old model run out by the old one, in order,
and a batch with frames of both goes through each of them in turn.
A stage that dies takes the worker with it: `failure` is set, and whoever runs the pipeline stops and raises it.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import structlog

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.common.rates import DecayedRate
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.memory_shortage import shortage
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.batch_slots import OrderedBatchSlots
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.decode_budget import DecodeBudget
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.event_metrics import count_event, count_unlocated
from stripwatch.worker.pipeline.inspect.gather_batches import collect_batch
from stripwatch.worker.pipeline.inspect.infer import infer_batch
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, FrameOutcome, Prediction, Skipped

log = structlog.get_logger()


class Publisher(Protocol):
    """Where events go: Kafka, or a file. One thread calls."""

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        """Hand an event on; settle is called, from any thread, once the frame is fully accounted for."""

    def flush(self, timeout_s: float) -> None:
        """Wait until everything handed on is settled, or the time is up."""


@dataclass(frozen=True, slots=True)
class PipelineDependencies:
    """What a pipeline is made of. Each part has one owner: see ARCHITECTURE.md."""

    decoding: DecodePool
    deadline: Deadline
    events: EventBuilder
    publisher: Publisher
    tracker: OffsetTracker
    limiter: InFlightLimiter
    metrics: Metrics


class Pipeline:
    """Frames in by `take`, events out by the publisher; at the end `drain`."""

    def __init__(
        self,
        parts: PipelineDependencies,
        model: LoadedModel,
        on_settled: Callable[[Result | Reject, Frame], None] = lambda *_: None,
        on_result: Callable[[Result, Frame], None] = lambda *_: None,
        admit: Callable[[FrameOutcome, Result | Reject], Result | Reject] = lambda _, event: event,
        on_outcome: Callable[[FrameOutcome, Result | Reject], None] = lambda *_: None,
        batches_in_flight: int = 1,
    ) -> None:
        """on_result, on_outcome: called with each result, and with each frame, when it goes out.

        admit: gives each event as it goes out. All must return at once.
        batches_in_flight: with the model at the same time.
        """
        self._parts = parts
        self._model = model
        self._on_settled = on_settled
        self._on_result = on_result
        self._admit = admit
        self._on_outcome = on_outcome
        self._rate = DecayedRate()
        self._outcomes: queue.SimpleQueue[FrameOutcome | None] = queue.SimpleQueue()
        self._failed = threading.Event()
        self._failure: BaseException | None = None
        self._slots = OrderedBatchSlots()
        self._slot_count = batches_in_flight
        stages = [("predict", self._inference_stage)] * batches_in_flight + [("publish", self._publish_stage)]
        self._threads = [OwnedThread(stage, name, self.fail) for name, stage in stages]
        metrics = parts.metrics
        metrics.watch(metrics.queue_frames, lambda: parts.decoding.waiting_frames, queue="decode")
        metrics.watch(metrics.queue_frames, self._outcomes.qsize, queue="publish")
        metrics.watch(metrics.inflight_frames, lambda: parts.limiter.frames)
        metrics.watch(metrics.inflight_bytes, lambda: parts.limiter.bytes)
        metrics.watch(metrics.inflight_decoded_bytes, lambda: parts.decoding.decoded_bytes)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def take(self, frame: Frame) -> None:
        """Let a frame in. Its position is registered, and it counts as in flight."""
        self._parts.decoding.submit(frame, self._model)

    def swap(self, model: LoadedModel) -> None:
        """Frames that come in from now on are this model's. Any thread may call."""
        self._model = model

    def fail(self, error: BaseException) -> None:
        """The pipeline cannot continue. The first error counts; any thread may call."""
        if isinstance(error, MemoryError):
            error = shortage(f"the worker ({threading.current_thread().name})")
        if not self._failed.is_set():
            # Said at once: the command says it only at its end, after a drain of up to drain_s_max.
            log.error("the worker cannot continue", error=str(error) or type(error).__name__)
            self._failure = error
            self._failed.set()
            self._parts.decoding.lift_budget()

    @property
    def failed(self) -> threading.Event:
        return self._failed

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @property
    def failure(self) -> BaseException | None:
        return self._failure

    def exit_code(self) -> int:
        """Of a process that has to be ended by force: that of what failed, if anything did."""
        return getattr(self._failure, "exit_code", 1) if self._failure else HangError.exit_code

    @property
    def predicting(self) -> bool:
        """A run of a model has not come back."""
        return any(thread.is_alive() for thread in self._threads[: self._slot_count])

    def drain(self, timeout_s: float) -> bool:
        """Let what is inside run out, upstream first. False: frames are still open at the end of the time.

        They are not lost: their offsets were never committed, so the next worker inspects them.
        """
        deadline_s = time.monotonic() + timeout_s
        self._parts.decoding.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._parts.decoding.lift_budget()
        self._parts.publisher.flush(max(0.1, deadline_s - time.monotonic()))
        return self._parts.limiter.frames == 0

    def _inference_stage(self) -> None:
        try:
            while self._slots.run_next_batch(self._next_batch, self._infer, self._emit):
                pass
        finally:  # even after a failure, or the next stage would wait forever
            self._outcomes.put(None)

    def _next_batch(self) -> list[DecodedFrame] | None:
        """The next batch; None after the last. While it waits here, a model that was swapped out must not be held."""
        decoding = self._parts.decoding
        first = decoding.head(None)
        if first is None:
            return None
        waiting, rate_fps = 1 + decoding.waiting_frames, self._rate.count(0, time.monotonic())
        gathered = collect_batch(first, decoding.head, first.model.batch_policy.limits(waiting, rate_fps), time)
        self._rate.count(len(gathered), time.monotonic())
        return gathered

    def _infer(self, gathered: list[DecodedFrame]) -> list[FrameOutcome]:
        try:
            return self._run_models(gathered)
        finally:
            for item in gathered:
                if isinstance(item, Decoded):
                    item.release()

    def _run_models(self, gathered: list[DecodedFrame]) -> list[FrameOutcome]:
        outcomes: list[FrameOutcome] = []
        for model, batch in groupby(map(self._check_deadline, gathered), key=lambda item: item.model):
            found = infer_batch(list(batch), model.session, self._parts.metrics.memory_shortages.inc)
            self._observe(found)
            outcomes += found
        return outcomes

    def _emit(self, outcomes: list[FrameOutcome]) -> None:
        for outcome in outcomes:
            self._outcomes.put(outcome)

    def _check_deadline(self, item: DecodedFrame) -> DecodedFrame:
        """The last moment at which a late frame can still be passed over."""
        late = isinstance(item, Skipped) or (isinstance(item, Decoded) and self._parts.deadline.passed(item.frame))
        if late:
            self._parts.metrics.late_frames.inc()
        if not (late and isinstance(item, Decoded) and self._parts.deadline.skip):
            return item
        waited_s = time.monotonic() - item.finished_s
        return Skipped(item.frame, item.model, item.image.width_px, item.image.height_px, item.decode_s, waited_s)

    def _publish_stage(self) -> None:
        slots = self._slot_count  # each says when it has ended
        while slots:
            if (outcome := self._outcomes.get()) is None:
                slots -= 1
            else:
                self._publish(outcome)
            del outcome

    def _publish(self, outcome: FrameOutcome) -> None:
        sent_s = time.monotonic()
        frame, event = outcome.frame, self._admit(outcome, self._parts.events.event(outcome, sent_s))
        count_unlocated(self._parts.metrics, outcome, event)
        if isinstance(event, Reject):
            self._parts.limiter.reserve_copy(id(frame), len(frame.encoded), self._failed.is_set)
        self._parts.publisher.publish(event, frame, lambda: self._settle(frame, event, sent_s))
        self._on_outcome(outcome, event)
        if isinstance(event, Result):
            self._on_result(event, frame)

    def _settle(self, frame: Frame, event: Result | Reject, sent_s: float) -> None:
        """The frame is fully accounted for. Runs on the publisher's thread."""
        parts = self._parts
        count_event(parts.metrics, frame, event)
        parts.metrics.publish_seconds.observe(time.monotonic() - sent_s)
        self._on_settled(event, frame)
        parts.tracker.complete(frame.position)
        parts.limiter.release_copy(id(frame))
        parts.limiter.release(len(frame.encoded))

    def _observe(self, outcomes: list[FrameOutcome]) -> None:
        metrics = self._parts.metrics
        predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        if predictions:
            metrics.batch_frames.observe(len(predictions))
            metrics.device_busy.inc(predictions[0].inference_s / self._slot_count)
        for prediction in predictions:
            metrics.decode_seconds.observe(prediction.decode_s)
            metrics.queue_seconds.observe(prediction.queue_s)
            metrics.inference_seconds.observe(prediction.inference_s)


def build_dependencies(
    settings: Settings,
    metrics: Metrics,
    publisher: Publisher,
    limiter: InFlightLimiter,
    deadline: Deadline = NO_DEADLINE,
    tracker: OffsetTracker | None = None,
    measures: Callable[[str], bool] = lambda _: False,
) -> PipelineDependencies:
    """The stages of any pipeline, whether frames come from Kafka or from a folder."""
    return PipelineDependencies(
        decoding=DecodePool(
            settings.decode_threads or usable_cores(),
            deadline.skips,
            measures,
            metrics.memory_shortages.inc,
            DecodeBudget(settings.inflight.decoded_bytes_max),
        ),
        deadline=deadline,
        events=EventBuilder(settings.cameras),
        publisher=publisher,
        tracker=tracker or OffsetTracker(),
        limiter=limiter,
        metrics=metrics,
    )
