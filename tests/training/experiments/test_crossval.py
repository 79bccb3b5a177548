import json
import os
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from stripwatch.export.runs.run_folder import Split, SplitFrame, read_run
from stripwatch.training.experiments import fit_subprocess
from stripwatch.training.experiments.crossval import cache_in
from stripwatch.training.experiments.fit_subprocess import check_flags, common_flags, read_split_frames, run_fit
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from tests.printed import next_steps
from tests.trained import LABELS
from tests.training.conftest import run_cli

pytestmark = pytest.mark.training

FLAGS = ["--network", "mobilenet", "--alpha", "0.25", "--input", "64x64", "--epochs", "3", "--batch", "8"]
SPLIT = Split([SplitFrame("a.png", "a", "")], [])


@pytest.mark.long
def test_each_frame_is_scored_once_by_a_model_not_fitted_on_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    textures: Path,
    random_weights: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / os.fsdecode(b"folds\xff")  # names with any bytes pass every step
    words = ["crossval", "--data", str(textures), "--folds", "2", "--seed", "4", "--out", str(out)]
    unknown = tmp_path / "unknown"
    unknown.mkdir()
    cv2.imwrite(str(unknown / "black.png"), np.zeros((96, 96), np.uint8))
    words += [*FLAGS, "--weights", str(random_weights), "--unknown", str(unknown), "--stress-frames", "6"]
    words += ["--augment-copies", "1"]
    assert run_cli(monkeypatch, *words) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert len(next_steps(printed.err)) == 1
    runs = [read_run(out / "fold-1"), read_run(out / "fold-2")]
    scored = [frame.name for run in runs for frame in run.split.validation]
    assert sorted(scored) == sorted(path.name for path in textures.iterdir())
    assert {run.configuration.keep for run in runs} == {"last"}
    assert [run.best_epoch for run in runs] == [3, 3]  # the last one, independent of the scored fold
    assert summary["frames"] == 60
    assert summary["errors"] == len(summary["wrong"])
    novelty = summary["novelty"]
    assert novelty["false_alarms"]["frames"] == 60
    assert {label: each["frames"] for label, each in novelty["left_out"].items()} == dict.fromkeys(LABELS, 20)
    assert novelty["unknown"][str(unknown)]["frames"] == 1  # ten frames a class are too few to detect it
    assert summary["stress"]["frames"] == 12  # six of each fold
    assert "stress test: 612 predictions, about" in printed.err
    assert not (out / "features").exists()
    assert summary["fold_accuracy"] == [round(run.validation.accuracy, 4) for run in runs]
    record = json.loads((out / "crossval.json").read_text())
    assert sum(fold["errors"] for fold in record["folds"]) == summary["errors"]
    page = (out / "report.html").read_text()
    assert 'href="fold-1/evaluation/report.html"' in page
    assert "Detection of unknown frames" in page
    assert len(record["novelty"]["thresholds"]) == 2
    assert (out / "fold-1" / "evaluation" / "report.html").exists()
    assert record["runs"] == [run.run_id for run in runs]

    (out / "crossval.json").unlink()  # as after an interruption
    assert run_cli(monkeypatch, *words) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again == summary
    assert read_run(out / "fold-1").run_id == runs[0].run_id


def test_rejects_an_unknown_bit_depth_before_the_first_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for label in ("a", "b"):
        for number in range(3):
            frame = rng.integers(0, 4096, (32, 32), np.uint16)
            cv2.imwrite(str(tmp_path / f"{label}_{number}.png"), frame)
    with pytest.raises(DataError, match="Pass the bit depth of the camera"):
        read_split_frames(tmp_path, "auto", "multiclass", None, None)
    frames, groups = read_split_frames(tmp_path, "auto", "multiclass", None, 12)
    assert (len(frames), len(set(groups))) == (6, 6)
    assert common_flags(0, "auto", "multiclass", None, 12)[-2:] == ["--bit-depth", "12"]


def test_a_failed_fold_ends_with_the_error_and_exit_code_of_fit(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], textures: Path, tmp_path: Path
) -> None:
    words = ["--data", str(textures), "--folds", "2", "--out", str(tmp_path / "folds"), *FLAGS]
    assert run_cli(monkeypatch, "crossval", *words, "--weights", "missing.h5") == 6
    shown = capfd.readouterr()
    assert "error: --weights missing.h5: no such file" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_rejects_a_finished_run_with_other_options(tmp_path: Path) -> None:
    folder, root, flags = tmp_path / "fold-1", Path("/"), ["--epochs", "3"]
    folder.mkdir()
    (folder / "run.json").touch()
    (tmp_path / "fold-1.fit.json").write_bytes(msgspec.json.encode({"split": SPLIT, "data": "/", "flags": flags}))
    for data in (root, tmp_path):  # the data folder may have been moved
        run_fit("fold-1", folder, data, SPLIT, flags)
    with pytest.raises(InputError, match="fold-1 is a run with other images or another split; choose another --out"):
        run_fit("fold-1", folder, root, Split([], []), flags)
    with pytest.raises(InputError, match=r"fold-1 is a run with other options \(--epochs 3\)"):
        run_fit("fold-1", folder, root, SPLIT, [])


def be_fit(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Replace fit by a short program."""
    monkeypatch.setattr(fit_subprocess, "module_command", lambda _: [sys.executable, "-c", program])


def test_resumes_a_killed_fit_only_with_the_same_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, folder = tmp_path / "output", tmp_path / "fold-1"
    be_fit(monkeypatch, f"import sys; print('--resume' in sys.argv, file=open({str(output)!r}, 'a'))")
    run_fit("fold-1", folder, tmp_path, SPLIT, ["--epochs", "3"])
    folder.mkdir()
    for name in ("begun.json", "head.weights.h5"):
        (folder / name).touch()
    run_fit("fold-1", folder, tmp_path, SPLIT, ["--epochs", "3"])
    assert output.read_text().split() == ["False", "True"]
    with pytest.raises(InputError, match=r"is an interrupted fit with other options \(--epochs 3\)"):
        run_fit("fold-1", folder, tmp_path, SPLIT, ["--epochs", "4"])
    assert output.read_text().split() == ["False", "True"]


def test_reports_a_killed_fit_and_hints_at_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be_fit(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(InputError, match=r"fold-1 was killed \(Killed\); .*memory.* reduce --batch"):
        run_fit("fold-1", tmp_path / "fold-1", tmp_path, SPLIT, [])


@pytest.mark.parametrize("word", ["--split", "--keep=best"])
def test_rejects_an_option_that_the_command_sets_itself(word: str) -> None:
    with pytest.raises(SettingsError, match="is set by this command"):
        check_flags(["--epochs", "3", word, "x"])


def test_finds_the_cache_among_the_options_of_fit() -> None:
    assert cache_in(["--epochs", "3", "--cache", "kept"]) == Path("kept")
    assert cache_in(["--cache=kept", "--epochs", "3"]) == Path("kept")
    assert cache_in(["--epochs", "3"]) is None
    assert cache_in(["--cache"]) is None  # fit reports the missing value
