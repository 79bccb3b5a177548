from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.export.runs.run_folder import Run, SplitFrame
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.training.experiments import crossval_stress
from stripwatch.training.experiments.crossval_stress import FoldScores, choose_without, measure_folds
from stripwatch.worker.images.image_statistics import FrameStatistics

LABELS = ["clean", "pits"]


def fold(root: Path, number: int, scores_of_pits: list[float], truth: list[bool]) -> FoldScores:
    """A fold with the score of "pits" for each held-out frame."""
    configuration = SimpleNamespace(label_task="multiclass")
    run = cast(Run, SimpleNamespace(labels=LABELS, model_sha256=f"model-{number}", configuration=configuration))
    pits = np.array(scores_of_pits, np.float32)
    targets = np.array([[not each, each] for each in truth], np.float32)
    frames = [SplitFrame(f"{number}-{at}.png", LABELS[each], f"{number}{at}") for at, each in enumerate(truth)]
    return FoldScores(root / f"fold-{number}", run, ScoredFrames(root, frames, targets, np.stack([1 - pits, pits], 1)))


@pytest.fixture
def folds(tmp_path: Path) -> list[FoldScores]:
    low, high = fold(tmp_path, 1, [0.1, 0.6], [False, True]), fold(tmp_path, 2, [0.1, 0.9], [False, True])
    return [low, high]


def test_a_fold_does_not_choose_its_own_thresholds(folds: list[FoldScores]) -> None:
    assert choose_without(folds, 0)[0]["pits"].unsure.value == pytest.approx(0.45)  # midway between 0 and 0.9
    assert choose_without(folds, 1)[0]["pits"].unsure.value == pytest.approx(0.3)


def results(right: int) -> StressResults:
    def point(strength: float, right: int) -> StressPoint:
        return StressPoint(strength, 2, right, right, 2 - right, 0, FrameStatistics(100.0 * right, 10.0, 0.1))

    unchanged = point(0, 2)
    return StressResults(2, unchanged, [StressChange.of("noise", "grey levels", [point(8, right)], unchanged)])


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Checksums of the models that were tested. The model of the first fold is right, and the other one is wrong."""
    tested: list[str] = []

    def measure(model: str, *_: Any) -> StressResults:
        tested.append(model)
        return results(2 if model == "model-1" else 0)

    fakes: dict[str, Callable[..., Any]] = {
        "load_model": lambda _: None,
        "stressed_model": lambda _folder, run, *_: run.model_sha256,
        "say_duration": lambda *_: None,
        "measure_stress": measure,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(crossval_stress, name, fake)
    return tested


def test_pools_the_folds(folds: list[FoldScores], measured: list[str]) -> None:
    found = measure_folds(folds, 2)
    assert measured == ["model-1", "model-2"]
    assert (found.frames, found.unchanged.certain_right) == (4, 4)
    point = found.changes[0].points[0]
    assert (point.frames, point.right, point.confidently_wrong, point.statistics.brightness) == (4, 2, 2, 100)
    assert (found.changes[0].reliable_to, found.changes[0].fails_at) == (None, 8)


def test_warns_of_few_frames(folds: list[FoldScores], measured: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    measure_folds(folds, 2)
    assert len(measured) == 2
    assert "warning: only 4 images were changed, so a single one can decide" in capsys.readouterr().err


def test_an_interrupted_test_continues(folds: list[FoldScores], measured: list[str], tmp_path: Path) -> None:
    before = measure_folds(folds, 2)
    assert measure_folds(folds, 2) == before
    assert measured == ["model-1", "model-2"]
    (tmp_path / "fold-2.stress.json").write_text("{")  # as after a crash of the machine
    assert measure_folds(folds, 2) == before
    assert measured == ["model-1", "model-2", "model-2"]
    measure_folds(folds, 1)  # with other frames, both are tested again
    assert measured[3:] == ["model-1", "model-2"]
