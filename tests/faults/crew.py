"""The workers, and the supervisor that starts one again when it has ended. One thread owns it all and calls `look`."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from stripwatch.worker.bench.embedded_broker import free_port
from stripwatch.worker.common.child_process import module_command
from stripwatch.worker.common.errors import BrokerUnavailableError, BundleError
from stripwatch.worker.config.sections import Topics
from tests.faults.kafka import SESSION_MS

DRAIN_S_MAX = 10
STOP_S_MAX = DRAIN_S_MAX + 20.0  # beside the drain: commit, leave the group, close, and a machine that is busy
_RESTART_S = 0.5
_ASK_S_MAX = 2.0
_GAUGE = "stripwatch_inflight_frames "


@dataclass(frozen=True, slots=True)
class Exit:
    """A worker that ended: with which code, whether it was allowed to, and how long after a SIGTERM (None: without)."""

    worker: int
    code: int
    allowed: bool
    stop_s: float | None


@dataclass(slots=True)
class _Worker:
    """One worker and those that took its place. bad_model: since its start there was one at the bundle's path."""

    number: int
    command: list[str]
    log: IO[bytes]
    port: int
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False
    hurt: bool = False
    stop_by_s: float | None = None
    bad_model: bool = False
    start_at_s: float = 0.0

    @property
    def fit(self) -> bool:
        """A fault may hit it."""
        return self.process is not None and not self.paused and not self.hurt and self.stop_by_s is None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def start(self, bad_model: bool) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            process_group=0,
            env=os.environ | {"PYTHONFAULTHANDLER": "1"},  # one that is stuck says where, at its SIGABRT
        )
        self.paused, self.hurt, self.stop_by_s, self.bad_model = False, False, None, bad_model


@dataclass(slots=True)
class Crew:
    """exits: of workers that ended. stuck: workers that a SIGTERM did not end in time."""

    workers: list[_Worker]
    exits: list[Exit] = field(default_factory=list)
    stuck: int = 0
    bad_model: bool = False
    _stopping: bool = False

    def look(self) -> None:
        """Note who has ended, start those whose time has come."""
        now_s = time.monotonic()
        for worker in self.workers:
            if worker.process is None:
                if not self._stopping and now_s >= worker.start_at_s:
                    worker.start(self.bad_model)
            elif worker.process.poll() is not None:
                self._note_exit(worker, worker.process.returncode)
                worker.process, worker.start_at_s = None, now_s + _RESTART_S
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
        self.workers[number].signal(signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        self.workers[number].paused = False
        self.workers[number].signal(signal.SIGCONT)

    def place_bad_model(self, there: bool) -> None:
        self.bad_model = there
        for worker in self.workers:
            worker.bad_model |= there

    def inflight_frames(self, number: int) -> int:
        """What the worker's own metric says; 0 while it cannot be asked."""
        lines = _ask(self.workers[number], "metrics").splitlines()
        return next((int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(_GAUGE)), 0)

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
        return all(worker.process is None for worker in self.workers)

    def close(self) -> None:
        """End what still runs, whatever state it is in."""
        for worker in self.workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()
            worker.log.close()

    def _note_exit(self, worker: _Worker, code: int) -> None:
        allowed = worker.hurt or code == BrokerUnavailableError.exit_code
        allowed |= worker.stop_by_s is not None and code in (0, -signal.SIGTERM)  # the latter before its first frame
        allowed |= worker.bad_model and code == BundleError.exit_code
        if self._stopping:  # all is well by then
            allowed = code == 0
        stop_s = None if worker.stop_by_s is None else time.monotonic() - worker.stop_by_s + STOP_S_MAX
        self.exits.append(Exit(worker.number, code, allowed, stop_s))


def make_crew(
    count: int, ports: list[int], group: str, topics: Topics, settings: Mapping[str, str], folder: Path
) -> Crew:
    """Workers that start at the first `look`, each with its log in the folder. ports: of the broker, one a worker."""
    options = {
        "group_id": group,
        "session_timeout_ms": str(SESSION_MS),
        "drain_s_max": str(DRAIN_S_MAX),
        "inference_threads": "1",
        "log_format": "json",
        **{f"topics.{name}": topic for name, topic in topics.model_dump().items()},
        **settings,
    }
    return Crew([_make_worker(number, ports[number], options, folder) for number in range(count)])


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


def _make_worker(number: int, broker_port: int, settings: Mapping[str, str], folder: Path) -> _Worker:
    port = free_port()
    own = {"bootstrap_servers": f"127.0.0.1:{broker_port}", "metrics_port": str(port)}
    flags = [part for name, value in ({**settings, **own}).items() for part in ("--set", f"{name}={value}")]
    return _Worker(
        number,
        [*module_command("worker"), "run", *flags],
        (folder / f"worker-{number}.log").open("wb"),
        port,
    )
