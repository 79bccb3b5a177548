"""Supervision of processes, tested with a short Python script instead of a worker."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import WorkerExitError
from stripwatch.worker.common.process import child_process
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.overrides import parse_pairs
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.service.child_probe import ChildProbe
from stripwatch.worker.service.core_layout import CoreLayout
from stripwatch.worker.service.supervisor import Supervisor, worker_command

# Writes its process id into the given folder and waits. With "deaf" it ignores signals.
SCRIPT = """
import os, pathlib, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
part = pathlib.Path(sys.argv[1], f"{os.getpid()}.part")
part.touch()
part.rename(part.with_suffix(".pid"))
time.sleep(600)
"""


def worker(folder: Path, *words: str) -> list[str]:
    folder.mkdir()
    return [sys.executable, "-c", SCRIPT, str(folder), *words]


def pids(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.pid")]


def run(commands: Sequence[Sequence[str]], stopped: Callable[[], bool], stop_s_max: float = 30.0) -> list[None]:
    """Run the supervisor until stopped. Yields a list with an entry per restart."""
    restarts: list[None] = []
    Supervisor(commands, stop_s_max, lambda: restarts.append(None)).run(stopped)
    return restarts


def test_all_processes_run_and_end_when_stopped(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    assert run([worker(folder) for folder in folders], lambda: all(map(pids, folders))) == []
    assert not any(psutil.pid_exists(pid) for folder in folders for pid in pids(folder))


def test_logs_the_gpu_of_each_process(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    with capture_logs() as logs:
        supervisor = Supervisor([worker(folder) for folder in folders], 30.0, lambda: None, [0, 1])
        supervisor.run(lambda: all(map(pids, folders)))
    started = [line for line in logs if line["event"] == "worker started"]
    assert [(line["worker"], line["device_id"]) for line in started] == [(0, 0), (1, 1)]


def test_restarts_a_process_that_dies_while_the_other_continues(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    killed: list[int] = []

    def stopped() -> bool:
        if not killed and all(map(pids, folders)):
            killed.extend(pids(folders[0]))
            os.kill(killed[0], signal.SIGKILL)
        return len(pids(folders[0])) == 2

    assert len(run([worker(folder) for folder in folders], stopped)) == 1
    assert len(pids(folders[1])) == 1


def test_kills_and_names_a_process_that_ignores_the_stop(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with pytest.raises(WorkerExitError, match="worker 0 did not end normally"):
        run([worker(folder, "deaf")], lambda: bool(pids(folder)), stop_s_max=0.1)
    assert not psutil.pid_exists(pids(folder)[0])


@pytest.mark.parametrize("code", [2, 3])
def test_a_process_that_cannot_start_ends_all_with_its_exit_code(tmp_path: Path, code: int) -> None:
    folder = tmp_path / "a"
    with pytest.raises(WorkerExitError, match="cannot start") as raised:
        run([worker(folder), [sys.executable, "-c", f"raise SystemExit({code})"]], lambda: False)
    assert raised.value.exit_code == code
    assert not any(map(psutil.pid_exists, pids(folder)))


def test_kills_and_restarts_a_process_that_hangs(tmp_path: Path) -> None:
    folder, hung = tmp_path / "a", list[int]()

    class Probe(ChildProbe):
        def hangs(self, number: int) -> bool:
            """Report only the first process as hanging, once it runs."""
            if hung or not pids(folder):
                return False
            hung.extend(pids(folder))
            return number == 0

    restarts: list[None] = []
    supervisor = Supervisor([worker(folder, "deaf")], 0.1, lambda: restarts.append(None), probe=Probe([0]))
    with capture_logs() as logs, suppress(WorkerExitError):
        supervisor.run(lambda: len(pids(folder)) == 2)
    assert not psutil.pid_exists(hung[0])
    assert len(restarts) == 1
    assert "worker does not respond; killing it" in [log["event"] for log in logs]


def test_a_process_that_survives_a_kill_delays_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in the kernel for a device that is gone. The other one is restarted, and the stop ends."""
    killed: list[subprocess.Popen[bytes]] = []
    kill = subprocess.Popen.kill
    monkeypatch.setattr(subprocess.Popen, "kill", lambda self: killed.append(self))
    monkeypatch.setattr(child_process, "_KILL_S_MAX", 0.1)
    folders = [tmp_path / "a", tmp_path / "b"]

    class Probe(ChildProbe):
        def hangs(self, number: int) -> bool:
            return number == 0 and all(map(pids, folders))

    def stopped() -> bool:
        if killed and len(pids(folders[1])) == 1:
            with suppress(ProcessLookupError):
                os.kill(pids(folders[1])[0], signal.SIGKILL)
        return len(pids(folders[1])) == 2

    commands = [worker(folders[0], "deaf"), worker(folders[1])]
    supervisor = Supervisor(commands, 5.0, lambda: None, probe=Probe([0, 0]))
    try:
        with capture_logs() as logs, pytest.raises(WorkerExitError, match="code -9"):
            supervisor.run(stopped)
    finally:
        kill(killed[0])
        killed[0].wait()
    assert [process.pid for process in killed] == 2 * pids(folders[0])  # once when it hung and once at the stop
    assert "worker did not end after SIGKILL; the kernel holds it" in [line["event"] for line in logs]


def test_the_death_of_the_probe_ends_all_processes(tmp_path: Path) -> None:
    supervisor = Supervisor([worker(tmp_path / "a")], 30.0, lambda: None)
    supervisor.fail(RuntimeError("the probe died"))
    with pytest.raises(RuntimeError, match="the probe died"):
        supervisor.run(lambda: False)


def test_a_child_keeps_the_files_that_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with (tmp_path / "lock").open("w") as file:
        seen: list[bool] = []

        def stopped() -> bool:
            opened = [psutil.Process(pid).open_files() for pid in pids(folder)]
            seen.extend(file.fileno() in [each.fd for each in files] for files in opened)
            return bool(seen)

        Supervisor([worker(folder)], 30.0, lambda: None, open_fds=[file.fileno()]).run(stopped)
    assert all(seen)


def test_queries_a_worker_on_loopback_without_tls_whatever_its_settings_file_says(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    names = ("certificate_file", "key_file", "key_password_file", "client_ca_file")
    file.write_text("".join(f"metrics.{name} = 'a'\n" for name in names) + "metrics.host = '::'")
    assert load_settings(file, {}).metrics.certificate_file == Path("a")
    command = worker_command(["run"], "line-1", 1, 9000, CoreLayout(2, 1, 1))
    pairs = [after for before, after in itertools.pairwise(command) if before == "--set"]
    settings = load_settings(file, parse_pairs(pairs))
    assert (settings.metrics, settings.log.process) == (MetricsSettings(), 1)
