"""The stages between the consumer and the offsets, and the threads that run them.

    take -> decode pool -> inference stage -> publish stage -> publisher -> settled

Frames stay in order all the way: the pool and the inference stage emit them as they came, and what follows is one
thread. A frame is given its model when it comes in. After a swap the frames of the old model run out by the old one, in
order, and a batch with frames of both goes through each of them in turn.
A stage that dies takes the worker with it: `failed` is set, and whoever runs the pipeline stops and raises it.
"""

import threading
import time

import structlog

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.image_statistics import CameraSampler
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.memory_shortage import shortage
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.decode_budget import DecodeBudget
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.inference_stage import InferenceStage
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.publish_stage import Publisher, PublishStage

log = structlog.get_logger()


class Pipeline:
    """Frames in by `take`, events out by the publisher; at the end `drain`.

    The caller registers each frame with the tracker and the limiter before `take`. sampler: which frames are measured.
    """

    def __init__(
        self,
        settings: Settings,
        model: LoadedModel,
        publisher: Publisher,
        tracker: OffsetTracker,
        limiter: InFlightLimiter,
        metrics: Metrics,
        deadline: Deadline = NO_DEADLINE,
        sampler: CameraSampler | None = None,
        observer: FrameObserver | None = None,
    ) -> None:
        self._model = model
        self._publisher = publisher
        self._limiter = limiter
        self.failed = threading.Event()
        self.failure: BaseException | None = None
        observer, slots = observer or FrameObserver(), settings.batches_in_flight
        self._decoding = DecodePool(
            settings.decode_threads or usable_cores(),
            deadline,
            sampler,
            metrics.memory_shortages,
            DecodeBudget(settings.inflight.decoded_bytes_max),
        )
        events = EventBuilder(settings.cameras)
        self._publishing = PublishStage(
            events, publisher, tracker, limiter, metrics, observer, self.failed, writers=slots
        )
        inference = InferenceStage(self._decoding, deadline, self._publishing, metrics, slots)
        self._predict_threads = [OwnedThread(inference.run, "predict", self.fail) for _ in range(slots)]
        self._threads = [*self._predict_threads, OwnedThread(self._publishing.run, "publish", self.fail)]
        metrics.watch(metrics.queue_frames, lambda: self._decoding.waiting_frames, queue="decode")
        metrics.watch(metrics.queue_frames, lambda: self._publishing.waiting_frames, queue="publish")
        metrics.watch(metrics.inflight_frames, lambda: limiter.frames)
        metrics.watch(metrics.inflight_bytes, lambda: limiter.bytes)
        metrics.watch(metrics.inflight_decoded_bytes, lambda: self._decoding.decoded_bytes)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def take(self, frame: Frame) -> None:
        """Let a frame in. Its position is registered, and it counts as in flight."""
        self._decoding.submit(frame, self._model)

    def swap(self, model: LoadedModel) -> None:
        """Frames that come in from now on are this model's. Any thread may call."""
        self._model = model

    def fail(self, error: BaseException) -> None:
        """The pipeline cannot continue. The first error counts; any thread may call."""
        if isinstance(error, MemoryError):
            error = shortage(f"the worker ({threading.current_thread().name})")
        if not self.failed.is_set():
            # Said at once: the command says it only at its end, after a drain of up to drain_s_max.
            log.error("the worker cannot continue", error=str(error) or type(error).__name__)
            self.failure = error
            self.failed.set()
            self._decoding.lift_budget()

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    def exit_code(self) -> int:
        """Of a process that has to be ended by force: that of what failed, if anything did."""
        return getattr(self.failure, "exit_code", 1) if self.failure else HangError.exit_code

    @property
    def predicting(self) -> bool:
        """A run of a model has not come back."""
        return any(thread.is_alive() for thread in self._predict_threads)

    @property
    def frames_settled(self) -> int:
        return self._publishing.frames_settled

    @property
    def frames_dropped(self) -> int:
        """Frames whose events went nowhere: they are read again."""
        return self._publishing.frames_dropped

    def drain(self, timeout_s: float) -> bool:
        """Let what is inside run out, upstream first. False: frames are still open at the end of the time.

        They are not lost: their offsets were never committed, so the next worker inspects them.
        """
        deadline_s = time.monotonic() + timeout_s
        self._decoding.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._decoding.lift_budget()
        self._publisher.flush(max(0.1, deadline_s - time.monotonic()))
        return self._limiter.frames == 0
