"""Runs several workers of one group on one machine, restarts those that die, and stops them together."""

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
from stripwatch.worker.common.log_lines import set_log_process
from stripwatch.worker.common.process.child_process import ChildProcess, module_command, start_process, stop_all
from stripwatch.worker.common.process.ports import free_ports
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.config.sections import PLAIN_LOOPBACK
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.status_log import StatusLog
from stripwatch.worker.monitoring.systemd import Watchdog
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics, all_ready
from stripwatch.worker.service.child_probe import ChildProbe
from stripwatch.worker.service.core_layout import CoreLayout

log = structlog.get_logger()

_CHECK_S = 0.1
_STACKS_S = 0.5  # time for a process to write the stacks of its threads
_WAIT_S_MAX = 30.0
_CLOSE_S = 15.0  # time for a worker after its drain: last commit, leaving the group, closing
_LIVED_S = 60.0  # a worker that ran for longer did not die of its start
_FATAL_EXIT_CODES = (SettingsError.exit_code, BundleError.exit_code)
SUPERVISOR = "supervisor"  # its name in the log lines
_NORMAL_EXIT_CODES = (0, -signal.SIGTERM)  # SIGTERM itself ends a worker that has not taken a frame


@dataclass(slots=True)
class _WorkerProcess:
    """One worker process.

    failures: consecutive deaths shortly after a start. due_s: when it may start. device_id: None on a CPU.
    """

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
        log.info("worker started", worker=self.number, pid=self.child.process.pid, device_id=self.device_id)


class Supervisor:
    """Keeps a process running for each command. Their output goes where the supervisor's goes.

    restarted: called for each process that died. device_ids: GPU of each process, for the log; empty on a CPU.
    open_fds: files that the children keep open. probe: detects children that do not respond. Run it on the main thread,
    because Linux ends a child with the thread that started it.
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
        self.restarts = 0  # processes that died, and were restarted unless the stop came first

    def fail(self, error: BaseException) -> None:
        """Stop all workers, because they can no longer be monitored. May be called from any thread."""
        self._failure = error

    def run(self, stopped: Callable[[], bool]) -> None:
        """Run until `stopped`, then until all workers have ended.

        Raises WorkerExitError if one did not end normally.
        """
        watchdog = Watchdog()
        try:
            while not stopped() and self._failure is None:
                watchdog.ping(True, 0, 0)
                for worker in self._workers:
                    self._end_if_hung(worker)
                    self._restart_if_dead(worker)
                time.sleep(_CHECK_S)
        finally:
            codes = self._stop()
        if self._failure is not None:
            raise self._failure
        for number, code in codes.items():
            if code not in _NORMAL_EXIT_CODES:
                raise WorkerExitError(f"worker {number} did not end normally: exit code {code}", code)

    def _end_if_hung(self, worker: _WorkerProcess) -> None:
        """Kill a worker that does not respond, after it has written the stacks of its threads to the log if it can."""
        if worker.child is None or worker.killed or worker.child.ended:
            return
        if self._probe.hangs(worker.number):
            process = worker.child.process
            log.error("worker does not respond; killing it", worker=worker.number, pid=process.pid)
            process.send_signal(signal.SIGUSR2)
            time.sleep(_STACKS_S)
            process.kill()
            worker.killed = True  # a later check finds it ended; if the kernel delays that, the other workers continue

    def _restart_if_dead(self, worker: _WorkerProcess) -> None:
        if worker.child is None:
            if time.monotonic() >= worker.due_s:
                worker.start(self._open_fds)
                self._probe.started(worker.number)
            return
        code = worker.child.process.poll()
        if code is None:
            return
        # A later start may fail because of a newly deployed bundle, which must not stop the other workers.
        if code in _FATAL_EXIT_CODES and worker.starts == 1:
            worker.child = None
            raise WorkerExitError(f"worker {worker.number} cannot start, and a second attempt would fail too", code)
        lived_s = time.monotonic() - worker.started_s
        worker.failures = 0 if lived_s > _LIVED_S else worker.failures + 1
        # A worker that ran well restarts at once, because its partitions are not read in the meantime.
        wait_s = min(_WAIT_S_MAX, 2.0**worker.failures / 2) if worker.failures else 0.0
        log.warning("worker died", worker=worker.number, code=code, lived_s=round(lived_s, 1), again_in_s=wait_s)
        worker.child, worker.due_s = None, time.monotonic() + wait_s
        self.restarts += 1
        self._restarted()

    def _stop(self) -> dict[int, int]:
        """Stop all workers. Return the exit code of each."""
        running = {worker.number: worker.child for worker in self._workers if worker.child is not None}
        codes = stop_all(list(running.values()), self._stop_s_max)
        for number, child in running.items():
            if not child.ended:
                log.error("worker did not end after SIGKILL; the kernel holds it", worker=number, pid=child.process.pid)
        return dict(zip(running, codes, strict=True))


def worker_command(
    arguments: Sequence[str], name: str, number: int, port: int, layout: CoreLayout, device_id: int | None = None
) -> list[str]:
    """Return the command line of one worker: that of this process with a separate name, port and share of the cores.

    name: must stay the same after a restart, because it identifies transactions and static members. number: stated in
    each line of its log. device_id: None on a CPU.
    """
    own: dict[str, object] = {
        "processes": 1,
        "instance_id": name,
        "log.process": number,
        **PLAIN_LOOPBACK,
        "inference_threads": layout.inference_threads,
        "decode_threads": layout.decode_threads,
    }
    if device_id is not None:
        own["device_id"] = device_id
    pairs = [part for key, value in own.items() for part in ("--set", f"{key}={value}")]
    return [*module_command("worker"), *arguments, *pairs, "--metrics-port", str(port)]


def supervise(
    settings: Settings, layout: CoreLayout, device_ids: Sequence[int | None], arguments: Sequence[str]
) -> None:
    """Run layout.processes workers until a signal.

    device_ids: GPU of each worker; None on a CPU. arguments: the command line from `run` on.
    """
    set_log_process(SUPERVISOR)
    clock = SystemClock()
    started_s = time.monotonic()
    ports = free_ports(layout.processes)
    registry = CollectorRegistry()
    restarts = Counter("stripwatch_process_restarts", "Workers that died and were restarted.", registry=registry)
    closed = connections_closed(None)
    registry.register(MultiprocessMetrics(ports, closed))
    health = HealthServer(settings.metrics, registry, lambda: all_ready(ports), closed)
    probe = ChildProbe(ports)
    try:
        status = StatusLog(MultiprocessMetrics(ports).collect, settings.log.status_interval_s, with_totals=False)
        with stop_on_signal(clock.stop), claimed_name(settings) as name, status:
            commands = [
                worker_command(arguments, f"{name.text}-{n}", n, port, layout, device_id)
                for n, (port, device_id) in enumerate(zip(ports, device_ids, strict=True))
            ]
            log.info("supervising", metrics_port=health.port, pid=os.getpid(), name=name.text, **asdict(layout))
            # Workers hold the lock of the name, so those of a killed supervisor finish before others take over their
            # names.
            stop_s_max = settings.drain_s_max + _CLOSE_S
            supervisor = Supervisor(commands, stop_s_max, restarts.inc, device_ids, name.lock_fds, probe)
            probe.start(supervisor.fail)
            try:
                supervisor.run(lambda: clock.stopped)
            finally:
                log.info("totals", restarts=supervisor.restarts, seconds=round(time.monotonic() - started_s, 1))
        log.info("all workers stopped")
    finally:
        probe.close()
        health.close()
