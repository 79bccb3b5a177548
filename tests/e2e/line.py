"""A line for end-to-end tests: new topics on a broker, a sender, a real worker process, and a reader."""

import json
import os
import queue
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from kafka.structs import TopicPartition

from stripwatch.worker.common.process.child_process import module_command
from tests.brokers.handle import BrokerHandle

START_S_MAX = 60.0
CLI_S_MAX = 180.0
COLLECT_S_MAX = 120
STOP_S_MAX = 40.0
READ_S_MAX = 60.0
READING = {"consumer_timeout_ms": round(READ_S_MAX * 1000), "isolation_level": "read_committed"}
MARK = b"end marker of a test"
SESSION_MS = 6000  # the embedded broker delays the first member by half of it


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the broker acknowledged it or as it was read back."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp_ms: int = 0

    @property
    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.value or b"")
        return body


@dataclass(frozen=True, slots=True)
class Line:
    """Create topics with unique names. partitions: partitions of the frames topic."""

    broker: BrokerHandle
    partitions: int = 3
    topics: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, broker: BrokerHandle, partitions: int = 3) -> Self:
        topics = {"frames": broker.new_topic(partitions)}
        topics |= {name: broker.new_topic(1) for name in ("results", "defects", "rejects", "evidence", "review")}
        return cls(broker, partitions, topics)

    def send(self, values: Sequence[bytes | None], **record: Any) -> list[Record]:
        """Send frames round robin to the partitions, and wait for the acknowledgements."""
        with self.broker.producer(max_request_size=20_000_000) as producer:
            futures = [
                producer.send(self.topics["frames"], value, partition=i % self.partitions, **record)
                for i, value in enumerate(values)
            ]
            done = [future.get(timeout=READ_S_MAX) for future in futures]
        headers = dict(record.get("headers") or ())
        return [
            Record(meta.partition, meta.offset, record.get("key"), value, headers)
            for meta, value in zip(done, values, strict=True)
        ]

    def read(self, topic: str, count: int) -> list[Record]:
        """Return the first `count` records of a topic, in order; fewer if they do not arrive in time."""
        return list(islice(self._records(topic), count))

    def read_until(self, topic: str, done: Callable[[list[Record]], bool]) -> list[Record]:
        """Return the first records of a topic, in order, until they are `done` or no more arrive in time."""
        found: list[Record] = []
        for record in self._records(topic):
            found.append(record)
            if done(found):
                break
        return found

    def read_all(self, topic: str) -> list[Record]:
        """Return every record of a topic so far. A marker record ends it, because brokers differ in end offsets."""
        mark = uuid4().bytes
        with self.broker.producer() as producer:
            producer.send(self.topics[topic], mark, key=MARK).get(timeout=READ_S_MAX)
        records = takewhile(lambda record: record.value != mark, self._records(topic))
        return [record for record in records if record.key != MARK]

    def _records(self, topic: str) -> Iterator[Record]:
        with self.broker.consumer(**READING) as consumer:
            consumer.assign([TopicPartition(self.topics[topic], 0)])
            consumer.seek_to_beginning()
            for record in consumer:
                yield Record(
                    *(record.partition, record.offset, record.key, record.value, dict(record.headers)), record.timestamp
                )

    def committed(self, group: str) -> dict[int, int]:
        """Return the group's committed offsets by partition."""
        with self.broker.consumer(group_id=group) as consumer:
            partitions = [TopicPartition(self.topics["frames"], p) for p in range(self.partitions)]
            offsets = {partition.partition: consumer.committed(partition) for partition in partitions}
        return {number: offset for number, offset in offsets.items() if offset is not None}


class WorkerProcess:
    """`stripwatch run` as a child process; its log lines are kept and can be awaited.

    program, environment: command and environment of another version of the worker. folder: working directory.
    """

    def __init__(
        self,
        line: Line,
        bundle: Path,
        group: str,
        *arguments: str,
        metrics_port: int = 0,
        program: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.line = line
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        topics = [part for name, topic in line.topics.items() for part in ("--set", f"topics.{name}={topic}")]
        command = [
            *(program or module_command("worker")),
            *("run", "--bundle", str(bundle), "--group-id", group),
            *("--bootstrap-servers", line.broker.bootstrap_servers, "--metrics-port", str(metrics_port)),
            *("--log-format", "json", *topics, "--set", f"session_timeout_ms={SESSION_MS}", *arguments),
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_log(self, event: str) -> dict[str, Any]:
        """Return the next log line with this event; fail if the process ends first."""
        while (entry := self._queue.get(timeout=START_S_MAX)) is not None:
            if entry.get("event") == event:
                return entry
        raise AssertionError(f"the worker exited with code {self.process.wait()} before {event!r}: {self.lines}")

    def await_ready(self) -> int:
        """Wait until partitions are assigned; return the port of the metrics."""
        port: int = self.await_log("starting")["metrics_port"]
        self.await_log("partitions assigned")
        return port

    def last(self, event: str) -> dict[str, Any]:
        """Return the newest log line with this event. Raises StopIteration without one."""
        return next(entry for entry in reversed(self.lines) if entry.get("event") == event)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(STOP_S_MAX)
        self._reader.join()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            try:
                entry = json.loads(text)
            except ValueError:
                entry = {"event": text.rstrip()}
            self.lines.append(entry)
            self._queue.put(entry)
        self._queue.put(None)


@contextmanager
def running_worker(line: Line, bundle: Path, group: str, *arguments: str) -> Iterator[WorkerProcess]:
    """Run a worker, and kill it at the end of the block if it still runs."""
    worker = WorkerProcess(line, bundle, group, *arguments)
    try:
        yield worker
    finally:
        worker.kill()


def fetch(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a request to the worker's health port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def run_cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a `stripwatch` command to its end."""
    return subprocess.run(
        [*module_command("worker"), *arguments],
        capture_output=True,
        text=True,
        timeout=CLI_S_MAX,
        env=os.environ | environment,
    )


def collect(*arguments: str) -> dict[str, Any]:
    """Run `stripwatch train collect`, and return its summary."""
    command = [*module_command("training"), "collect", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COLLECT_S_MAX)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def metric(worker: WorkerProcess, port: int, name: str) -> float:
    lines = fetch(port, "/metrics")[1].splitlines()
    return sum(float(text.rsplit(" ", 1)[1]) for text in lines if text.startswith(f"stripwatch_{name}"))


def readiness(port: int) -> dict[str, bool]:
    checks: dict[str, bool] = json.loads(fetch(port, "/readyz")[1])["checks"]
    return checks
