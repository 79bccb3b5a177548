"""Registry commands end with one JSON object, or with one error line and an exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.export.conftest import run_cli
from tests.printed import next_steps
from tests.tiny import tiny_contract, write_bundle, write_frames

WITHOUT = """
import sys

ABSENT = ("onnxruntime", "tensorflow", "keras", "tf2onnx", "matplotlib", "scipy", "sklearn")

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
from stripwatch.export.cli import main
main()
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Versions 1 and 2, which differ in the labels that count as defects."""
    plain = tiny_contract()
    contracts = (plain, replace(plain, version="2", clean_label="dark"))
    return [write_bundle(tmp_path / f"{manifest.version}.onnx", manifest) for manifest in contracts]


def ask(monkeypatch: pytest.MonkeyPatch, capsys: Capture, *arguments: object) -> dict[str, Any]:
    """Run a command that must succeed and return the JSON object on the last line of stdout. Its next step parses."""
    assert run_cli(monkeypatch, *arguments) == 0
    printed = capsys.readouterr()
    summary: dict[str, Any] = json.loads(printed.out.splitlines()[-1])
    if "--json" not in arguments and "--history" not in arguments:
        next_steps(printed.out + printed.err)
    return summary


def test_promote_list_diff_and_rollback(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    store, frames = tmp_path / "store", tmp_path / "frames"
    write_frames(frames, (0.1, 0.9))
    changes = [ask(monkeypatch, capsys, "promote", file, store) for file in two]
    assert [(change["version_before"], change["version"]) for change in changes] == [(None, "1"), ("1", "2")]
    assert ask(monkeypatch, capsys, "list", store)["promoted"] == {"tiny": "2"}
    compared = (store / "tiny", two[0], frames, "--sheet", tmp_path / "sheet.png", "--provider", "cpu")
    found = ask(monkeypatch, capsys, "diff", *compared)
    assert (found["frames"], found["agreement"]) == (2, 0.5)
    assert found["differing"][0]["frame"] == "dark_0000.png"
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert ask(monkeypatch, capsys, "rollback", store / "tiny")["version"] == "1"
    same = ask(monkeypatch, capsys, "diff", store / "tiny", two[0], frames, "--sheet", tmp_path / "none.png")
    assert same["sheet"] is None
    assert not (tmp_path / "none.png").exists()


def test_lists_the_history_with_names_and_reasons(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    store = tmp_path / "store"
    ask(monkeypatch, capsys, "promote", two[0], store, "--by", "Maria Rossi")
    ask(monkeypatch, capsys, "promote", two[1], store, "--by", "Maria Rossi", "--reason", "week 48")
    ask(monkeypatch, capsys, "rollback", store / "tiny", "--by", "Jan Novák", "--reason", "false alarms")
    found = ask(monkeypatch, capsys, "list", store, "--history")
    assert [(each["name"], each["action"], each["by"], each["reason"]) for each in found["history"]] == [
        ("tiny", "promote", "Maria Rossi", None),
        ("tiny", "promote", "Maria Rossi", "week 48"),
        ("tiny", "rollback", "Jan Novák", "false alarms"),
    ]
    assert [each["from"] and each["from"]["version"] for each in found["history"]] == [None, "1", "2"]
    assert [each["to"]["version"] for each in found["history"]] == ["1", "2", "1"]


def test_says_that_the_promoted_version_stays_and_nothing_is_recorded(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    store = tmp_path / "store"
    ask(monkeypatch, capsys, "promote", two[0], store, "--reason", "first")
    run_cli(monkeypatch, "promote", str(two[0]), str(store), "--reason", "second")
    assert "1 was already promoted, so nothing was changed or recorded" in " ".join(capsys.readouterr().err.split())
    assert [each["reason"] for each in ask(monkeypatch, capsys, "list", store, "--history")["history"]] == ["first"]


def test_show_and_list_do_without_onnxruntime_and_tensorflow(two: list[Path], tmp_path: Path) -> None:
    """In a separate process, because this one has imported the libraries."""
    for arguments in (["show", str(two[0])], ["show", str(two[0]), "--json"], ["list", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert isinstance(json.loads(done.stdout.splitlines()[-1]), dict)


def test_shows_a_registry_name_like_its_file(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    promoted = ask(monkeypatch, capsys, "promote", two[1], tmp_path / "store")
    shown = ask(monkeypatch, capsys, "show", tmp_path / "store" / "tiny", "--json")
    verified = ask(monkeypatch, capsys, "verify", tmp_path / "store" / "tiny")
    assert promoted["sha256"] == shown["sha256"] == verified["sha256"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["promote", "gone.onnx", "store"], 3, "cannot read the bundle gone.onnx"),
        (["rollback", "nowhere"], 6, "nowhere does not exist"),
        (["list", "nowhere"], 6, "registry nowhere does not exist"),
        (["diff", "gone.onnx", "gone.onnx", "nowhere"], 6, "folder nowhere does not exist"),
    ],
)
def test_a_missing_path_gives_one_error_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], code: int, message: str
) -> None:
    assert run_cli(monkeypatch, *arguments) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) == 1
