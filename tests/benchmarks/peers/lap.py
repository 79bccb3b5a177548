"""One run of one contender: all frames at once, or as cameras send them; what it did by the topic of results alone.

The same is measured of each in the same way: the moment at which Kafka has a result (LogAppendTime; the embedded broker
only knows when it was sent) and the CPU seconds of its processes. Every wait has a deadline.
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

START_S_MAX = 90.0  # the worker tries layouts at its first start with a model
STALL_S_MAX = 20.0
LAP_S_MAX = 90.0  # from the first result; whoever needs longer is not worth the wait
STOP_S_MAX = 10.0
CAMERAS_S_MAX = 300.0
_LOOK_S = 0.1
# Ten minutes of frames are many GB: what has passed is let go.
_PASSING = {"max_message_bytes": "16777216", "segment_bytes": "67108864", "retention_bytes": "536870912"}
# Processes that start together join together (Kafka's own default is 3000): else the second joins within the lap.
BROKER_SETTINGS = "log.retention.check.interval.ms=10000\ngroup.initial.rebalance.delay.ms=1500\n"
_BEGIN, _END = 0.1, 0.9  # of a run's results: what lies before and after is start and end


class LapError(Exception):
    """A contender did not do what it was to do; the text is the reason."""


class _Frame(msgspec.Struct):
    partition: int
    offset: int
    captured_at: str | None = None


class _Event(msgspec.Struct):
    """What all results have in common."""

    frame: _Frame


_decode = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Track:
    """A broker, a model and frames. folder: of the images. topic: holds count of them."""

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
    """CPU seconds are None where the machine does not tell. broker's: of any work it did meanwhile."""

    frames_per_second: float
    cpu_s_per_frame: float | None
    broker_cpu_s_per_frame: float | None
    repeats: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """CPU seconds are those of the first look with results and of the last one."""

    results: int
    cpu_s: float | None
    broker_cpu_s: float | None


@dataclass(frozen=True, slots=True)
class _Read:
    place: tuple[int, int]
    at_ms: int
    captured_at: str | None


def race(contender: Contender, setting: Setting, track: Track, count: int) -> Lap:
    """Let it work through the topic until there are count results; with all frames, one of each. Raises LapError."""
    with _running(contender, setting, track, track.topic) as (children, results):
        seen = list(_watch(children, track, results, count))
        read, firsts_ms = count, results.firsts_ms(count)
        while count == track.count and len(firsts_ms) < count:  # some came twice, as when a second process joins
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
    """Results a second of the middle, from the end of one burst to the end of another: some peers come in bursts."""
    began_ms, ended_ms = (times_ms[round(share * (len(times_ms) - 1))] for share in (_BEGIN, _END))
    results = bisect_right(times_ms, ended_ms) - bisect_right(times_ms, began_ms)
    if not results:
        raise LapError(f"{len(times_ms)} frames are too few to measure by")
    return 1000 * results / (ended_ms - began_ms)


def pace(contender: Contender, setting: Setting, track: Track, rate_fps: float, seconds: float) -> list[float]:
    """Milliseconds from capture to result of each frame, while cameras send rate_fps for so long. Raises LapError."""
    with driven(contender, setting, track, rate_fps, seconds) as run:
        run.play(lambda _: None)
    read = run.results.read(PARTITIONS + run.frames)[PARTITIONS:]
    return [latency for result in read[run.frames // 10 :] if (latency := _latency_ms(result)) is not None]


@dataclass(frozen=True, slots=True)
class Driven:
    """A contender that has shown that it works, and cameras that play. frames: that they send, in this many seconds."""

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
        """Until every frame has a result; look is called now and then. Raises LapError."""
        for _ in _watch(self.children, self.track, self.results, PARTITIONS + self.frames, self.seconds + LAP_S_MAX):
            look(self)
        self.await_cameras()

    def await_cameras(self) -> None:
        if self.cameras.wait(CAMERAS_S_MAX) != 0:
            raise LapError(f"the cameras failed{self.cameras.output_text()}")


@contextmanager
def driven(contender: Contender, setting: Setting, track: Track, rate_fps: float, seconds: float) -> Iterator[Driven]:
    """One frame of each camera first, so that the start is not measured. Raises LapError."""
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
    """Its processes, all of them gone at the end, with new topics for what they write."""
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
    """Looks until there are count results, for s_max after the first. Raises LapError."""
    moved_s, before, ends_s = time.monotonic(), 0, math.inf
    while True:
        done = results.count()
        pids = [child.process.pid for child in children]
        now_s = time.monotonic()
        measured = done >= count or (done > 0 and not before)  # to ask for the CPU time at each look would cost some
        spent = (cpu_seconds(*pids), cpu_seconds(track.broker.pid)) if measured else (None, None)
        yield _Seen(done, *spent)
        if done >= count:
            return
        moved_s, before = (now_s if done > before else moved_s), done
        ends_s = min(ends_s, now_s + s_max) if done else ends_s
        for child in children:
            if child.ended:
                raise LapError(f"it ended with code {child.process.returncode}{child.output_text()}")
        if now_s > moved_s + (STALL_S_MAX if before else START_S_MAX):
            said = "".join(child.output_text() for child in children)
            raise LapError(f"nothing came for {now_s - moved_s:.0f} s after {before} of {count} results{said}")
        if now_s > ends_s:
            raise LapError(f"only {before} of {count} results after {s_max:.0f} s")
        time.sleep(_LOOK_S)


class _Results:
    """The topic of results, read from its start."""

    def __init__(self, track: Track, topic: str) -> None:
        self._consumer = track.consumer
        self._partition = TopicPartition(topic, 0)
        self._ends_are_told = track.handle.name == "apache"  # the embedded broker tells where its last batch begins
        self._found: list[_Read] = []
        self._consumer.assign([self._partition])
        self._consumer.seek_to_beginning(self._partition)

    def count(self) -> int:
        """How many there are; by the end offset of the topic where it is known, which costs next to nothing."""
        if self._ends_are_told:
            end: int = self._consumer.end_offsets([self._partition])[self._partition]
            return end
        self._poll(0)
        return len(self._found)

    def read(self, count: int) -> list[_Read]:
        """The first count results, in order. Raises LapError."""
        deadline_s = time.monotonic() + STALL_S_MAX
        while len(self._found) < count:
            self._poll(200)
            if time.monotonic() > deadline_s:
                raise LapError(f"only {len(self._found)} of {count} results could be read")
        return self._found[:count]

    def firsts_ms(self, count: int) -> list[int]:
        """When each frame had its first result, of the first count results. Raises LapError."""
        found: dict[tuple[int, int], int] = {}
        for result in self.read(count):
            found.setdefault(result.place, result.at_ms)
        return list(found.values())

    def _poll(self, timeout_ms: int) -> None:
        for record in self._consumer.poll(timeout_ms=timeout_ms).get(self._partition, []):
            frame = _decode(record.value).frame
            self._found.append(_Read((frame.partition, frame.offset), record.timestamp, frame.captured_at))
