"""Group membership on Apache Kafka: cooperative rebalancing and static members."""

from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import STOP_S_MAX, Line, WorkerProcess, fetch, running_worker
from tests.e2e.records import assert_complete, frames, positions
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
LONG = ("--set", "session_timeout_ms=300000")  # no test may wait for a session to end, so each group is used once
COOPERATIVE = ("--set", "rebalance=cooperative", "--set", "inflight.frames_max=32")


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    return Line.on(apache_broker)


def static(name: str) -> tuple[str, ...]:
    return ("--set", "static_membership=true", "--set", f"instance_id={name}")


def logged(worker: WorkerProcess, event: str) -> list[list[int]]:
    return [entry["partitions"] for entry in worker.lines if entry["event"] == event]


def test_cooperative_workers_release_only_the_partitions_that_move_and_repeat_nothing(line: Line, bundle: Path) -> None:
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


def test_a_static_member_that_restarts_causes_no_rebalance(line: Line, bundle: Path) -> None:
    group = line.broker.new_name("group")
    sent = line.send(frames(90), key=b"a")
    with running_worker(line, bundle, group, *LONG) as one:
        one.await_ready()
        with running_worker(line, bundle, group, *LONG) as two:
            two.await_ready()
            line.read("results", 90)
            two.kill()
        before = len(logged(one, "partitions revoked"))
        with running_worker(line, bundle, group, *LONG) as two:
            two.await_ready()
            sent += line.send(frames(90), key=b"a")
            wait_until(lambda: sum(line.committed(group).values()) == len(sent))
            assert len(logged(one, "partitions revoked")) == before
            assert two.stop() == 0
        assert one.stop() == 0
    assert_complete(line, sent, "at-least-once", group)


@pytest.mark.parametrize("name", [(), static("two")])
def test_a_stopped_member_hands_its_partitions_over_at_once(line: Line, bundle: Path, name: tuple[str, ...]) -> None:
    group = line.broker.new_name("group")
    with running_worker(line, bundle, group, *LONG) as one, running_worker(line, bundle, group, *LONG, *name) as two:
        one.await_ready()
        two.await_ready()
        assert two.stop() == 0
        sent = line.send(frames(90), key=b"a")
        wait_until(lambda: sum(line.committed(group).values()) == len(sent))  # long before the session ends
        assert one.stop() == 0
    assert_complete(line, sent, "at-least-once", group)


def test_a_fenced_static_member_continues_as_a_dynamic_member(line: Line, bundle: Path) -> None:
    group = line.broker.new_name("group")
    name = ("--set", "instance_id=same")
    with running_worker(line, bundle, group, *LONG, *name) as one:
        port = one.await_ready()
        with running_worker(line, bundle, group, *LONG, *name) as two:
            two.await_ready()
            one.await_log("partitions lost; some frames will be inspected again")
            one.await_log("partitions assigned")
            sent = line.send(frames(90), key=b"a")
            wait_until(lambda: sum(line.committed(group).values()) == len(sent))
            assert "stripwatch_instance_ids_taken_total 1.0" in fetch(port, "/metrics")[1]
            assert two.stop() == 0
            assert one.stop() == 0
    given_up = [[entry for entry in worker.lines if "dynamic member" in entry["event"]] for worker in (one, two)]
    assert [entry["level"] for entry in given_up[0]] == ["error"]
    assert given_up[1] == []
    assert_complete(line, sent, "at-least-once", group)


def test_the_older_of_two_static_members_with_one_instance_id_exits(line: Line, bundle: Path) -> None:
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
