import json
import os
import shutil
from pathlib import Path

import pytest

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.experiments.compare import Candidate, parse_candidates
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.printed import next_steps
from tests.training.conftest import run_cli

pytestmark = pytest.mark.training


def test_networks_can_have_separate_names_and_options() -> None:
    assert parse_candidates(
        "vgg19, small=mobilenet", ["small:alpha=0.25", "small:weights=a=b.h5", "vgg19:augment"]
    ) == [
        Candidate("vgg19", "vgg19", ("--augment",)),
        Candidate("small", "mobilenet", ("--alpha", "0.25", "--weights", "a=b.h5")),
    ]


@pytest.mark.parametrize(
    ("networks", "settings", "message"),
    [
        ("a,a", [], "contains 'a' twice"),
        ("a", [], "a comparison needs at least two networks"),
        ("", [], "a comparison needs at least two networks"),
        ("../a,b", [], r"'\.\./a' is not a valid name"),
        ("a,b", ["c:x=1"], "--set 'c:x=1' is not NAME:FLAG=VALUE with NAME one of a, b"),
        ("a,b", ["a:"], "is not NAME:FLAG=VALUE"),
        ("a,a,b", ["c:x=1"], "contains 'a' twice.*--set 'c:x=1'"),
    ],
)
def test_rejects_an_invalid_list(networks: str, settings: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_candidates(networks, settings)


def test_rejects_a_network_passed_to_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], textures: Path, tmp_path: Path
) -> None:
    words = ["--data", str(textures), "--out", str(tmp_path / "x"), "--networks", "vgg19,mobilenet"]
    assert run_cli(monkeypatch, "compare", *words, "--network", "xception") == 2
    assert "error: --network is set by this command" in capsys.readouterr().err


@pytest.mark.long
def test_compares_two_networks_on_one_split_and_continues_after_a_stop(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    textures: Path,
    random_weights: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / os.fsdecode(b"plant\xff $\\frac$")  # names with any bytes pass every step
    data, out = folder / os.fsdecode(b"data\xfe"), folder / "compared"
    shutil.copytree(textures, data)
    words = ["compare", "--data", str(data), "--out", str(out), "--networks", "long=mobilenet,short=mobilenet"]
    words += ["--set", "long:epochs=60", "--set", "long:learning-rate=0.1", "--set", "long:dropout=0"]
    words += ["--alpha", "0.25", "--input", "64x64", "--batch", "8", "--epochs", "2", "--weights", str(random_weights)]
    words += ["--copy-changes", "none"]
    assert run_cli(monkeypatch, *words) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert summary["accuracy"][summary["winner"]].keys() == {"value", "low", "high"}
    assert len(next_steps(printed.err)) == 1
    page = (out / "report.html").read_text()
    assert 'href="long/evaluation/report.html"' in page
    assert 'href="short/evaluation/report.html"' in page
    runs = {name: read_run(out / name) for name in ("long", "short")}
    assert runs["long"].split == runs["short"].split
    assert {name: run.configuration.epochs for name, run in runs.items()} == {"long": 60, "short": 2}
    board = json.loads((out / "leaderboard.json").read_text())
    assert summary["winner"] == board["winner"] == board["entries"][0]["name"]
    for entry in board["entries"]:
        run = runs[entry["name"]]
        assert entry["accuracy"]["value"] == pytest.approx(run.validation.accuracy)
        assert entry["model_sha256"] == run.model_sha256
        assert read_bundle(out / f"{entry['name']}.onnx").manifest.provenance.run_id == run.run_id
        assert 200_000 < entry["parameters"] < 300_000
    assert (out / "leaderboard.png").stat().st_size > 1000

    (out / "leaderboard.json").unlink()
    (out / "short.entry.json").write_text("{}")  # written by another version
    assert run_cli(monkeypatch, *words, "--rule", "fastest-within:100") == 0
    again = json.loads((out / "leaderboard.json").read_text())
    assert again["rule"] == "fastest-within:100"
    assert {name: read_run(out / name).run_id for name in runs} == {name: run.run_id for name, run in runs.items()}
    kept = [next(e for e in found["entries"] if e["name"] == "long") for found in (board, again)]
    assert kept[0] == kept[1]
