import json
from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.frontier.plan.result import FrontierResult
from tests.printed import next_steps
from tests.training.conftest import run_cli

pytestmark = pytest.mark.training
Capture = pytest.CaptureFixture[str]


def words(data: Path, out: Path, weights: Path, *more: str) -> list[str]:
    network = f"small=mobilenet:alpha=0.25,cut=conv_pw_4_relu,weights={weights}"
    return ["frontier", "--data", str(data), "--out", str(out), "--network", network, *more]


@pytest.mark.long
def test_finds_a_candidate_fits_it_and_uses_its_measurements_again(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, textures: Path, random_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = words(textures, out, random_weights, "--sizes", "32x32", "--folds", "3")
    assert run_cli(monkeypatch, *given) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    result = msgspec.json.decode((out / "frontier.json").read_bytes(), type=FrontierResult)
    entry = result.entry(result.winner or "")
    assert summary["winner"] == result.winner == result.within
    assert entry.accuracy.value > 0.9
    assert entry.cost is not None
    assert 0 < entry.cost.decode_ms < entry.cost.total_ms
    assert {each.precision for each in result.timed} == {"fp32", "int8"}
    assert 0.8 < result.selected_accuracy.low <= result.selected_accuracy.high <= 1
    run = read_run(Path(summary["run"]))
    assert (run.decode.name, run.decode.shape, run.configuration.cut) == (entry.decode, (32, 32, 1), entry.cut)
    assert [step.split()[1:3] for step in next_steps(printed.err)] == [["train", "evaluate"], ["export", "run"]]
    assert (out / "frontier.png").stat().st_size > 1000
    assert f"Use {result.winner}" in (out / "report.html").read_text()
    assert not list((out / "measured").glob("*.onnx"))

    measured = {path: path.read_bytes() for path in (out / "measured").iterdir()}
    rate = ["--frames-per-second", "1e9", "--cores", "1", "--no-fit"]
    assert run_cli(monkeypatch, *given, *rate) == 13
    printed = capsys.readouterr()
    assert "error: no candidate reaches 1e+09 frames per second on 1 core: the cheapest one" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["reached"] is False
    assert {path: path.read_bytes() for path in measured} == measured
    assert "none is recommended" in (out / "report.html").read_text()


def test_reports_everything_that_is_wrong_before_the_images_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, textures: Path, tmp_path: Path
) -> None:
    given = ["--network", "mobilnet:weights=x.h5", "--network", "vgg19:weights=y.h5"]
    assert run_cli(monkeypatch, "frontier", "--data", str(textures), "--out", str(tmp_path / "out"), *given) == 2
    error = capsys.readouterr().err
    assert "did you mean 'mobilenet'" in error
    assert "--weights x.h5: no such file" in error
    assert "--weights y.h5: no such file" in error
    assert not (tmp_path / "out" / "measured").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cameras", "12 cameras"], "--cameras '12 cameras' states no frame rate"),
        (["--cameras", "1 x 5 fps 2x2", "--frames-per-second", "5"], "omit one of them"),
        (["--sizes", "96"], "--sizes: '96' is not HEIGHTxWIDTH"),
        (["--task", "anomaly"], "an anomaly model has no classes to compare"),
        (["--data", "elsewhere"], "--data is given more than once"),
    ],
)
def test_rejects_invalid_options(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, more: list[str], message: str
) -> None:
    assert run_cli(monkeypatch, *words(tmp_path, tmp_path / "out", Path("w.h5"), *more)) == 2
    assert message in capsys.readouterr().err
