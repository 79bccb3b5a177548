"""The workers, and a supervisor that restarts them. One thread owns all of it and calls `look` regularly."""

import os
import re
import signal
import struct
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from stripwatch.worker.common.errors import BrokerUnavailableError, BundleError
from stripwatch.worker.common.process.child_process import ChildProcess, module_command, start_process
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.common.process.usage import process_tree
from stripwatch.worker.config.sections import Topics
from tests.faults.kafka import SESSION_MS, Kafka

PROCESSES = 2  # restart delay of a worker under a supervisor
HEARTBEAT_S = min(0.5, SESSION_MS / 3000)  # the worker's default
DRAIN_S_MAX = 10
STOP_S_MAX = DRAIN_S_MAX + 20.0  # in addition to the drain: commit, leave the group, close, on a busy machine
_RESTART_S = 0.5
_ASK_S_MAX = 2.0
_MEASURE_S = 0.5
_CLOCK = Path(__file__).with_name("clock")
_INFLIGHT = re.compile(r"^stripwatch_inflight_frames(?:{.*})? (\S+)$", re.MULTILINE)
_PARTITION = re.compile(r'^stripwatch_consumer_lag_frames{(.*)partition="(\d+)"(.*)} ', re.MULTILINE)
_PROCESS = re.compile(r"^instance_id=.*-(\d+)$")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exit:
    """Exit of a worker: exit code, whether it was allowed, and seconds after SIGTERM (None: without SIGTERM)."""

    worker: int
    code: int
    allowed: bool
    stop_s: float | None


@dataclass(slots=True)
class _Worker:
    """A worker and its restarts.

    bad_model: an invalid bundle was at the bundle's path since its start. clock: file with the seconds by which its
    wall clock is wrong. processes: more than one means a supervisor with that many workers.
    """

    number: int
    command: list[str]
    log: IO[bytes]
    port: int
    clock: Path
    processes: int = 1
    child: ChildProcess | None = None
    paused: bool = False
    hurt: bool = False
    stop_by_s: float | None = None
    bad_model: bool = False
    start_at_s: float = 0.0

    @property
    def fit(self) -> bool:
        """Return whether a fault may be injected into the worker."""
        return self.child is not None and not self.paused and not self.hurt and self.stop_by_s is None

    def signal(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.process.send_signal(number)

    def pids(self) -> list[int]:
        """Return the ids of all its current processes."""
        if self.child is None or self.child.ended:
            return []
        return [process.pid for process in process_tree(self.child.process.pid)]

    def signal_all(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def start(self, bad_model: bool) -> None:
        self.child = start_process(f"worker {self.number}", self.command, self.log, env=self._environment())
        self.paused, self.hurt, self.stop_by_s, self.bad_model = False, False, None, bad_model

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(_CLOCK), os.environ.get("PYTHONPATH")]))
        own = {"PYTHONPATH": path, "FAULTS_CLOCK": str(self.clock)}
        return os.environ | own | {"PYTHONFAULTHANDLER": "1"}  # on SIGABRT, a stuck worker prints its stack


@dataclass(slots=True)
class Crew:
    """All workers of a seed.

    exits: workers that ended. stuck: number of workers that SIGTERM did not end in time. memory_mb_max: maximum
    resident memory of one process. transactional: the workers deliver exactly-once.
    """

    workers: list[_Worker]
    transactional: bool = False
    memory_mb_max: float = 0.0
    exits: list[Exit] = field(default_factory=list)
    stuck: int = 0
    bad_model: bool = False
    _stopping: bool = False
    _measured_s: float = 0.0

    def look(self) -> None:
        """Record workers that ended, and restart those that are due."""
        now_s = time.monotonic()
        self._measure_memory(now_s)
        for worker in self.workers:
            if worker.child is None:
                if not self._stopping and now_s >= worker.start_at_s:
                    worker.start(self.bad_model)
            elif worker.child.ended:
                self._note_exit(worker, worker.child.process.returncode)
                worker.child, worker.start_at_s = None, now_s + _RESTART_S
            elif worker.stop_by_s is not None and now_s > worker.stop_by_s:
                self.stuck += 1
                worker.stop_by_s, worker.hurt = None, True
                worker.signal(signal.SIGABRT)

    def kill(self, number: int) -> None:
        self.workers[number].hurt = True
        self.workers[number].signal(signal.SIGKILL)

    def terminate(self, number: int) -> None:
        self.workers[number].stop_by_s = time.monotonic() + STOP_S_MAX
        self.workers[number].signal(signal.SIGTERM)

    def pause(self, number: int) -> None:
        self.workers[number].paused = True
        self.workers[number].signal_all(signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        self.workers[number].paused = False
        self.workers[number].signal_all(signal.SIGCONT)

    def kill_process(self, number: int, choice: float) -> frozenset[int]:
        """Kill one of several processes with SIGKILL, and return its partitions."""
        owned = self.partitions(number)
        found = {_process_number(pid): pid for pid in self.workers[number].pids()[1:]}
        found.pop(None, None)
        if not found:
            return frozenset()
        process = sorted(found, key=str)[int(choice * len(found))]
        os.kill(found[process], signal.SIGKILL)
        return frozenset(partition for partition, owner in owned.items() if owner == process)

    def shift_clock(self, number: int, seconds: float) -> None:
        """Make the worker's wall clock wrong by this many seconds from now on."""
        with self.workers[number].clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def place_bad_model(self, there: bool) -> None:
        self.bad_model = there
        for worker in self.workers:
            worker.bad_model |= there

    def inflight_frames(self, number: int) -> int:
        """Return the frames in flight by the worker's metric; 0 if the metrics cannot be read."""
        return sum(int(float(value)) for value in _INFLIGHT.findall(_ask(self.workers[number], "metrics")))

    def partitions(self, number: int) -> dict[int, int]:
        """Return the worker's partitions, with the number of the process that has each."""
        return owners(_ask(self.workers[number], "metrics"))

    @property
    def supervised(self) -> list[int]:
        return [worker.number for worker in self.workers if worker.processes > 1]

    @property
    def ready(self) -> bool:
        """Return whether every worker is ready."""
        return all(_ask(worker, "readyz") for worker in self.workers)

    def begin_stop(self) -> None:
        """Send SIGTERM to all workers without restarting them. Call `look` until `ended`."""
        self._stopping = True
        for worker in self.workers:
            if worker.fit:
                self.terminate(worker.number)

    @property
    def ended(self) -> bool:
        return all(worker.child is None for worker in self.workers)

    def close(self) -> None:
        """Kill all processes that still run."""
        for worker in self.workers:
            if worker.child is not None:
                worker.signal_all(signal.SIGKILL)
                worker.child.process.wait()
            worker.log.close()

    def _measure_memory(self, now_s: float) -> None:
        if now_s < self._measured_s + _MEASURE_S:
            return
        self._measured_s = now_s
        for pid in (pid for worker in self.workers for pid in worker.pids()):
            with suppress(OSError):  # it has just ended; psutil does not report peak memory on Linux
                peak = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
                self.memory_mb_max = max(self.memory_mb_max, int(peak[1]) * 1024 / 1e6 if peak else 0.0)

    def _note_exit(self, worker: _Worker, code: int) -> None:
        allowed = worker.hurt or code == BrokerUnavailableError.exit_code
        # -SIGTERM occurs if the worker is stopped before its first frame
        allowed |= worker.stop_by_s is not None and code in (0, -signal.SIGTERM)
        allowed |= worker.bad_model and code == BundleError.exit_code
        if self._stopping:  # everything has recovered by then
            allowed = code == 0
        stop_s = None if worker.stop_by_s is None else time.monotonic() - worker.stop_by_s + STOP_S_MAX
        self.exits.append(Exit(worker.number, code, allowed, stop_s))


def make_crew(
    processes: Sequence[int], kafka: Kafka, group: str, topics: Topics, settings: Mapping[str, str], folder: Path
) -> Crew:
    """Return workers that start at the first `look`, with logs in the folder. processes: processes per worker."""
    options = {
        "group_id": group,
        "session_timeout_ms": str(SESSION_MS),
        "drain_s_max": str(DRAIN_S_MAX),
        "inference_threads": "1",
        "log.format": "json",
        **{f"topics.{name}": topic for name, topic in topics.model_dump().items()},
        **settings,
    }
    workers = []
    for number, count in enumerate(processes):
        own = {"bootstrap_servers": kafka.bootstrap_servers(number), "processes": str(count)}
        workers.append(_make_worker(number, options | own, folder, count))
    return Crew(workers, transactional=settings["delivery"] == "exactly-once")


def owners(metrics: str) -> dict[int, int]:
    """Return the process number by partition; 0 if there is only one process."""
    owned = {}
    for before, partition, after in _PARTITION.findall(metrics):
        process = re.search(r'process="(\d+)"', before + after)
        owned[int(partition)] = int(process[1]) if process else 0
    return owned


def _ask(worker: _Worker, path: str) -> str:
    """Return the response body; empty if there is no response with status 200."""
    if not worker.fit:
        return ""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/{path}", timeout=_ASK_S_MAX) as answer:
            body: str = answer.read().decode()
            return body
    except OSError:
        return ""


def _make_worker(number: int, settings: Mapping[str, str], folder: Path, processes: int) -> _Worker:
    port = free_port()
    pairs = {**settings, "metrics.port": str(port)}
    flags = [part for name, value in pairs.items() for part in ("--set", f"{name}={value}")]
    clock = folder / f"clock-{number}"
    clock.write_bytes(struct.pack("d", 0.0))
    return _Worker(
        number,
        [*module_command("worker"), "run", *flags],
        (folder / f"worker-{number}.log").open("wb"),
        port,
        clock,
        processes,
    )


def _process_number(pid: int) -> int | None:
    """Return the number of a process within its supervisor."""
    with suppress(psutil.Error):
        found = [_PROCESS.search(word) for word in psutil.Process(pid).cmdline()]
        return next((int(match[1]) for match in found if match), None)
    return None
