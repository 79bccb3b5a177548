"""Member names: a restarted process gets the same name, and no two running processes share one."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.broker.member_names import claimed_name, names_folder
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings

# Claims a name, prints it, and waits. The argument is the group.
CLAIM = """
import sys, time
from stripwatch.worker.broker.member_names import claimed_name
from stripwatch.worker.config.loader import load_settings
with claimed_name(load_settings(None, {"group_id": sys.argv[1]})) as name:
    print(name.text, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def settings(runtime_folder: Path) -> Settings:
    assert runtime_folder
    return load_settings(None, {"group_id": "g"})


def claim_and_die(group: str) -> str:
    """Return the name of a process that is killed while it holds the name."""
    with subprocess.Popen([sys.executable, "-c", CLAIM, group], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    return name


def test_a_restarted_process_gets_the_name_of_the_killed_one(settings: Settings) -> None:
    before = claim_and_die("g")
    with claimed_name(settings) as name:
        assert name.text == before


def test_no_two_running_processes_share_a_name(settings: Settings) -> None:
    with claimed_name(settings) as first, claimed_name(settings) as second:
        assert first.text != second.text
        assert claim_and_die("g") not in (first.text, second.text)


def test_hosts_with_the_same_host_name_have_different_names(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claimed_name(settings) as here:
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "another-host"))
        with claimed_name(settings) as there:
            assert here.text != there.text


def test_a_name_stays_taken_while_a_child_holds_the_lock(settings: Settings) -> None:
    def start_child() -> tuple[str, subprocess.Popen[bytes]]:
        """Start a child whose parent ends with an error, like a supervisor that is interrupted."""
        with suppress(KeyboardInterrupt), claimed_name(settings) as name:
            waits = [sys.executable, "-c", "input()"]
            started.append((name.text, subprocess.Popen(waits, stdin=subprocess.PIPE, pass_fds=name.lock_fds)))
            raise KeyboardInterrupt
        return started[0]

    started: list[tuple[str, subprocess.Popen[bytes]]] = []
    name, child = start_child()
    try:
        with claimed_name(settings) as second:
            assert second.text != name
    finally:
        child.communicate(b"\n")
    with claimed_name(settings) as third:
        assert third.text == name


def test_keeps_a_name_after_an_error_and_forgets_it_after_an_orderly_stop(settings: Settings) -> None:
    with pytest.raises(RuntimeError), claimed_name(settings) as failed:
        raise RuntimeError
    with claimed_name(settings) as again:
        assert again.text == failed.text
    assert not names_folder(settings).exists()
    with claimed_name(settings) as fresh:
        assert fresh.text != failed.text


def test_rewrites_a_file_without_a_valid_name(settings: Settings) -> None:
    names_folder(settings).mkdir(parents=True)
    (names_folder(settings) / "0").write_bytes(b"\xff" * 100)
    before = claim_and_die("g")
    with claimed_name(settings) as name:
        assert name.text == before


def test_each_group_has_separate_names(settings: Settings) -> None:
    before = claim_and_die("g")
    claim_and_die("another")
    with claimed_name(settings) as name:
        assert name.text == before


def test_uses_instance_id_as_the_name() -> None:
    with claimed_name(load_settings(None, {"instance_id": "line-1"})) as name:
        assert (name.text, name.lock_fds) == ("line-1", ())


def test_warns_about_an_unusable_folder_and_uses_another_name(settings: Settings, runtime_folder: Path) -> None:
    runtime_folder.write_text("in the way")
    with capture_logs() as logs, claimed_name(settings) as first, claimed_name(settings) as second:
        assert first.text != second.text
    assert [log["log_level"] for log in logs] == ["warning", "warning"]
    assert "instance_id" in logs[0]["event"]


def test_recreates_a_folder_that_another_process_removes_at_the_same_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, removed, open_file = claim_and_die("g"), list[Path](), os.open

    def open_after_removal(path: Path, flags: int, mode: int) -> int:
        if not removed:
            path.unlink()
            path.parent.rmdir()
            removed.append(path)
        return open_file(path, flags, mode)

    monkeypatch.setattr("os.open", open_after_removal)
    with capture_logs() as logs, claimed_name(settings) as name:
        assert removed
        assert logs == []
        assert name.lock_fds
        assert name.text != before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change the owner of a folder")
@pytest.mark.parametrize("levels_up", [0, 1, 2])
def test_does_not_use_a_folder_of_another_user(settings: Settings, levels_up: int) -> None:
    names_folder(settings).mkdir(parents=True)
    os.chown([names_folder(settings), *names_folder(settings).parents][levels_up], 12345, -1)
    with capture_logs() as logs, claimed_name(settings):
        pass
    assert "belongs to another user" in logs[0]["error"]


def test_makes_a_valid_name_from_any_host_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "süd/1 " + 300 * "x")
    with claimed_name(settings) as name:
        assert name.text.startswith("s-d-1-xxx")
        assert len(name.text) < 100
