"""Members that come and go, on Apache Kafka: cooperative rebalancing, and members that keep their place."""

from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import STOP_S_MAX, Line, WorkerProcess, running_worker
from tests.e2e.test_broker_faults import assert_complete
from tests.e2e.test_line import frames, positions
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
COOPERATIVE = ("--set", "rebalance=cooperative", "--set", "inflight.frames_max=32")


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    return Line.on(apache_broker)


def static(name: str) -> tuple[str, ...]:
    return ("--set", "static_membership=true", "--set", f"instance_id={name}")


def logged(worker: WorkerProcess, event: str) -> list[list[int]]:
    return [entry["partitions"] for entry in worker.lines if entry["event"] == event]


def test_cooperative_workers_let_go_only_what_moves_and_repeat_nothing(line: Line, bundle: Path) -> None:
    sent = line.send(frames(900), key=b"a")
    with running_worker(line, bundle, "g", *COOPERATIVE) as one:
        one.await_ready()
        line.read("results", 100)
        with running_worker(line, bundle, "g", *COOPERATIVE) as two:
            two.await_ready()
            sent += line.send(frames(600), key=b"a")
            line.read("results", 1200)
            (moved,) = logged(one, "partitions revoked")
            assert len(moved) == 1
            assert moved in logged(two, "partitions assigned")
            assert two.stop() == 0
        sent += line.send(frames(300), key=b"a")
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        assert one.stop() == 0
    assert_complete(line, sent, "at-least-once")
    assert len(positions(line.read_all("results"))) == len(sent)


def test_a_static_member_that_restarts_disturbs_nobody(line: Line, bundle: Path) -> None:
    sent = line.send(frames(90), key=b"a")
    long = ("--set", "session_timeout_ms=30000")
    with running_worker(line, bundle, "g", *static("one"), *long) as one:
        one.await_ready()
        with running_worker(line, bundle, "g", *static("two"), *long) as two:
            two.await_ready()
            line.read("results", 90)
            assert two.stop() == 0
        before = len(logged(one, "partitions revoked"))
        with running_worker(line, bundle, "g", *static("two"), *long) as two:
            two.await_ready()
            sent += line.send(frames(90), key=b"a")
            wait_until(lambda: sum(line.committed("g").values()) == len(sent))
            assert two.stop() == 0
        assert len(logged(one, "partitions revoked")) == before
        assert one.stop() == 0
    assert_complete(line, sent, "at-least-once")


def test_of_two_static_members_with_one_name_the_first_ends(line: Line, bundle: Path) -> None:
    with running_worker(line, bundle, "g", *static("one")) as one:
        one.await_ready()
        with running_worker(line, bundle, "g", *static("one")) as two:
            two.await_ready()
            assert one.process.wait(STOP_S_MAX) == 10
            one.kill()
            sent = line.send(frames(30), key=b"a")
            wait_until(lambda: sum(line.committed("g").values()) == len(sent))
            assert two.stop() == 0
    assert "instance_id" in one.lines[-1]["event"]
    assert_complete(line, sent, "at-least-once")
