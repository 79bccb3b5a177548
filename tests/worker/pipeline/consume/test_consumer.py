"""The consumer on both brokers, without the rest of the worker: limits, pauses, membership, commits."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from kafka.structs import MemberState
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.broker.consumers import open_group_member, open_reader, require_topics
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.consumer import ConsumerConfig, FrameConsumer
from stripwatch.worker.pipeline.consume.lag import LagMonitor
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.start_positions import StartPositions
from tests.brokers.handle import BrokerHandle
from tests.waiting import AWAIT_S_MAX, wait_until


@dataclass
class Running:
    consumer: FrameConsumer
    tracker: OffsetTracker
    limiter: InFlightLimiter
    metrics: Metrics
    taken: list[Frame]
    lag: LagMonitor

    def lag_frames(self) -> float | None:
        return self.metrics.registry.get_sample_value("stripwatch_consumer_lag_frames", {"partition": "0"})

    def settle(self, count: int) -> None:
        for frame in self.taken[:count]:
            self.tracker.complete(frame.position)
            self.limiter.release(len(frame.encoded))
        del self.taken[:count]


@contextmanager
def running_consumer(
    broker: BrokerHandle, topic: str, group: str, frames_max: int, drain_s_max: float = 5.0, stop_after: int = 0
) -> Iterator[Running]:
    """stop_after: stop the consumer while it takes this frame."""
    times = {"session_timeout_ms": 6000, "max_poll_interval_ms": 6000, "drain_s_max": 5}
    settings = load_settings(None, {"bootstrap_servers": broker.bootstrap_servers, "group_id": group, **times})
    consumer = open_group_member(settings)
    require_topics(consumer, [topic])
    taken: list[Frame] = []
    metrics, tracker, limiter = Metrics(CollectorRegistry()), OffsetTracker(), InFlightLimiter(frames_max, 10**9)

    class Sink:
        def take(self, frame: Frame) -> None:
            taken.append(frame)
            if len(taken) == stop_after:
                frame_consumer.stop()

    identity = TopicIdentity(consumer, topic, FetchByTopicId(consumer))
    rules = ConsumerConfig(0.05, drain_s_max)
    lag = LagMonitor(lambda: open_reader(client_config(settings)), identity, tracker, metrics)
    frame_consumer = FrameConsumer(consumer, identity, tracker, limiter, metrics, rules, Sink(), lag)
    thread = threading.Thread(target=frame_consumer.run)
    thread.start()
    try:
        yield Running(frame_consumer, tracker, limiter, metrics, taken, lag)
    finally:
        frame_consumer.stop()
        thread.join()
        frame_consumer.close(5.0)


def logged(logs: Sequence[Mapping[str, Any]], event: str) -> bool:
    return any(log["event"] == event for log in logs)


def send(broker: BrokerHandle, topic: str, count: int) -> None:
    with broker.producer() as producer:
        for future in [producer.send(topic, b"x" * 100, key=b"a") for _ in range(count)]:
            future.get(timeout=AWAIT_S_MAX)


def test_pauses_at_the_limit_stays_in_the_group_and_continues(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 100)
    with running_consumer(broker, topic, group, frames_max=10) as running:
        wait_until(lambda: len(running.taken) == 10)
        # These frames stay unsettled for longer than the session timeout and max_poll_interval_ms, as with a slow
        # model. The consumer stays a member, because it polls on its own thread, and it reads no further frame.
        held_until_s = time.monotonic() + 7
        wait_until(lambda: time.monotonic() > held_until_s)
        assert len(running.taken) == 10
        assert running.consumer.assigned
        seen: list[int] = []
        while len(seen) < 100:
            wait_until(lambda: bool(running.taken))
            count = len(running.taken)
            seen += [frame.position.offset for frame in running.taken[:count]]
            running.settle(count)
            assert running.limiter.frames <= 10
        assert seen == list(range(100))


def test_a_full_worker_that_lost_its_membership_joins_again(broker: BrokerHandle) -> None:
    """While it joins, the whole group rebalances, and no frame is settled."""
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 100)
    with running_consumer(broker, topic, group, frames_max=10) as running:
        wait_until(lambda: len(running.taken) == 10 and running.consumer.paused)
        with capture_logs() as logs:
            running.consumer._consumer._coordinator.reset_generation()  # as after the response to a commit
            wait_until(lambda: logged(logs, "partitions assigned"))
        wait_until(lambda: running.consumer.assigned)
        assert len(running.taken) == 10


def test_is_assigned_only_when_each_partition_has_a_position(
    broker: BrokerHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_seek, seek_assigned = threading.Event(), StartPositions.seek_assigned

    def seek_when_allowed(positions: StartPositions) -> None:
        if may_seek.is_set():
            seek_assigned(positions)

    monkeypatch.setattr(StartPositions, "seek_assigned", seek_when_allowed)
    topic, group = broker.new_topic(2), broker.new_name("group")
    with capture_logs() as logs, running_consumer(broker, topic, group, frames_max=100) as running:
        wait_until(lambda: logged(logs, "partitions assigned"))
        wait_until(lambda: running.consumer._consumer.group_metadata().state == MemberState.STABLE)
        assigned_too_early = running.consumer.assigned
        may_seek.set()
        wait_until(lambda: running.consumer.assigned)
        assert len(running.tracker.partitions()) == 2
    assert not assigned_too_early


def test_a_stop_waits_only_for_the_current_frame(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 50)
    with running_consumer(broker, topic, group, frames_max=100, stop_after=2) as running:
        wait_until(lambda: len(running.taken) >= 2)
    assert [frame.position.offset for frame in running.taken] == [0, 1]


@pytest.mark.parametrize("attempt", range(3))
def test_joins_the_group_once(broker: BrokerHandle, attempt: int) -> None:
    topic, group = broker.new_topic(3), broker.new_name("group")
    send(broker, topic, 20)
    with capture_logs() as logs, running_consumer(broker, topic, group, frames_max=100) as running:
        wait_until(lambda: len(running.taken) == 20)
        running.settle(20)
        wait_until(lambda: running.tracker.committable() == {})  # it has polled, committed and polled again
    assigned = [log["partitions"] for log in logs if log["event"] == "partitions assigned"]
    assert assigned == [[0, 1, 2]]


def test_releases_a_revoked_partition_only_when_its_frames_are_settled(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(2), broker.new_name("group")
    send(broker, topic, 40)
    with capture_logs() as logs, running_consumer(broker, topic, group, frames_max=100) as one:
        wait_until(lambda: len(one.taken) == 40)
        first = {frame.position for frame in one.taken}
        with running_consumer(broker, topic, group, frames_max=100) as two:
            wait_until(lambda: logged(logs, "partitions revoked"))
            assert two.taken == []
            one.settle(40)
            wait_until(lambda: two.consumer.assigned)
            send(broker, topic, 40)
            wait_until(lambda: len(one.taken) + len(two.taken) == 40)
            assert not {frame.position for frame in one.taken + two.taken} & first
            one.settle(len(one.taken))
            two.settle(len(two.taken))


def test_a_drain_that_times_out_repeats_frames_but_loses_none(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(2), broker.new_name("group")
    send(broker, topic, 40)
    with running_consumer(broker, topic, group, frames_max=100, drain_s_max=0.5) as one:
        wait_until(lambda: len(one.taken) == 40)
        first = {frame.position for frame in one.taken}
        with running_consumer(broker, topic, group, frames_max=100) as two:
            wait_until(lambda: len(one.taken) + len(two.taken) == 80)
            assert {frame.position for frame in one.taken[40:] + two.taken} == first


def test_commits_exactly_the_settled_frames(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 20)
    with running_consumer(broker, topic, group, frames_max=100) as running:
        wait_until(lambda: len(running.taken) == 20)
        connected = [running.consumer.connected]
        running.settle(7)
    # the consumer is closed, because /readyz is also queried during a stop
    connected.append(running.consumer.connected)
    assert connected == [True, False]
    with running_consumer(broker, topic, group, frames_max=100) as running:
        wait_until(lambda: len(running.taken) == 13)
        assert [frame.position.offset for frame in running.taken] == list(range(7, 20))


def test_lag_counts_frames_that_are_not_settled(broker: BrokerHandle) -> None:
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 20)
    with running_consumer(broker, topic, group, frames_max=100) as running:
        wait_until(lambda: len(running.taken) == 20)
        wait_until(lambda: running.lag_frames() == 20)
        running.settle(15)
        wait_until(lambda: running.lag_frames() == 5)


def test_lag_grows_while_the_worker_is_full_and_fetches_nothing(
    broker: BrokerHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripwatch.worker.pipeline.consume.lag._CHECK_S", 0.1)
    topic, group = broker.new_topic(), broker.new_name("group")
    send(broker, topic, 5)
    with running_consumer(broker, topic, group, frames_max=5) as running:
        wait_until(lambda: len(running.taken) == 5 and running.consumer.paused)
        running.lag.start()
        with broker.producer() as producer:
            for _ in range(20):  # each in its own batch, because the embedded broker reports the start of the last one
                producer.send(topic, b"x" * 100, key=b"a").get(timeout=AWAIT_S_MAX)
        wait_until(lambda: running.lag_frames() == 25)
        assert len(running.taken) == 5
        running.lag.close()


def test_names_a_missing_topic(broker: BrokerHandle) -> None:
    settings = load_settings(None, {"bootstrap_servers": broker.bootstrap_servers})
    consumer = open_group_member(settings)
    with pytest.raises(BrokerUnavailableError, match=r"no topic 'no-such-topic', .*; correct the name, or create it"):
        require_topics(consumer, ["no-such-topic"])
    consumer.close()
