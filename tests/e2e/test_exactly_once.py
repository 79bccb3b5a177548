"""delivery = "exactly-once" with real workers on Apache Kafka: no frame is lost or repeated, and the order is kept."""

import signal
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, Record, running_worker
from tests.e2e.records import frames, in_partition_order, positions

pytestmark = pytest.mark.kafka
EXACTLY_ONCE = ("--set", "delivery=exactly-once", "--set", "inflight.frames_max=64")


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    return Line.on(apache_broker)


def named(name: str, *more: str) -> tuple[str, ...]:
    return (*EXACTLY_ONCE, "--set", f"instance_id={name}", *more)


def assert_exactly_once(line: Line, sent: list[Record], rejects: int = 0) -> None:
    results = line.read_all("results")
    assert sorted(positions(results)) == sorted((frame.partition, frame.offset) for frame in sent)
    assert in_partition_order(results)
    assert sum(line.committed("g").values()) == len(sent) + rejects


def test_a_restart_repeats_nothing(line: Line, bundle: Path) -> None:
    sent = line.send([*frames(600), b"no image"], key=b"a")
    with running_worker(line, bundle, "g", *named("one")) as one:
        one.await_ready()
        line.read("results", 100)
        assert one.stop() == 0
        assert one.last("stopped")["everything_settled"] is True
    with running_worker(line, bundle, "g", *named("one")) as one:
        one.await_ready()
        line.read("results", 600)
        assert len(line.read("rejects", 1)) == 1
        assert one.stop() == 0
    assert_exactly_once(line, sent[:-1], rejects=1)


def test_a_killed_worker_repeats_nothing(line: Line, bundle: Path) -> None:
    sent = line.send(frames(1500), key=b"a")
    with running_worker(line, bundle, "g", *named("one", "--set", "exactly_once.transaction_ms=1000")) as one:
        one.await_ready()
        line.read("results", 200)
        one.kill()
    with running_worker(line, bundle, "g", *named("one")) as two:
        two.await_ready()
        line.read("results", len(sent))
        assert two.stop() == 0
    assert_exactly_once(line, sent)


@pytest.mark.parametrize("rebalance", ["eager", "cooperative"])
def test_workers_that_join_and_leave_repeat_nothing(line: Line, bundle: Path, rebalance: str) -> None:
    sent = line.send(frames(600), key=b"a")
    execution = ("--set", f"rebalance={rebalance}")
    with running_worker(line, bundle, "g", *named("one", *execution)) as one:
        one.await_ready()
        line.read("results", 100)
        with running_worker(line, bundle, "g", *named("two", *execution)) as two:
            two.await_ready()
            sent += line.send(frames(600), key=b"a")
            line.read("results", 900)
            assert one.stop() == 0
            sent += line.send(frames(300), key=b"a")
            line.read("results", len(sent))
            assert two.stop() == 0
    assert_exactly_once(line, sent)


@pytest.mark.long
def test_a_worker_that_hangs_past_its_session_repeats_nothing(line: Line, bundle: Path) -> None:
    sent = line.send(frames(900), key=b"a")
    with (
        running_worker(line, bundle, "g", *named("one")) as one,
        running_worker(line, bundle, "g", *named("two")) as two,
    ):
        one.await_ready()
        two.await_ready()
        line.read("results", 50)
        one.process.send_signal(signal.SIGSTOP)
        sent += line.send(frames(300), key=b"a")
        line.read("results", len(sent))  # by the other worker, once the session has ended
        one.process.send_signal(signal.SIGCONT)
        one.await_log("partitions assigned")
        sent += line.send(frames(300), key=b"a")
        line.read("results", len(sent))
        assert (one.stop(), two.stop()) == (0, 0)
    assert_exactly_once(line, sent)


def test_the_older_of_two_workers_with_one_instance_id_is_fenced(line: Line, bundle: Path) -> None:
    sent = line.send(frames(300), key=b"a")
    with running_worker(line, bundle, "g", *named("one")) as one:
        one.await_ready()
        line.read("results", 300)
        with running_worker(line, bundle, "g", *named("one")) as two:
            two.await_ready()
            sent += line.send(frames(300), key=b"a")
            assert one.process.wait(60) == 10
            line.read("results", 600)
            assert two.stop() == 0
    assert_exactly_once(line, sent)
