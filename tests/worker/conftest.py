"""An embedded broker, a clock that stands still, a producer that keeps what it is given, and the command line."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.future import Future

from stripwatch.cli import main
from stripwatch.worker.bench.embedded_broker import embedded_broker as running_embedded_broker
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.frame_headers import Headers
from tests.brokers.handle import BrokerHandle

CommandLine = Callable[..., tuple[int, str, str]]


class ManualClock:
    """Time that passes only in `sleep`."""

    def __init__(self, stop_after_s: float = float("inf")) -> None:
        self.seconds = 1000.0
        self.slept_s: list[float] = []
        self._stop_at_s = self.seconds + stop_after_s

    @property
    def stopped(self) -> bool:
        return self.seconds >= self._stop_at_s

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 2, 0, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.seconds += seconds


@dataclass(frozen=True)
class Record:
    """Arguments of one call of `send`, and its pending acknowledgement."""

    value: bytes
    key: bytes
    headers: Headers
    timestamp_ms: int
    future: Any


@dataclass(frozen=True)
class Acknowledgement:
    topic: str
    partition: int
    offset: int


@dataclass
class FakeProducer:
    """Takes records; a test acknowledges or refuses them, on kafka-python's own futures."""

    records: list[Record] = field(default_factory=list)
    flush_error: Exception | None = None

    def send(self, topic: str, *, value: bytes, key: bytes, headers: Headers, timestamp_ms: int) -> Any:
        self.records.append(Record(value, key, headers, timestamp_ms, Future()))
        return self.records[-1].future

    def flush(self, timeout: float) -> None:
        if self.flush_error:
            raise self.flush_error

    def acknowledge(self, number: int) -> None:
        self.records[number].future.success(Acknowledgement(topics.FRAMES, 3, 40 + number))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run `stripwatch ARGS` in this process: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stripwatch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def empty_broker(embedded_broker: BrokerHandle) -> Iterator[str]:
    """HOST:PORT of an embedded broker of this test alone, without any topic."""
    with running_embedded_broker() as running:
        yield running.bootstrap_servers


@pytest.fixture
def line_broker(empty_broker: str, command_line: CommandLine) -> str:
    """HOST:PORT of an embedded broker with the topics of the line."""
    code, _, stderr = command_line("topics", "--bootstrap-servers", empty_broker)
    assert code == 0, stderr
    return empty_broker


def consume(broker: str, count: int) -> list[Any]:
    """The first records on the frames topic; waits for them. The embedded broker's end offsets do not count records."""
    with KafkaConsumer(topics.FRAMES, bootstrap_servers=broker, auto_offset_reset="earliest") as consumer:
        return [next(consumer) for _ in range(count)]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def last_json(stdout: str) -> dict[str, Any]:
    summary = json.loads(stdout.splitlines()[-1])
    assert isinstance(summary, dict)
    return summary
