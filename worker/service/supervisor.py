"""Several workers of one group on one machine: started, watched, started again when one dies, and ended together."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter

from stripwatch.worker.broker.member_names import claimed_name
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import BundleError, SettingsError, WorkerExitError
from stripwatch.worker.common.process.child_process import ChildProcess, module_command, start_process, stop_all
from stripwatch.worker.common.process.ports import free_ports
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.config.sections import PLAIN_LOOPBACK
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.systemd import Watchdog
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics, all_ready
from stripwatch.worker.service.child_probe import ChildProbe
from stripwatch.worker.service.core_layout import CoreLayout
from stripwatch.worker.service.gpu_assignment import assign_gpus

log = structlog.get_logger()

_CHECK_S = 0.1
_STACKS_S = 0.5  # what a process may take to write the stacks of its threads
_WAIT_S_MAX = 30.0
_CLOSE_S = 15.0  # what a worker may take beyond its drain: last commit, leaving the group, closing
_LIVED_S = 60.0  # who lived that long has not died of its start
_FATAL_EXIT_CODES = (SettingsError.exit_code, BundleError.exit_code)
_ENDED_WELL = (0, -signal.SIGTERM)  # the signal itself ends a worker that has not taken a frame yet


@dataclass(slots=True)
class _WorkerProcess:
    """One worker. failures: how often in a row it died young. due_s: when it may start. device_id: None on a CPU."""

    number: int
    command: Sequence[str]
    device_id: int | None = None
    child: ChildProcess | None = None
    killed: bool = False
    started_s: float = 0.0
    failures: int = 0
    starts: int = 0
    due_s: float = 0.0

    def start(self, open_fds: Sequence[int]) -> None:
        self.child = start_process(f"worker {self.number}", self.command, pass_fds=open_fds)
        self.killed = False
        self.starts += 1
        self.started_s = time.monotonic()
        log.info("worker started", process=self.number, pid=self.child.process.pid, device_id=self.device_id)


class Supervisor:
    """Keeps a process alive for each command. Their output goes where the supervisor's goes.

    restarted: called for each that died. device_ids: the GPU of each, for the log; empty on a CPU. open_fds: files that
    the children keep open. probe: says whether a child that lives does not answer. Run it on the main thread: Linux
    ends a child with the thread that started it.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        stop_s_max: float,
        restarted: Callable[[], None],
        device_ids: Sequence[int | None] = (),
        open_fds: Sequence[int] = (),
        probe: ChildProbe | None = None,
    ) -> None:
        pairs = zip(commands, device_ids or [None] * len(commands), strict=True)
        self._workers = [_WorkerProcess(number, *pair) for number, pair in enumerate(pairs)]
        self._stop_s_max = stop_s_max
        self._restarted = restarted
        self._open_fds = open_fds
        self._probe = probe or ChildProbe([0] * len(self._workers))
        self._failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """The workers cannot be watched any more: all end. Any thread may call."""
        self._failure = error

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until `stopped`, then until all have ended in order. Raises WorkerExitError."""
        heart = Watchdog()
        try:
            while not stopped() and self._failure is None:
                heart.ping(True, 0, 0)
                for member in self._workers:
                    self._end_if_hung(member)
                    self._restart_if_dead(member)
                time.sleep(_CHECK_S)
        finally:
            codes = self._stop()
        if self._failure is not None:
            raise self._failure
        for number, code in codes.items():
            if code not in _ENDED_WELL:
                raise WorkerExitError(f"worker {number} did not end in order: code {code}", code)

    def _end_if_hung(self, member: _WorkerProcess) -> None:
        """It writes the stacks of its threads to the log first, where it still can."""
        if member.child is None or member.killed or member.child.ended:
            return
        if self._probe.hangs(member.number):
            process = member.child.process
            log.error("a worker does not answer; ending it by force", process=member.number, pid=process.pid)
            process.send_signal(signal.SIGUSR2)
            time.sleep(_STACKS_S)
            process.kill()
            member.killed = True  # a later check finds it ended: the kernel may hold it, and the others continue

    def _restart_if_dead(self, member: _WorkerProcess) -> None:
        if member.child is None:
            if time.monotonic() >= member.due_s:
                member.start(self._open_fds)
                self._probe.started(member.number)
            return
        code = member.child.process.poll()
        if code is None:
            return
        if (
            code in _FATAL_EXIT_CODES and member.starts == 1
        ):  # a later start may meet a bundle that another should not run
            member.child = None
            raise WorkerExitError(f"worker {member.number} cannot start, and would not a second time either", code)
        lived_s = time.monotonic() - member.started_s
        member.failures = 0 if lived_s > _LIVED_S else member.failures + 1
        # One that ran well starts again at once: nobody reads its partitions meanwhile.
        wait_s = min(_WAIT_S_MAX, 2.0**member.failures / 2) if member.failures else 0.0
        log.warning("worker died", process=member.number, code=code, lived_s=round(lived_s, 1), again_in_s=wait_s)
        member.child, member.due_s = None, time.monotonic() + wait_s
        self._restarted()

    def _stop(self) -> dict[int, int]:
        """The exit code of each worker that ran."""
        running = {member.number: member.child for member in self._workers if member.child is not None}
        codes = stop_all(list(running.values()), self._stop_s_max)
        for number, child in running.items():
            if not child.ended:
                log.error(
                    "a worker does not end, even by force; the kernel holds it", process=number, pid=child.process.pid
                )
        return dict(zip(running, codes, strict=True))


def worker_command(
    arguments: Sequence[str], name: str, port: int, layout: CoreLayout, device_id: int | None = None
) -> list[str]:
    """The command line of one worker: that of this process, with name and port of its own and its share of the cores.

    name: the same after a restart, since Kafka knows transactions and static members by it. device_id: None on a CPU.
    """
    own: dict[str, object] = {
        "processes": 1,
        "instance_id": name,
        **PLAIN_LOOPBACK,
        "inference_threads": layout.inference_threads,
        "decode_threads": layout.decode_threads,
    }
    if device_id is not None:
        own["device_id"] = device_id
    pairs = [part for key, value in own.items() for part in ("--set", f"{key}={value}")]
    return [*module_command("worker"), *arguments, *pairs, "--metrics-port", str(port)]


def supervise(settings: Settings, layout: CoreLayout, arguments: Sequence[str]) -> None:
    """Run layout.processes workers until a signal. arguments: of the command line, from `run` on."""
    clock = SystemClock()
    ports = free_ports(layout.processes)
    registry = CollectorRegistry()
    restarts = Counter("stripwatch_process_restarts", "Workers that died and were started again.", registry=registry)
    closed = connections_closed(None)
    registry.register(MultiprocessMetrics(ports, closed))
    device_ids = assign_gpus(settings, layout.processes)
    health = HealthServer(settings.metrics, registry, lambda: all_ready(ports), closed)
    probe = ChildProbe(ports)
    try:
        with stop_on_signal(clock.stop), claimed_name(settings) as name:
            commands = [
                worker_command(arguments, f"{name.text}-{n}", port, layout, device_id)
                for n, (port, device_id) in enumerate(zip(ports, device_ids, strict=True))
            ]
            log.info("supervising", metrics_port=health.port, pid=os.getpid(), name=name.text, **asdict(layout))
            # Workers keep the name's lock: those of a supervisor that was killed finish before another has their names.
            stop_s_max = settings.drain_s_max + _CLOSE_S
            supervisor = Supervisor(commands, stop_s_max, restarts.inc, device_ids, name.lock_fds, probe)
            probe.start(supervisor.fail)
            supervisor.run(lambda: clock.stopped)
        log.info("all workers stopped")
    finally:
        probe.close()
        health.close()
