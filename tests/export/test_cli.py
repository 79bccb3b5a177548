import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.conftest import run_cli
from tests.printed import next_steps


@pytest.mark.training
@pytest.mark.parametrize("arguments", [["run", "--help"], ["verify", "FILE"], ["show", "FILE"]])
def test_light_commands_do_not_load_tensorflow(exported: Path, arguments: list[str]) -> None:
    words = [str(exported) if word == "FILE" else word for word in arguments]
    script = f"import sys; from stripwatch.export.cli import app; app({words!r}, standalone_mode=False); "
    check = "sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script + check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.long
@pytest.mark.training
def test_run_prints_one_json_line_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fitted_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.onnx"
    assert run_cli(monkeypatch, "run", fitted_run, "--out", out, "--golden", 4, "--version", "3") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert next_steps(printed.err) == [f"stripwatch check --bundle {out}"]
    assert summary["name"] == "textures-mobilenet"
    assert summary["version"] == "3"
    assert summary["golden_frames"] == 4
    assert summary["bytes"] == out.stat().st_size
    assert summary["score_difference"] <= 5e-5


@pytest.mark.training
def test_verify_and_show_print_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exported: Path
) -> None:
    assert run_cli(monkeypatch, "verify", exported) == 0
    printed = capsys.readouterr()
    verified = json.loads(printed.out.splitlines()[-1])
    assert next_steps(printed.err) == [f"stripwatch check --bundle {exported}"]
    assert run_cli(monkeypatch, "show", exported, "--json") == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert verified["sha256"] == shown["sha256"]
    assert verified["golden_frames"] == len(shown["golden"])


@pytest.mark.parametrize("command", ["verify", "show"])
def test_an_invalid_bundle_gives_one_error_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for file, message in ((tmp_path / "text.onnx", "is not a valid bundle"), (tmp_path / "gone.onnx", "cannot read")):
        assert run_cli(monkeypatch, command, file) == 3
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ")
        assert message in shown.err
        assert len(shown.err.splitlines()) == 1
