"""The systemd services of an edge machine: systemd accepts the units, and the worker notifies systemd."""

import configparser
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from stripwatch.worker.cli import app
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.supervisor import _CLOSE_S
from tests.brokers.handle import BrokerHandle
from tests.deploy.tools import require
from tests.e2e.line import Line, running_worker

EDGE = Path(__file__).parents[2] / "deploy" / "edge"
UNIT = EDGE / "stripwatch-worker.service"
UNITS = [UNIT, *(EDGE / f"stripwatch-{name}.service" for name in ("coils", "view"))]
EXPOSURE_MAX = 20  # exposure of up to 100 by systemd's rating; the rest is network access, which the worker needs


def services(unit: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return dict(parser["Service"])


def service(key: str) -> str:
    return services(UNIT)[key]


def installed(unit: Path, folder: Path) -> Path:
    """Write a unit as on a machine with the worker installed, because systemd checks its program and user."""
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", unit.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=.*", r"\1=root", text, flags=re.MULTILINE)
    copy = folder / unit.name
    copy.write_text(text)
    return copy


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [require("systemd-analyze", "apt install systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    done = analyze("verify", installed(unit, tmp_path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_the_unit_hardened(unit: Path, tmp_path: Path) -> None:
    copy = installed(unit, tmp_path)
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager", copy)
    assert done.returncode == 0, done.stdout


def test_systemd_accepts_the_unit_with_the_gpu_drop_in(tmp_path: Path) -> None:
    unit = installed(UNIT, tmp_path)
    drop_ins = Path(f"{unit}.d")
    drop_ins.mkdir()
    shutil.copy(EDGE / "gpu.conf", drop_ins)
    done = analyze("verify", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_watchdog_exceeds_every_recoverable_outage() -> None:
    settings = load_settings(EDGE / "worker.toml", {})
    assert int(service("WatchdogSec")) > settings.broker.away_s_max + settings.drain_s_max
    assert int(service("WatchdogSec")) > settings.send_s_max + settings.drain_s_max
    assert int(service("TimeoutStopSec")) > settings.drain_s_max + _CLOSE_S


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_restarts_after_every_exit_except_a_wrong_setting(unit: Path) -> None:
    assert services(unit)["Restart"] == "always"
    assert int(services(unit)["RestartPreventExitStatus"]) == SettingsError.exit_code


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_start_a_command_with_the_settings_file(unit: Path) -> None:
    program, command, *arguments = services(unit)["ExecStart"].split()
    assert program == "/opt/stripwatch/current/bin/stripwatch"
    assert command == unit.stem.removeprefix("stripwatch-").replace("worker", "run")
    assert arguments[:2] == ["--config", "/etc/stripwatch/worker.toml"]
    assert arguments[2:] == (["--metrics-port", "9109"] if command == "coils" else [])
    group = typer.main.get_group(app)
    found = group.get_command(typer.Context(group), command)
    assert found is not None
    found.make_context(command, list(arguments))


def test_units_have_the_same_user_journal_and_limits() -> None:
    own = {"Type", "ExecStart", "Environment", "SyslogIdentifier", "MemoryMax", "TimeoutStopSec", "KillMode"}
    worker = services(UNIT)
    for unit in UNITS[1:]:
        beside = services(unit)
        assert {key: beside[key] for key in beside.keys() - own} == {key: worker[key] for key in beside.keys() - own}
        assert {"ProtectSystem", "SystemCallFilter", "LogNamespace", "User"} <= beside.keys()


def test_coils_has_time_to_commit_before_it_is_killed() -> None:
    settings = load_settings(EDGE / "worker.toml", {})
    assert int(services(UNITS[1])["TimeoutStopSec"]) > settings.send_s_max + 10


def test_stop_signals_only_the_supervisor() -> None:
    """By default systemd would signal the workers too, and the supervisor would send them a second signal."""
    assert services(UNIT)["KillMode"] == "mixed"


def test_worker_notifies_systemd_of_ready_alive_and_stopping(
    embedded_broker: BrokerHandle, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        with running_worker(Line.on(embedded_broker), bundle, "edge") as worker:
            said = [systemd.recv(100)]
            while not {b"READY=1", b"WATCHDOG=1"} <= set(said):
                said.append(systemd.recv(100))
            assert worker.stop() == 0
            while said[-1] != b"STOPPING=1":
                said.append(systemd.recv(100))


def install(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "install.sh"], capture_output=True, text=True, env=os.environ | environment)


def test_install_without_wheels_gives_a_one_line_error(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EDGE, tmp_path / "edge"))
    done = install(folder, DESTDIR=str(tmp_path / "box"))
    assert done.returncode == InputError.exit_code
    remedy = "run pack.sh first, then install.sh from the folder it creates"
    assert done.stderr == f"error: {folder} has no stripwatch-VERSION.whl; {remedy}\n"
    assert not (tmp_path / "box").exists()


@pytest.mark.long
def test_failed_install_leaves_nothing_that_looks_installed(tmp_path: Path) -> None:
    folder, box = Path(shutil.copytree(EDGE, tmp_path / "edge")), tmp_path / "box"
    (folder / "stripwatch-0.0.0-py3-none-any.whl").write_bytes(b"no wheel")
    (folder / "wheels").mkdir()
    (folder / "lock.txt").write_text("")
    assert install(folder, DESTDIR=str(box)).returncode != 0
    assert list((box / "opt/stripwatch").iterdir()) == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose Python creates environments that run this checkout, without an installation."""
    folder = Path(shutil.copytree(EDGE, tmp_path / "edge"))
    (folder / "stripwatch-0.0.0-py3-none-any.whl").touch()
    worker = " ".join([sys.executable, "-P", "-m", "stripwatch.worker"])
    script = folder / "python"
    script.write_text(
        '#!/bin/sh\n[ "$1" = -m ] || exit 0\nmkdir -p "$3/bin"\nprintf "#!/bin/sh\\n" > "$3/bin/pip"\n'
        f'printf \'#!/bin/sh\\nexec {worker} "$@"\\n\' > "$3/bin/stripwatch"\nchmod +x "$3"/bin/*\n'
    )
    script.chmod(0o755)
    return folder


def test_update_renames_old_settings_before_it_switches(package: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    settings = box / "etc/stripwatch/worker.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('bundle = "/b"  # ours\nlog_format = "json"\n')
    done = install(package, DESTDIR=str(box), PYTHON=str(package / "python"))
    assert done.returncode == 0, done.stderr
    assert settings.read_text() == 'bundle = "/b"  # ours\nlog.format = "json"\n'
    assert settings.with_name("worker.toml.bak").read_text() == 'bundle = "/b"  # ours\nlog_format = "json"\n'
    assert (box / "opt/stripwatch/current").exists()
    assert {path.name for path in (box / "etc/systemd/system").iterdir()} == {unit.name for unit in UNITS}


@pytest.fixture
def old_settings(tmp_path: Path) -> Path:
    """The machine runs version 1 before."""
    settings = tmp_path / "box/etc/stripwatch/worker.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("log_format = 'json'\n")
    opt = tmp_path / "box/opt/stripwatch"
    (opt / "1").mkdir(parents=True)
    (opt / "current").symlink_to("1")
    return settings


def test_update_that_cannot_rename_the_settings_changes_nothing(
    package: Path, tmp_path: Path, old_settings: Path
) -> None:
    old_settings.write_text("log_format = 'json'\nlog.format = 'auto'\n")
    done = install(package, DESTDIR=str(tmp_path / "box"), PYTHON=str(package / "python"))
    assert (done.returncode, "'log_format' and 'log.format'" in done.stderr) == (SettingsError.exit_code, True)
    opt = tmp_path / "box/opt/stripwatch"
    assert {path.name for path in opt.iterdir()} == {"1", "current"}
    assert (opt / "current").readlink() == Path("1")


def test_update_that_fails_before_the_switch_leaves_no_environment(
    package: Path, tmp_path: Path, old_settings: Path
) -> None:
    (package / UNIT.name).unlink()
    done = install(package, DESTDIR=str(tmp_path / "box"), PYTHON=str(package / "python"))
    assert done.returncode != 0
    assert {path.name for path in (tmp_path / "box/opt/stripwatch").iterdir()} == {"1", "current"}


def test_renames_settings_that_are_completed_by_the_service(package: Path, tmp_path: Path, old_settings: Path) -> None:
    """The password comes from a drop-in, which this command does not see, and a backup of an earlier update exists."""
    security = "[security]\nprotocol = 'SASL_SSL'\nmechanism = 'PLAIN'\nusername = 'u'\n"
    old_settings.write_text(f"log_format = 'json'\n{security}")
    backup = old_settings.with_name("worker.toml.bak")
    backup.write_text("earlier")
    done = install(package, DESTDIR=str(tmp_path / "box"), PYTHON=str(package / "python"))
    assert done.returncode == 0, done.stderr
    assert "PLAIN and SCRAM require username" in done.stderr
    assert f"{backup}.1" in done.stderr
    assert old_settings.read_text() == f"log.format = 'json'\n{security}"
    assert backup.read_text() == "earlier"
    opt = tmp_path / "box/opt/stripwatch"
    assert (opt / "current").readlink() == Path("0.0.0")
    assert (opt / "0.0.0/bin/stripwatch").exists()


def test_pack_does_not_overwrite_an_existing_folder(tmp_path: Path) -> None:
    done = subprocess.run([EDGE / "pack.sh", tmp_path], capture_output=True, text=True)
    assert done.returncode == InputError.exit_code
    assert done.stderr == f"error: {tmp_path} already exists; choose a new folder\n"
