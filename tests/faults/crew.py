"""The workers, and the supervisor that starts one again when it has ended. One thread owns it all and calls `look`."""

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

PROCESSES = 2  # of a worker under a supervisor
HEARTBEAT_S = min(0.5, SESSION_MS / 3000)  # as the worker chooses it
DRAIN_S_MAX = 10
STOP_S_MAX = DRAIN_S_MAX + 20.0  # beside the drain: commit, leave the group, close, and a machine that is busy
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
    """A worker that ended: with which code, whether it was allowed to, and how long after a SIGTERM (None: without)."""

    worker: int
    code: int
    allowed: bool
    stop_s: float | None


@dataclass(slots=True)
class _Worker:
    """One worker and those that took its place. bad_model: since its start there was one at the bundle's path.

    clock: the file with the seconds by which its wall clock is wrong. processes: more than one under a supervisor.
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
        """A fault may hit it."""
        return self.child is not None and not self.paused and not self.hurt and self.stop_by_s is None

    def signal(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.process.send_signal(number)

    def pids(self) -> list[int]:
        """Of all its processes that there are now."""
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
        return os.environ | own | {"PYTHONFAULTHANDLER": "1"}  # one that is stuck says where, at its SIGABRT


@dataclass(slots=True)
class Crew:
    """exits: of workers that ended. stuck: workers that a SIGTERM did not end in time.

    memory_mb_max: the most that one process had resident. transactional: they deliver exactly once.
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
        """Note who has ended, start those whose time has come."""
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
        """kill -9 one of several processes; the partitions that it had."""
        owned = self.partitions(number)
        found = {_process_number(pid): pid for pid in self.workers[number].pids()[1:]}
        found.pop(None, None)
        if not found:
            return frozenset()
        process = sorted(found, key=str)[int(choice * len(found))]
        os.kill(found[process], signal.SIGKILL)
        return frozenset(partition for partition, owner in owned.items() if owner == process)

    def shift_clock(self, number: int, seconds: float) -> None:
        """Its wall clock is wrong by so much from now on."""
        with self.workers[number].clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def place_bad_model(self, there: bool) -> None:
        self.bad_model = there
        for worker in self.workers:
            worker.bad_model |= there

    def inflight_frames(self, number: int) -> int:
        """What the worker's own metric says; 0 while it cannot be asked."""
        return sum(int(float(value)) for value in _INFLIGHT.findall(_ask(self.workers[number], "metrics")))

    def partitions(self, number: int) -> dict[int, int]:
        """Which it has, and the number of the process that has each."""
        return owners(_ask(self.workers[number], "metrics"))

    @property
    def supervised(self) -> list[int]:
        return [worker.number for worker in self.workers if worker.processes > 1]

    @property
    def ready(self) -> bool:
        """Every worker says so."""
        return all(_ask(worker, "readyz") for worker in self.workers)

    def begin_stop(self) -> None:
        """SIGTERM for all, for good; `look` until `ended`."""
        self._stopping = True
        for worker in self.workers:
            if worker.fit:
                self.terminate(worker.number)

    @property
    def ended(self) -> bool:
        return all(worker.child is None for worker in self.workers)

    def close(self) -> None:
        """End what still runs, whatever state it is in."""
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
            with suppress(OSError):  # it has just ended; psutil tells no peak on Linux
                peak = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
                self.memory_mb_max = max(self.memory_mb_max, int(peak[1]) * 1024 / 1e6 if peak else 0.0)

    def _note_exit(self, worker: _Worker, code: int) -> None:
        allowed = worker.hurt or code == BrokerUnavailableError.exit_code
        allowed |= worker.stop_by_s is not None and code in (0, -signal.SIGTERM)  # the latter before its first frame
        allowed |= worker.bad_model and code == BundleError.exit_code
        if self._stopping:  # all is well by then
            allowed = code == 0
        stop_s = None if worker.stop_by_s is None else time.monotonic() - worker.stop_by_s + STOP_S_MAX
        self.exits.append(Exit(worker.number, code, allowed, stop_s))


def make_crew(
    processes: Sequence[int], kafka: Kafka, group: str, topics: Topics, settings: Mapping[str, str], folder: Path
) -> Crew:
    """Workers that start at the first `look`, each with its log in the folder. processes: of each worker."""
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
    """By partition the number of the process that has it; 0 where there is one process."""
    owned = {}
    for before, partition, after in _PARTITION.findall(metrics):
        process = re.search(r'process="(\d+)"', before + after)
        owned[int(partition)] = int(process[1]) if process else 0
    return owned


def _ask(worker: _Worker, path: str) -> str:
    """The body; empty while it does not answer, or not with 200."""
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
    """Which of a supervisor's workers this is."""
    with suppress(psutil.Error):
        found = [_PROCESS.search(word) for word in psutil.Process(pid).cmdline()]
        return next((int(match[1]) for match in found if match), None)
    return None
