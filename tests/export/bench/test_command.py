import json
from pathlib import Path

import pytest

from stripwatch.export.bench.command import parse_sizes, pick
from stripwatch.export.convert.accuracy_gate import LIMITS
from stripwatch.export.convert.verify import verify
from stripwatch.worker.common.errors import SettingsError
from tests.export.conftest import run_cli
from tests.export.convert.forgeries import NOTHING_PASSES
from tests.printed import next_steps
from tests.tiny import write_bundle

QUICK = ("--seconds", 0.01, "--batch-sizes", "1,2")


@pytest.mark.long
@pytest.mark.training
def test_measures_a_run_at_each_precision_and_lists_rejected_precisions(
    learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(LIMITS, "fp16", NOTHING_PASSES)
    out = tmp_path / "bench"
    assert run_cli(monkeypatch, "bench", learned_run, "--precisions", "fp32,fp16", "--out", out, *QUICK) == 0
    fp32, fp16 = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert fp32["fidelity"]["agreement"] == 1
    assert [speed["batch_frames"] for speed in fp32["speeds"]] == [1, 2]
    assert "score difference is" in fp16["refused"]
    assert fp16["fidelity"]["scheme"].startswith("float16")
    assert fp16["speeds"] == []
    verify(out / "learned-fp32.onnx")
    assert sorted(path.name for path in out.iterdir()) == ["bench.json", "bench.md", "bench.png", "learned-fp32.onnx"]
    table = (out / "bench.md").read_text()
    assert "| learned-fp32 | cpu | 1.0000 |" in table
    assert "| rejected |" in table
    assert run_cli(monkeypatch, "bench", learned_run, "--out", out, *QUICK) == 6  # bundles are never overwritten
    assert "learned-fp32.onnx already exists" in capsys.readouterr().err


def test_bundle_files_need_no_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, "bench", write_bundle(tmp_path / "tiny.onnx"), *QUICK, "--device", "cpu") == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["rows"]) == 1
    assert "best f/s" in printed.err
    assert next_steps(printed.err) == [f"stripwatch bench --bundle {tmp_path / 'tiny.onnx'}"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.onnx"], 3, "cannot read the bundle gone.onnx"),
        ([".", "--out", "nowhere"], 3, ". has no promoted bundle"),
        (["gone.onnx", "--batch-sizes", "1,x"], 2, "--batch-sizes '1,x' is not a list of numbers from 1 to 1024"),
        (["gone.onnx", "--precisions", "fp32,fp8"], 2, "'fp8' is unknown; choose from fp32, fp16, int8"),
        (
            ["gone.onnx", "--device", "cpu,tpu"],
            2,
            "'tpu' is unknown; choose from cpu, cuda, cuda-bound, cuda-graph",
        ),
        (["gone.onnx", "--device", ""], 2, "--device: '' is unknown; choose from cpu"),
    ],
)
def test_reports_an_invalid_argument_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert run_cli(monkeypatch, "bench", *arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("device", ["cuda", "cuda-graph", "tensorrt"])
def test_rejects_an_unavailable_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    assert run_cli(monkeypatch, "bench", write_bundle(tmp_path / "tiny.onnx"), *QUICK, "--device", device) == 2
    assert f"provider = '{device.split('-')[0]}' requires" in capsys.readouterr().err


def test_a_run_needs_an_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").touch()
    assert run_cli(monkeypatch, "bench", tmp_path) == 2
    assert "--out is missing" in capsys.readouterr().err


@pytest.mark.training
def test_rejects_two_runs_with_the_same_folder_name_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = [tmp_path / name / "fold-1" for name in ("a", "b")]
    for fold in folds:
        fold.mkdir(parents=True)
        (fold / "run.json").touch()
    assert run_cli(monkeypatch, "bench", *folds, "--out", tmp_path / "out") == 6
    assert "two runs would be exported to the same file" in capsys.readouterr().err


def test_parses_lists_in_any_order() -> None:
    assert parse_sizes("16, 1,1") == (1, 16)
    assert pick("int8, fp32", ("fp32", "fp16", "int8"), "--precisions") == ("fp32", "int8")
    with pytest.raises(SettingsError):
        parse_sizes("0")
