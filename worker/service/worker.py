"""The worker: assembles the stages, runs them, and closes them in order."""

import time
from collections.abc import Callable
from functools import partial

import structlog

from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.broker.consumers import frames_isolation, open_group_member, open_reader, require_topics
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.topic_limits import TopicLimits, read_topic_limits
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.common.errors import BrokerUnavailableError, HangError
from stripwatch.worker.common.process.threads import OwnedThread, ShutdownLimit, stacks
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import resolve_bundle
from stripwatch.worker.model.loading.open_model import open_model, require_bundle
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.systemd import Watchdog, sd_notify
from stripwatch.worker.observers.frame_observers import PipelineObservers, optional_topics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.consumer import ConsumerConfig, FrameConsumer
from stripwatch.worker.pipeline.consume.lag import LagMonitor
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.model_reload import ModelReloader
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline
from stripwatch.worker.pipeline.produce.delivery import open_delivery
from stripwatch.worker.pipeline.produce.record_clock import RecordClock
from stripwatch.worker.service.hang_detector import HangDetector
from stripwatch.worker.service.startup import required_topics

log = structlog.get_logger()
_CLOSE_S = 3.0
# After drain_s_max, closing the consumer, producers and observers takes up to 11 s if Kafka does not respond.
_CLOSE_S_MAX = 12.0
_TICK_S = 0.1
_GRACE_S = 2.0  # a call that reaches its own limit raises a better error
_WAITING_S_MAX = 5.0  # seconds inside one call to Kafka after which results count as not delivered


class Worker:
    """One worker on Kafka, from the connection to a clean stop."""

    def __init__(
        self, settings: Settings, model: LoadedModel, metrics: Metrics, limit: ShutdownLimit | None = None
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._limit = limit
        self.stopping = False
        log.info("connecting", bootstrap_servers=settings.bootstrap_servers, group_id=settings.group_id)
        consumer = open_group_member(settings)
        topics = required_topics(settings)
        existing = require_topics(consumer, topics, settings.broker.wait_s_max)
        optional = optional_topics(settings.topics, existing)
        # all topics that the worker writes to
        limits = TopicLimits(partial(read_topic_limits, settings, [*topics[1:], *optional]))
        limits.refresh()
        self._clock = RecordClock()
        metrics.watch(metrics.clock_refused, lambda: float(self._clock.refused))
        topic = TopicIdentity(consumer, settings.topics.frames, FetchByTopicId(consumer))
        self._tracker = OffsetTracker()
        self._limiter = InFlightLimiter(settings.inflight.frames_max, settings.inflight.bytes_max)
        self._delivery = open_delivery(
            settings,
            self._tracker,
            metrics,
            limits,
            self._clock,
            consumer.group_metadata,
            self._fail,
            self._limiter,
            topic.confirm_gone,
        )
        self._observers = PipelineObservers(settings, metrics, limits, optional, self._tracker.partitions)
        self._pipeline = self._new_pipeline(model)
        self._show_model(model)
        self._reloader = self._new_reloader(model)
        metrics.watch(metrics.bundle_outdated, lambda: self._reloader.outdated)
        metrics.watch(metrics.partitions_read, self._partitions_read)
        self._lag = self._new_lag_monitor(topic)
        self._consumer = FrameConsumer(
            consumer,
            topic,
            self._tracker,
            self._limiter,
            metrics,
            _consumer_config(settings, topics[1:]),
            self._pipeline,
            self._lag,
        )
        self._consumer_thread = OwnedThread(self._consumer.run, "consumer", self._fail)
        self._reload_thread = OwnedThread(
            lambda: self._reloader.run(settings.bundle_check_s), "model-reload", self._fail
        )
        self._hangs = HangDetector(settings)

    def _new_pipeline(self, model: LoadedModel) -> Pipeline:
        return Pipeline(
            self._settings,
            model,
            publisher=self._delivery,
            tracker=self._tracker,
            limiter=self._limiter,
            metrics=self._metrics,
            deadline=_deadline(self._settings),
            sampler=self._observers.drift.sampler,
            observer=self._observers,
            colour_sampler=self._observers.drift.colour_sampler,
        )

    def _new_reloader(self, model: LoadedModel) -> ModelReloader:
        settings = self._settings
        return ModelReloader(
            lambda: resolve_bundle(require_bundle(settings)),
            lambda bundle, raise_if_cancelled: open_model(bundle, settings, raise_if_cancelled),
            self._use_model,
            self._metrics.bundle_swaps,
            running=model.info.sha256,
        )

    def _new_lag_monitor(self, topic: TopicIdentity) -> LagMonitor:
        settings = self._settings
        return LagMonitor(
            lambda: open_reader(client_config(settings), isolation_level=frames_isolation(settings)),
            topic,
            self._tracker,
            self._metrics,
        )

    def run(self, stopped: Callable[[], bool], ready: Callable[[], bool]) -> None:
        """Run until `stopped` or until a stage fails, and raise its error. ready: readiness for systemd."""
        watchdog = Watchdog()
        log.info("started")
        self._pipeline.start()
        self._consumer_thread.start()
        self._reload_thread.start()
        self._lag.start()
        self._observers.start()
        while not stopped() and not self._pipeline.failed.wait(_TICK_S):
            watchdog.ping(ready(), self._limiter.frames, self._pipeline.frames_settled)
            self._observers.drift.tick(self._reading, self._tracker.partitions())
            if self._delivery.waiting_s > self._settings.send_s_max + _GRACE_S:
                limit = f"{self._settings.send_s_max:g} s (send_s_max)"
                self._fail(BrokerUnavailableError(f"Kafka has not confirmed the delivery of results within {limit}"))
            self._check_hangs()
        if hung := self._stop():
            cause = f"{self._pipeline.failure}; " if self._pipeline.failure else ""
            threads = ", ".join(hung)
            raise HangError(
                f"{cause}a model is still running at the end of the stop (thread {threads})", self._pipeline.exit_code()
            )
        self._pipeline.raise_failure()

    def _check_hangs(self) -> None:
        try:
            self._hangs.check(self._limiter.frames, self._pipeline.frames_settled, self._consumer.turns)
        except HangError as error:
            log.error("a thread hangs", threads=stacks())
            self._fail(error)

    @property
    def paused(self) -> bool:
        return self._consumer.paused

    @property
    def connected(self) -> bool:
        return self._consumer.connected

    @property
    def joined(self) -> bool:
        return self._consumer.assigned

    @property
    def topic_readable(self) -> bool:
        return self._consumer.topic_readable

    @property
    def unwritable_topics(self) -> tuple[str, ...]:
        return self._consumer.unwritable_topics

    @property
    def _reading(self) -> bool:
        """True if a new frame would be read at once."""
        return self._participating and not self.paused

    @property
    def _participating(self) -> bool:
        return self.connected and self.joined and self.topic_readable and self.delivering

    def _partitions_read(self) -> int:
        """Return how many partitions are read. A full worker counts, because it reads them as fast as it can."""
        return len(self._tracker.partitions()) if self._participating else 0

    @property
    def delivering(self) -> bool:
        return not self._tracker.suspended and self._delivery.waiting_s < _WAITING_S_MAX

    @property
    def clock_agrees(self) -> bool:
        return not self._clock.refused

    @property
    def alive(self) -> bool:
        return self._consumer_thread.is_alive() and not self._pipeline.failed.is_set()

    @property
    def reject_rate_is_high(self) -> bool:
        return self._observers.rejects.is_high()

    def _use_model(self, model: LoadedModel) -> None:
        self._pipeline.use_model(model)
        self._show_model(model)

    def _show_model(self, model: LoadedModel) -> None:
        self._metrics.show_bundle(model.session.bundle, model.session.provider)
        self._metrics.show_device(model.session.provider, model.session.device_id)

    def _stop(self) -> list[str]:
        """Stop everything within one deadline. Frames not settled by then are inspected again by the next worker.

        Returns the threads that still run a model, with which the process cannot exit normally.
        """
        if self._limit is not None:
            self._limit.start(self._settings.drain_s_max + _CLOSE_S_MAX, self._pipeline.exit_code)
        self.stopping = True
        dropped_before = self._pipeline.frames_dropped
        sd_notify("STOPPING=1")
        log.info("stopping", frames_open=self._limiter.frames, failed=self._pipeline.failed.is_set())
        started_s = time.monotonic()
        deadline_s = started_s + self._settings.drain_s_max
        self._reloader.stop()
        self._lag.stop()
        self._consumer.stop()  # no new frames
        self._consumer_thread.join(self._settings.drain_s_max)
        drained = self._drain(deadline_s)  # finish the frames in flight, upstream stages first
        self._consumer.close(_CLOSE_S)  # commits and leaves the group last, because its heartbeats keep the membership
        self._delivery.close()
        hung = self._observers.close(deadline_s)
        self._lag.close()  # after everything that settles frames, because its last request may still be pending
        self._reload_thread.join(
            max(_CLOSE_S, deadline_s - time.monotonic())
        )  # at most one run of a model being loaded
        hung += ["model-reload"] if self._reload_thread.is_alive() else []
        hung += ["predict"] if self._pipeline.predicting else []
        settled = drained and self._pipeline.frames_dropped == dropped_before
        log.info("stopped", everything_settled=settled, seconds=round(time.monotonic() - started_s, 2))
        return hung

    def _drain(self, deadline_s: float) -> bool:
        """Finish the frames in flight, even after a failure, because results that are not committed are repeated."""
        try:
            return self._pipeline.drain(max(_CLOSE_S, deadline_s - time.monotonic()))
        except BrokerUnavailableError as error:
            self._pipeline.fail(error)
            return False

    def _fail(self, error: BaseException) -> None:
        self._pipeline.fail(error)


def _consumer_config(settings: Settings, output_topics: list[str]) -> ConsumerConfig:
    return ConsumerConfig(
        settings.commit_ms / 1000,
        settings.drain_s_max,
        settings.broker.away_s_max,
        settings.start_at,
        commits=settings.delivery == "at-least-once",
        # The transactional id is derived from the instance_id, so losing one means losing the other.
        keeps_name=settings.static_membership is True or settings.delivery == "exactly-once",
        output_topics=tuple(output_topics),
    )


def _deadline(settings: Settings) -> Deadline:
    if settings.deadline_ms is None:
        return NO_DEADLINE
    return Deadline(settings.deadline_ms / 1000, settings.late_frames == "skip-late")
