"""Measures CPU cost and maximum speed of each pipeline step in isolation, on the same frames.

It calls the steps one by one, because `LoadedModel.inspect` combines them.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from kafka.structs import ConsumerGroupMetadata
from prometheus_client import CollectorRegistry

from stripwatch.worker.bench.capacity import CapacityLimits, FrameCosts, cpu_limit
from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.broker.consumers import FETCH_WAIT_MS, from_kafka, open_reader, read_from_beginning
from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.common.errors import BrokerUnavailableError, FrameRejected, InputError
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.process.malloc import tune_malloc
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.model.session import Session
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.infer import infer_batch
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, Prediction
from stripwatch.worker.pipeline.inspect.publish_stage import PublishStage
from stripwatch.worker.pipeline.produce.delivery import open_delivery
from stripwatch.worker.pipeline.produce.record_clock import RecordClock

_INFER_S_MIN = 1.0
_IDLE_S_MAX = 30.0
_SAMPLE_FRAMES = 512


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU time (all threads together) and elapsed time of a number of frames."""

    frames: int
    cpu_s: float
    wall_s: float

    @property
    def cpu_s_per_frame(self) -> float:
        return self.cpu_s / self.frames

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.wall_s


def measure_cpu_time(work: Callable[[], int]) -> CpuTime:
    """Measure `work`, which returns the number of frames it processed."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    frames = work()
    return CpuTime(frames, time.process_time() - cpu_s, time.perf_counter() - wall_s)


@dataclass(frozen=True, slots=True)
class StageCosts:
    """The cost of every step in isolation. The broker's CPU seconds per frame are known only after a whole run."""

    consume: CpuTime
    intake: CpuTime
    decode: CpuTime
    inference_one_thread: CpuTime
    inference: CpuTime
    publish: CpuTime

    def costs(self, broker_s: float | None) -> FrameCosts:
        return FrameCosts(
            consume_s=self.consume.cpu_s_per_frame,
            decode_s=self.decode.cpu_s_per_frame,
            inference_s=self.inference_one_thread.cpu_s_per_frame,
            publish_s=self.publish.cpu_s_per_frame,
            broker_s=broker_s,
        )

    def limits(self, broker_s: float | None, on_cpu: bool) -> CapacityLimits:
        cpu_fps = cpu_limit(self.costs(broker_s), usable_cores()) if on_cpu else None
        return CapacityLimits(self.inference.frames_per_second, self.intake.frames_per_second, cpu_fps)


def measure_steps(settings: Settings, count: int, scratch_topic: str) -> StageCosts:
    """Measure every step. Raises InputError if no frame can be decoded.

    settings: worker settings whose frames topic holds `count` frames. scratch_topic: topic for the results.
    """
    tune_malloc()  # as in the worker; otherwise decoding would appear more expensive
    model, one_thread = (load_model(settings.model_copy(update={"inference_threads": threads})) for threads in (0, 1))
    pool = DecodePool(usable_cores())
    frames: list[Frame] = []
    consume = measure_cpu_time(lambda: _consume(settings, count, frames.append))
    intake = measure_cpu_time(lambda: _consume_and_decode(settings, count, pool, model))
    pool.close()
    sample = frames[:_SAMPLE_FRAMES]
    decoded: list[Decoded] = []
    decode_spent = measure_cpu_time(lambda: _decode_each(sample, model, decoded))
    if not decoded:
        raise InputError("no frame can be decoded, so there is nothing to measure; check the images of --frames")
    ready = np.stack([item.image.pixels for item in decoded])
    return StageCosts(
        consume=consume,
        intake=intake,
        decode=decode_spent,
        inference_one_thread=measure_cpu_time(lambda: _infer(one_thread.session, ready)),
        inference=measure_cpu_time(lambda: _infer(model.session, ready)),
        publish=_publish(settings, model, decoded, scratch_topic),
    )


def _consume(settings: Settings, count: int, take: Callable[[Frame], object]) -> int:
    """Read the frames topic from its start, and convert records to frames as the worker does."""
    taken, idle_since_s = 0, time.monotonic()
    with open_reader(client_config(settings), fetch_wait_ms=FETCH_WAIT_MS) as consumer:
        read_from_beginning(consumer, [settings.topics.frames])
        while taken < count:
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    take(read_record(from_kafka(record), "", time.monotonic()))
                taken, idle_since_s = taken + len(records), time.monotonic()
            if time.monotonic() > idle_since_s + _IDLE_S_MAX:
                raise BrokerUnavailableError(
                    f"only {taken} of {count} frames could be read from {settings.topics.frames}"
                )
    return taken


def _consume_and_decode(settings: Settings, count: int, pool: DecodePool, model: LoadedModel) -> int:
    """Run the consumer thread and the decode pool as in the worker, and discard the images."""

    def submit(frame: Frame) -> None:
        pool.submit(frame, model)
        while pool.waiting_frames > settings.inflight.frames_max:
            pool.head(None)

    taken = _consume(settings, count, submit)
    while pool.waiting_frames:
        pool.head(None)
    return taken


def _decode_each(frames: Sequence[Frame], model: LoadedModel, into: list[Decoded]) -> int:
    for frame in frames:
        with suppress(FrameRejected):
            into.append(Decoded(frame, model, model.decode_frame(frame), 0.0, time.monotonic()))
    return len(frames)


def _infer(session: Session, ready: Pixels) -> int:
    """Run batches of the best size for at least one second. Return the number of frames."""
    size = min(session.best_batch_frames, len(ready))
    starts = itertools.cycle(range(0, len(ready) - size + 1, size))
    done, ends_s = 0, time.perf_counter() + _INFER_S_MIN
    while time.perf_counter() < ends_s:
        at = next(starts)
        session.predict(ready[at : at + size])
        done += size
    return done


def _publish(settings: Settings, model: LoadedModel, decoded: Sequence[Decoded], topic: str) -> CpuTime:
    """Measure building, serializing, sending, acknowledging and counting events, as in the worker's publish thread."""
    predictions = [outcome for item in decoded for outcome in infer_batch([item], model.session)]
    topics = settings.topics.model_copy(update=dict.fromkeys(("results", "defects", "rejects"), topic))
    plain = settings.model_copy(update={"topics": topics, "delivery": "at-least-once"})
    tracker, metrics, failed = OffsetTracker(), Metrics(CollectorRegistry()), list[BaseException]()
    delivery = open_delivery(
        plain, tracker, metrics, TopicLimits(), RecordClock(), ConsumerGroupMetadata, failed.append
    )
    limiter = InFlightLimiter(settings.inflight.frames_max, settings.inflight.bytes_max)
    stage = PublishStage(
        events=EventBuilder(settings.cameras),
        publisher=delivery,
        tracker=tracker,
        limiter=limiter,
        metrics=metrics,
        observer=FrameObserver(),
        failed=threading.Event(),
        writers=1,
    )

    def publish() -> int:
        for prediction in predictions:
            if isinstance(prediction, Prediction):
                position = prediction.frame.position
                tracker.assign([Partition(position.topic, position.partition)])
                tracker.register(position)
                limiter.acquire(len(prediction.frame.encoded))
                stage.put(prediction)
        stage.end()
        stage.run()
        delivery.flush(_IDLE_S_MAX)
        return len(predictions)

    try:
        spent = measure_cpu_time(publish)
    finally:
        delivery.close()
    if failed:
        raise failed[0]
    return spent
