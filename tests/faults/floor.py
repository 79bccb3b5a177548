"""Measure the recovery time of Kafka itself after faults, with a plain consumer group; see `--help`."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

import typer

from stripwatch.worker.common.process.child_process import ChildProcess, start_process
from tests.brokers.handle import BrokerHandle
from tests.faults.crew import HEARTBEAT_S
from tests.faults.kafka import SESSION_MS, Kafka, proxied_kafka, three_brokers

PARTITIONS = 4
_SEND_S = 0.02
_WATCH_S = 12.0  # seconds to watch after each fault
_READY_S_MAX = 60.0


@dataclass(slots=True)
class Member:
    """A consumer in a separate process that can be restarted. seen: partition and time of each record."""

    handle: BrokerHandle
    topic: str
    group: str
    instance: str
    seen: list[tuple[int, float]] = field(default_factory=list)
    child: ChildProcess | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.floor", "--member", self.topic, self.group, self.instance]
        command += ["--servers", self.handle.bootstrap_servers]
        self.child = start_process(self.instance, command, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, args=(self.child.process,), daemon=True).start()

    def restart(self, how: signal.Signals) -> None:
        assert self.child is not None
        self.child.process.send_signal(how)
        self.child.process.wait()
        self.start()

    def end(self) -> None:
        assert self.child is not None
        self.child.stop(0)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            partition, at_s = line.split()
            self.seen.append((int(partition), float(at_s)))


def longest_gap(members: list[Member], partitions: set[int], from_s: float, to_s: float) -> float:
    """Return the longest gap between two records of one of these partitions, by any member, in seconds."""
    gaps = [0.0]
    for partition in partitions:
        times = sorted(at for member in members for number, at in member.seen if number == partition)
        gaps += [b - a for a, b in pairwise([from_s, *(at for at in times if from_s < at < to_s), to_s])]
    return round(max(gaps), 2)


@contextmanager
def _group(kafka: Kafka, static: bool) -> Iterator[list[Member]]:
    """Run two members that share the partitions, and a sender."""
    topic, group, stop = kafka.handle.new_topic(PARTITIONS), kafka.handle.new_name("group"), threading.Event()
    members = [Member(kafka.handle, topic, group, f"member-{n}" if static else "-") for n in range(2)]

    def send() -> None:
        with kafka.handle.producer(acks="all", linger_ms=1, reconnect_backoff_max_ms=200) as producer:
            while not stop.wait(_SEND_S):
                for partition in range(PARTITIONS):
                    producer.send(topic, b"x", partition=partition)

    sender = threading.Thread(target=send)
    with ExitStack() as stack:
        for member in members:
            member.start()
            stack.callback(member.end)
        sender.start()
        stack.callback(sender.join)
        stack.callback(stop.set)
        deadline_s = time.monotonic() + _READY_S_MAX
        while not all(_owned(member) for member in members):
            if time.monotonic() > deadline_s:
                raise TimeoutError("timed out waiting for the members to share the partitions")
            time.sleep(0.1)
        yield members


def _owned(member: Member) -> set[int]:
    """Return the partitions that the member read in the last second; all partitions get records all the time."""
    return {number for number, at in member.seen if at > time.monotonic() - 1} if len(member.seen) > 20 else set()


def _measure(kafka: Kafka, static: bool, strike: Callable[[list[Member]], None]) -> dict[str, float]:
    with _group(kafka, static) as members:
        time.sleep(2)
        healthy, victims = _owned(members[1]) - _owned(members[0]), _owned(members[0])
        began_s = time.monotonic()
        strike(members)
        time.sleep(_WATCH_S)
        end_s = time.monotonic()
        return {
            "healthy_s": longest_gap(members, healthy, began_s, end_s),
            "victims_s": longest_gap(members, victims, began_s, end_s),
        }


def _kill_leader(kafka: Kafka) -> Callable[[list[Member]], None]:
    def strike(members: list[Member]) -> None:
        kafka.node(kafka.leaders(members[0].topic)[0]).kill()

    return strike


def _consume(servers: str, topic: str, group: str, instance: str) -> None:
    """Run a member in its process, and print each record's partition and time."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = {} if instance == "-" else {"group_instance_id": instance}
    heartbeat = {"heartbeat_interval_ms": round(1000 * HEARTBEAT_S), "reconnect_backoff_max_ms": 2000}
    handle = BrokerHandle("apache", servers, SESSION_MS)
    with handle.consumer(topic, group_id=group, **{**heartbeat, **options}) as consumer:
        while True:
            for partition, records in consumer.poll(timeout_ms=50).items():
                for _ in records:
                    print(partition.partition, time.monotonic(), flush=True)


def main(
    member: Annotated[tuple[str, str, str], typer.Option(hidden=True)] = ("", "", ""),
    servers: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure how long Kafka and its client need to recover from faults, with a plain consumer group.

    Two members with the worker's session timeout read four partitions while 200 records per second are sent. The
    output is the longest gap between two records of a partition, for the partitions of the member without the fault
    (healthy_s) and of the member with it (victims_s).

    Example: python -m tests.faults.floor
    """
    if member[0]:
        _consume(servers, *member)
        return
    found = {}
    with proxied_kafka(1) as kafka:
        found["nothing"] = _measure(kafka, False, lambda _: None)
        found["kill -9 a member"] = _measure(kafka, False, lambda members: members[0].restart(signal.SIGKILL))
        found["kill -9 a static member"] = _measure(kafka, True, lambda members: members[0].restart(signal.SIGKILL))
        found["stop a member"] = _measure(kafka, False, lambda members: members[0].restart(signal.SIGTERM))
    with three_brokers() as kafka:
        found["kill -9 a leader of three"] = _measure(kafka, False, _kill_leader(kafka))
    print(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
