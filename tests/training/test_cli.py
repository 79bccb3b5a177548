import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import signature
from pathlib import Path

import pytest

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.fitting.command import fit
from stripwatch.training.labeling.command import collect
from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX
from tests.printed import next_steps
from tests.training.conftest import run_cli


def test_help_does_not_load_tensorflow() -> None:
    script = "import sys; from stripwatch.training.cli import app; app(['fit', '--help'], standalone_mode=False); "
    check = "sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script + check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Example:" in done.stdout


@pytest.mark.parametrize("command", [collect, fit])
def test_the_help_states_the_frame_limits(command: Callable[..., None]) -> None:
    assert FRAME_BYTES_MAX == FRAME_PIXELS_MAX
    assert f"{FRAME_PIXELS_MAX:,} bytes" in " ".join((command.__doc__ or "").split())


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (
            [],
            2,
            "error: collect needs exactly one of --bootstrap-servers (fetch), --to (hand over to a labelling tool; "
            "also together with --bootstrap-servers), --from FILE (take back), --sorted and --labels FILE (label)",
        ),
        (["--sorted", "--labels", "x.csv"], 2, "error: collect needs exactly one of"),
        (["--sorted"], 6, "has no collected.csv; pass a folder created by 'collect --bootstrap-servers'"),
        (["--bootstrap-servers", "nowhere"], 2, "error: --bootstrap-servers must be HOST:PORT"),
        (["--bootstrap-servers", "127.0.0.1:1", "--config", "no.toml"], 6, "settings file no.toml does not exist"),
    ],
)
def test_collect_reports_errors_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    flags: list[str],
    code: int,
    message: str,
) -> None:
    assert run_cli(monkeypatch, "collect", "--out", str(tmp_path / "review"), *flags) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


@pytest.mark.parametrize("command", [["crossval"], ["compare", "--networks", "mobilenet"]])
def test_rejects_a_second_data_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run_cli(monkeypatch, *command, "--data", "a", "--data", "b", "--out", "runs") == 2
    assert "error: --data is given more than once" in capsys.readouterr().err


@pytest.mark.training
def test_command_and_settings_have_the_same_defaults() -> None:
    from stripwatch.training.fitting.fit_settings import FitSettings

    usual = {field.name: field.default for field in fields(FitSettings) if field.default is not MISSING}
    options = {name: option.default for name, option in signature(fit).parameters.items()}
    assert options.pop("novelty_false_alarms") is None  # so that --no-novelty can refuse it; the settings decide
    shared = usual.keys() & options.keys()
    given_otherwise = {"height_px", "width_px", "also"}  # by --input and by repeating --data
    assert usual.keys() - shared == given_otherwise | {"novelty_false_alarms"}
    assert {name: options[name] for name in shared} == {name: usual[name] for name in shared}


@pytest.mark.training
def test_fit_prints_one_json_line_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    textures: Path,
    random_weights: Path,
    tmp_path: Path,
) -> None:
    flags = {"--network": "mobilenet", "--alpha": "0.25", "--input": "64x64", "--epochs": "2", "--batch": "8"}
    flags |= {"--augment-copies": "1"}
    paths = {"--data": str(textures), "--weights": str(random_weights), "--out": str(tmp_path / "run")}
    code = run_cli(monkeypatch, "fit", *(word for pair in (flags | paths).items() for word in pair))
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert next_steps(printed.err) == [f"stripwatch train evaluate {tmp_path / 'run'}"]
    run = read_run(tmp_path / "run")
    assert code == 0
    assert summary["frames"] == 60
    assert summary["val_accuracy"] == pytest.approx(run.validation.accuracy, abs=1e-4)
    assert (run.decode.height_px, run.decode.width_px) == (64, 64)


@pytest.mark.training
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--input", "64"], 2, "error: --input '64' is not HEIGHTxWIDTH, such as 224x224"),
        (["--weights", "missing.h5"], 6, "error: --weights missing.h5: no such file"),
        (["--network", "vgg"], 2, "error: --network 'vgg' is unknown"),
        (["--data", "missing"], 6, "error: data folder missing does not exist"),
    ],
)
def test_invalid_input_gives_one_error_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    textures: Path,
    tmp_path: Path,
    flags: list[str],
    code: int,
    message: str,
) -> None:
    usual = ["--data", str(textures), "--network", "mobilenet", "--out", str(tmp_path / "run")]
    assert run_cli(monkeypatch, "fit", *usual, *flags) == code
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""
