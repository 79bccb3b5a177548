"""One run of one contender, with all frames waiting or with cameras that send them, measured on the results topic.

All contenders are measured in the same way: by the time at which Kafka stores a result (LogAppendTime; the embedded
broker only has the time at which it was sent) and the CPU seconds of their processes. Every wait has a deadline.
"""

import math
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.bench.embedded_broker import Broker
from stripwatch.worker.common.process.child_process import ChildProcess, running_process, stop_all
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.common.process.usage import cpu_seconds
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from tests.benchmarks.peers.cameras import PARTITIONS, Plan, read_shots, send_frames
from tests.benchmarks.peers.contenders import ROOT, Contender
from tests.benchmarks.peers.task import Setting, Task
from tests.brokers.handle import BrokerHandle

START_S_MAX = 90.0  # the worker tunes its layout at its first start with a model
STALL_S_MAX = 20.0
LAP_S_MAX = 90.0  # from the first result; a slower contender is stopped
STOP_S_MAX = 10.0
CAMERAS_S_MAX = 300.0
_LOOK_S = 0.1
# Ten minutes of frames are many GB, so old ones are deleted.
_PASSING = {"max_message_bytes": "16777216", "segment_bytes": "67108864", "retention_bytes": "536870912"}
# Processes that start together join together (Kafka's default is 3000). Otherwise the second joins during the lap.
BROKER_SETTINGS = "log.retention.check.interval.ms=10000\ngroup.initial.rebalance.delay.ms=1500\n"
_BEGIN, _END = 0.1, 0.9  # share of a run's results that is measured, without start and end


class LapError(Exception):
    """A contender failed; the text is the reason."""


class _Frame(msgspec.Struct):
    partition: int
    offset: int
    captured_at: str | None = None


class _Event(msgspec.Struct):
    """The fields of a result that all contenders write."""

    frame: _Frame


_decode = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Track:
    """A broker, a model and frames. folder: folder of the images. topic: topic that holds `count` of them."""

    name: str
    broker: Broker
    handle: BrokerHandle
    consumer: KafkaConsumer
    bundle: Path
    folder: Path
    topic: str
    count: int
    python: str


@dataclass(frozen=True, slots=True)
class Lap:
    """Result of a run. CPU seconds are None if unknown; those of the broker include all its work during the run."""

    frames_per_second: float
    cpu_s_per_frame: float | None
    broker_cpu_s_per_frame: float | None
    repeats: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """Result counts. CPU seconds are those of the first check with results and of the last one."""

    results: int
    cpu_s: float | None
    broker_cpu_s: float | None


@dataclass(frozen=True, slots=True)
class _Read:
    place: tuple[int, int]
    at_ms: int
    captured_at: str | None


def race(contender: Contender, setting: Setting, track: Track, count: int) -> Lap:
    """Run until there are `count` results; with all frames, require one result per frame. Raises LapError."""
    with _running(contender, setting, track, track.topic) as (children, results):
        seen = list(_watch(children, track, results, count))
        read, firsts_ms = count, results.firsts_ms(count)
        while count == track.count and len(firsts_ms) < count:  # some repeat, as when a second process joins
            read += count - len(firsts_ms)
            seen += _watch(children, track, results, read)
            firsts_ms = results.firsts_ms(read)
    first, last = next(look for look in seen if look.results), seen[-1]

    def each(begin: float | None, end: float | None) -> float | None:
        frames = last.results - first.results
        return None if begin is None or end is None or not frames else (end - begin) / frames

    return Lap(
        frames_per_second=middle_rate(sorted(firsts_ms)),
        cpu_s_per_frame=each(first.cpu_s, last.cpu_s),
        broker_cpu_s_per_frame=each(first.broker_cpu_s, last.broker_cpu_s),
        repeats=read - len(firsts_ms),
    )


def middle_rate(times_ms: Sequence[int]) -> float:
    """Return the results per second in the middle of a run.

    It is measured from the end of one burst to the end of another, because some peers publish in bursts.
    """
    began_ms, ended_ms = (times_ms[round(share * (len(times_ms) - 1))] for share in (_BEGIN, _END))
    results = bisect_right(times_ms, ended_ms) - bisect_right(times_ms, began_ms)
    if not results:
        raise LapError(f"{len(times_ms)} frames are too few for a measurement")
    return 1000 * results / (ended_ms - began_ms)


def pace(contender: Contender, setting: Setting, track: Track, rate_fps: float, seconds: float) -> list[float]:
    """Return each frame's milliseconds from capture to result while cameras send at rate_fps. Raises LapError."""
    with driven(contender, setting, track, rate_fps, seconds) as run:
        run.play(lambda _: None)
    read = run.results.read(PARTITIONS + run.frames)[PARTITIONS:]
    return [latency for result in read[run.frames // 10 :] if (latency := _latency_ms(result)) is not None]


@dataclass(frozen=True, slots=True)
class Driven:
    """A contender that has published results, and cameras that send. frames: frames that they send in `seconds`."""

    track: Track
    children: Sequence[ChildProcess]
    results: "_Results"
    cameras: ChildProcess
    frames_topic: str
    frames: int
    seconds: float

    @property
    def pids(self) -> list[int]:
        return [child.process.pid for child in self.children]

    def play(self, look: Callable[["Driven"], None]) -> None:
        """Wait until every frame has a result, calling `look` from time to time. Raises LapError."""
        for _ in _watch(self.children, self.track, self.results, PARTITIONS + self.frames, self.seconds + LAP_S_MAX):
            look(self)
        self.await_cameras()

    def await_cameras(self) -> None:
        if self.cameras.wait(CAMERAS_S_MAX) != 0:
            raise LapError(f"the cameras failed{self.cameras.output_text()}")


@contextmanager
def driven(contender: Contender, setting: Setting, track: Track, rate_fps: float, seconds: float) -> Iterator[Driven]:
    """Send one frame per camera first, so that the start is not measured. Raises LapError."""
    topic = track.handle.new_topic(PARTITIONS, **_PASSING)
    frames = round(rate_fps * seconds)
    primer = Plan(track.broker.bootstrap_servers, topic, str(track.folder), PARTITIONS)
    with _running(contender, setting, track, topic) as (children, results):
        send_frames(primer, read_shots(track.folder)[:PARTITIONS])
        list(_watch(children, track, results, PARTITIONS))
        paced = msgspec.structs.replace(primer, frames=frames, rate_fps=rate_fps)
        with _running_cameras(paced) as cameras:
            yield Driven(track, children, results, cameras, topic, frames, seconds)
    with track.handle.admin() as admin:
        admin.delete_topics([topic])


def _latency_ms(result: _Read) -> float | None:
    if result.captured_at is None:
        return None
    return result.at_ms - parse_rfc3339(result.captured_at)


@contextmanager
def _running_cameras(plan: Plan) -> Iterator[ChildProcess]:
    command = [sys.executable, "-m", "tests.benchmarks.peers.cameras"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))), **plan.environment()}
    with running_process("the cameras", command, environment, ROOT, STOP_S_MAX) as cameras:
        yield cameras


@contextmanager
def _running(
    contender: Contender, setting: Setting, track: Track, frames: str
) -> Iterator[tuple[list[ChildProcess], "_Results"]]:
    """Run the contender's processes with new output topics, and stop them all at the end."""
    topics = {"frames": frames}
    for kind in ("results", "defects", "rejects"):
        topics[kind] = track.handle.new_topic(1, message_timestamp_type="LogAppendTime")
    with tempfile.TemporaryDirectory(prefix="stripwatch-peer-") as folder, ExitStack() as stack:
        task = Task(
            bundle=str(track.bundle.resolve()),
            bootstrap_servers=track.broker.bootstrap_servers,
            topics=topics,
            group=f"peer-{uuid4().hex[:8]}",
            setting=setting,
            port=free_port(),
            folder=folder,
            memory=str(track.folder.parent / "memory"),
        )
        children: list[ChildProcess] = []
        stack.callback(stop_all, children, STOP_S_MAX)
        for program in contender.programs(track.python, task):
            running = running_process(contender.name, program.command, program.environment(), ROOT, STOP_S_MAX)
            children.append(stack.enter_context(running))
        yield children, _Results(track, topics["results"])


def _watch(
    children: Sequence[ChildProcess], track: Track, results: "_Results", count: int, s_max: float = LAP_S_MAX
) -> Iterator[_Seen]:
    """Wait until there are `count` results, at most s_max seconds after the first. Raises LapError."""
    moved_s, before, ends_s = time.monotonic(), 0, math.inf
    while True:
        done = results.count()
        pids = [child.process.pid for child in children]
        now_s = time.monotonic()
        measured = done >= count or (done > 0 and not before)  # reading the CPU time at every check would cost CPU time
        spent = (cpu_seconds(*pids), cpu_seconds(track.broker.pid)) if measured else (None, None)
        yield _Seen(done, *spent)
        if done >= count:
            return
        moved_s, before = (now_s if done > before else moved_s), done
        ends_s = min(ends_s, now_s + s_max) if done else ends_s
        for child in children:
            if child.ended:
                raise LapError(f"exit code {child.process.returncode}{child.output_text()}")
        if now_s > moved_s + (STALL_S_MAX if before else START_S_MAX):
            said = "".join(child.output_text() for child in children)
            raise LapError(f"no result for {now_s - moved_s:.0f} s after {before} of {count} results{said}")
        if now_s > ends_s:
            raise LapError(f"only {before} of {count} results after {s_max:.0f} s")
        time.sleep(_LOOK_S)


class _Results:
    """Reader of the results topic, from its start."""

    def __init__(self, track: Track, topic: str) -> None:
        self._consumer = track.consumer
        self._partition = TopicPartition(topic, 0)
        self._ends_are_told = track.handle.name == "apache"  # the embedded broker returns the start of its last batch
        self._found: list[_Read] = []
        self._consumer.assign([self._partition])
        self._consumer.seek_to_beginning(self._partition)

    def count(self) -> int:
        """Return the number of results, by the end offset of the topic if it is reliable, which is cheap."""
        if self._ends_are_told:
            end: int = self._consumer.end_offsets([self._partition])[self._partition]
            return end
        self._poll(0)
        return len(self._found)

    def read(self, count: int) -> list[_Read]:
        """Return the first `count` results, in order. Raises LapError."""
        deadline_s = time.monotonic() + STALL_S_MAX
        while len(self._found) < count:
            self._poll(200)
            if time.monotonic() > deadline_s:
                raise LapError(f"only {len(self._found)} of {count} results could be read")
        return self._found[:count]

    def firsts_ms(self, count: int) -> list[int]:
        """Return the time of each frame's first result, among the first `count` results. Raises LapError."""
        found: dict[tuple[int, int], int] = {}
        for result in self.read(count):
            found.setdefault(result.place, result.at_ms)
        return list(found.values())

    def _poll(self, timeout_ms: int) -> None:
        for record in self._consumer.poll(timeout_ms=timeout_ms).get(self._partition, []):
            frame = _decode(record.value).frame
            self._found.append(_Read((frame.partition, frame.offset), record.timestamp, frame.captured_at))
