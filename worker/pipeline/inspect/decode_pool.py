"""Decodes frames in parallel and returns them in order of arrival, so no later stage has to sort."""

import queue
import time
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import structlog
from prometheus_client import Counter

from stripwatch.worker.common.errors import FrameRejected, MemoryShortageError, RejectReason
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.image_statistics import CameraSampler, FrameSampler, measure
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.pipeline.consume.memory_shortage import retry_on_memory_error
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.decode_budget import DecodeBudget, Reservation
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, RejectedFrame, Skipped

log = structlog.get_logger()


class DecodePool:
    """Thread pool that decodes frames. One thread submits frames, and one takes them out in order.

    The threads run in parallel, because OpenCV releases the GIL.

    deadline: checked before a frame is decoded. sampler: selects the frames of a camera to measure. shortages: counts
    each memory shortage. budget: memory for decoding and for decoded frames; it is returned with `Decoded.release`.
    colour_sampler: selects the frames whose colour is measured, if the model does not see colour. Replayed frames are
    never measured.
    """

    def __init__(
        self,
        threads: int,
        deadline: Deadline = NO_DEADLINE,
        sampler: CameraSampler | None = None,
        shortages: Counter | None = None,
        budget: DecodeBudget | None = None,
        colour_sampler: FrameSampler | None = None,
    ) -> None:
        cv2.setNumThreads(1)  # OpenCV's own threads would compete with the pool for calls that take 0.1 ms
        self._deadline = deadline
        self._sampler = sampler
        self._colour_sampler = colour_sampler
        self._shortages = shortages
        self._budget = budget or DecodeBudget()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._queue: queue.SimpleQueue[Future[DecodedFrame] | None] = queue.SimpleQueue()
        self._head: Future[DecodedFrame] | None = None
        self._ended = False

    def submit(self, frame: Frame, model: LoadedModel) -> None:
        """Decode a frame as this model requires. The frame keeps this model."""
        self._queue.put(self._pool.submit(self._work, frame, model, self._budget.enter()))

    def close(self) -> None:
        """Accept no more frames. Submitted frames can still be taken."""
        self._queue.put(None)
        self._pool.shutdown(wait=False)

    def lift_budget(self) -> None:
        """Remove the memory limit, because decoded frames are no longer consumed."""
        self._budget.lift()

    @property
    def decoded_bytes(self) -> int:
        """Bytes reserved for frames that are being decoded or wait for the model."""
        return self._budget.held_bytes

    def head(self, timeout_s: float | None) -> DecodedFrame | None:
        """Return the next frame in order.

        Return None if it is not decoded within timeout_s seconds (None waits without limit), or after the last frame.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        if self._head is None:
            self._head = self._next(timeout_s)
        if self._head is None:
            return None
        try:
            outcome = self._head.result(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
        except TimeoutError:
            return None
        self._head = None
        return outcome

    @property
    def waiting_frames(self) -> int:
        return self._queue.qsize()

    def _next(self, timeout_s: float | None) -> Future[DecodedFrame] | None:
        if self._ended:
            return None
        try:
            head = self._queue.get(timeout=timeout_s) if timeout_s != 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        self._ended = head is None
        return head

    def _work(self, frame: Frame, model: LoadedModel, reservation: Reservation) -> DecodedFrame:
        try:
            outcome = self._decode(frame, model, reservation)
        except BaseException:
            reservation.release()
            raise
        if isinstance(outcome, Decoded):
            reservation.keep(outcome.image.pixels.nbytes)
        else:
            reservation.release()
        return outcome

    def _decode(self, frame: Frame, model: LoadedModel, reservation: Reservation) -> DecodedFrame:
        if frame.discarded is not None:
            return RejectedFrame(frame, model, FrameRejected(frame.discarded.reason, frame.discarded.detail))
        if self._deadline.skips(frame):
            return Skipped(frame, model)
        started_s = time.monotonic()
        try:
            image = retry_on_memory_error(
                lambda: model.decode_frame(frame, reservation.take), "decoding a frame", self._shortages
            )
            statistics = measure(image.pixels) if self._is_sampled(frame) else None
            colour = self._measure_colour(frame, model, image, reservation)
        except FrameRejected as error:
            return RejectedFrame(frame, model, error)
        # not the frame's fault: ends the worker, in the thread that takes the result
        except (MemoryError, MemoryShortageError):
            raise
        except Exception as error:  # one bad frame must never stop the line, not even through a bug
            log.exception("decoding failed", frame=frame.id)
            return RejectedFrame(
                frame, model, FrameRejected(RejectReason.UNDECODABLE, f"{type(error).__name__}: {error}")
            )
        finished_s = time.monotonic()
        return Decoded(frame, model, image, finished_s - started_s, finished_s, statistics, colour, reservation)

    def _is_sampled(self, frame: Frame) -> bool:
        return self._sampler is not None and frame.replay_of is None and self._sampler.due(frame.camera)

    def _measure_colour(self, frame: Frame, model: LoadedModel, image: Image, reservation: Reservation) -> int | None:
        """Return the colour of a sampled frame that the model sees in grey; None if memory is short.

        A damaged file may have any colour.
        """
        sampler = self._colour_sampler
        if sampler is None or model.measure_colour is None or frame.replay_of is not None or image.flags:
            return None
        if not sampler.due(frame.camera):
            return None
        try:
            return model.measure_colour(frame, reservation.extend)
        except (FrameRejected, MemoryError):  # the frame is inspected all the same
            return None
