"""The stages between consumer and offsets, and the threads that run them.

    take -> decode pool -> inference stage -> publish stage -> publisher -> settled

Frames stay in order: the decode pool and the inference stage emit them in order of arrival, and a single thread
follows. A frame keeps the model that was current when it was read. After a model reload, the frames of the old model
finish with the old model, in order. A batch with frames of both models is run by each of them, one after the other.

If a stage fails, `failed` is set, and the thread that runs the pipeline stops it and raises the error.
"""

import threading
import time

import structlog

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.image_statistics import CameraSampler, FrameSampler
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
    """Takes frames with `take`, passes their events to the publisher, and finishes with `drain`.

    The caller registers each frame with the tracker and the limiter before `take`. sampler: selects the frames to
    measure. colour_sampler: selects the frames whose colour is measured, if the model does not see colour.
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
        colour_sampler: FrameSampler | None = None,
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
            colour_sampler,
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
        """Inspect a frame that is registered and counted as in flight."""
        self._decoding.submit(frame, self._model)

    def use_model(self, model: LoadedModel) -> None:
        """Use this model for all frames taken from now on. May be called from any thread."""
        self._model = model

    def fail(self, error: BaseException) -> None:
        """Record that the pipeline cannot continue. The first error counts. May be called from any thread."""
        if isinstance(error, MemoryError):
            error = shortage(f"the worker ({threading.current_thread().name})")
        if not self.failed.is_set():
            # Logged at once, because the command reports the error only after a drain of up to drain_s_max.
            log.error("the worker cannot continue", error=str(error) or type(error).__name__)
            self.failure = error
            self.failed.set()
            self._decoding.lift_budget()

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    def exit_code(self) -> int:
        """Return the exit code for a process that must be ended by force: that of the failure, if there is one."""
        return getattr(self.failure, "exit_code", 1) if self.failure else HangError.exit_code

    @property
    def predicting(self) -> bool:
        """True while a model is running."""
        return any(thread.is_alive() for thread in self._predict_threads)

    @property
    def frames_settled(self) -> int:
        return self._publishing.frames_settled

    @property
    def frames_dropped(self) -> int:
        """Number of frames whose events were not published. They are read again."""
        return self._publishing.frames_dropped

    def drain(self, timeout_s: float) -> bool:
        """Finish the frames in flight, upstream stages first. Return False if the time was not sufficient.

        Unfinished frames are not lost: their offsets were not committed, so the next worker inspects them.
        """
        deadline_s = time.monotonic() + timeout_s
        self._decoding.close()
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._decoding.lift_budget()
        self._publisher.flush(max(0.1, deadline_s - time.monotonic()))
        return self._limiter.frames == 0
