from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stripwatch.training.fitting.training_history import TrainingHistory, read_history
from stripwatch.worker.common.errors import DataError
from tests.trained import tiny_configuration

pytestmark = pytest.mark.training


def run_epochs(folder: Path, *results: tuple[float, float], **changes: Any) -> tuple[TrainingHistory, list[int]]:
    """Feed (validation accuracy, validation loss) of consecutive epochs, and return the epochs that were saved."""
    kept: list[int] = []
    configuration = tiny_configuration(**changes)
    log = TrainingHistory(folder / "history.csv", configuration, on_best=lambda: kept.append(log.best_epoch))
    feed(log, *results)
    return log, kept


def feed(log: TrainingHistory, *results: tuple[float, float]) -> None:
    log.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.5), stop_training=False))
    for epoch, (accuracy, loss) in enumerate(results):
        figures = {"val_loss": loss, "val_accuracy": accuracy, "val_macro_f1": accuracy / 2}
        log.on_epoch_end(epoch, {"loss": 1.0, "accuracy": 0.5, **figures})


def test_keeps_the_highest_accuracy_and_breaks_ties_by_loss(tmp_path: Path) -> None:
    log, kept = run_epochs(tmp_path, (0.5, 1.0), (0.9, 0.4), (0.8, 0.1), (0.9, 0.3), (0.9, 0.35))
    assert kept == [1, 2, 4]
    assert log.best_epoch == 4


def test_keeps_the_best_macro_f1_if_selected(tmp_path: Path) -> None:
    log, kept = run_epochs(tmp_path, (0.5, 1.0), (0.9, 0.4), (0.8, 0.1), best_by="val_macro_f1")
    assert kept == [1, 2]
    assert log.best_epoch == 2


def test_keeps_the_lowest_loss_if_selected(tmp_path: Path) -> None:
    log, kept = run_epochs(tmp_path, (0.5, 1.0), (0.9, 0.4), (0.8, 0.1), (0.9, 0.3), best_by="val_loss")
    assert kept == [1, 2, 3]
    assert log.best_epoch == 3


def test_keeps_the_last_epoch_if_selected(tmp_path: Path) -> None:
    log, kept = run_epochs(tmp_path, (0.9, 0.1), (0.1, 1.0), (0.5, 0.5), keep="last")
    assert kept == [1, 2, 3]
    assert log.best_epoch == 3


@pytest.mark.parametrize(("patience", "stops"), [(0, False), (2, False), (1, True)])
def test_patience_stops_a_stage_without_improvement(tmp_path: Path, patience: int, stops: bool) -> None:
    log, _ = run_epochs(tmp_path, (0.5, 1.0), (0.9, 0.4), (0.8, 0.5), patience=patience)
    assert log.model.stop_training is stops


def test_a_later_stage_continues_the_count_with_its_own_patience(tmp_path: Path) -> None:
    first, _ = run_epochs(tmp_path, (0.9, 0.4), (0.8, 0.5), patience=2)
    later = TrainingHistory(tmp_path / "history.csv", tiny_configuration(patience=2), first.rows, "fine-tune")
    feed(later, (0.7, 0.5))
    assert not later.model.stop_training
    assert later.best_epoch == 1
    feed(later, (0.95, 0.5))
    assert later.best_epoch == 4
    assert [(row["epoch"], row["stage"]) for row in read_history(tmp_path / "history.csv")] == [
        (1, "head"),
        (2, "head"),
        (3, "fine-tune"),
        (4, "fine-tune"),
    ]


def test_the_history_has_one_line_per_epoch(tmp_path: Path) -> None:
    log, _ = run_epochs(tmp_path, (0.5, 1.0), (0.75, 0.25))
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,loss,accuracy,val_loss,val_accuracy,val_macro_f1,learning_rate,stage",
        "1,1,0.5,1,0.5,0.25,0.5,head",
        "2,1,0.5,0.25,0.75,0.375,0.5,head",
    ]
    assert read_history(tmp_path / "history.csv") == log.rows


@pytest.mark.parametrize(("loss", "val_loss"), [(float("nan"), 1.0), (float("inf"), 1.0), (1.0, float("nan"))])
def test_an_invalid_loss_stops_the_fit(tmp_path: Path, loss: float, val_loss: float) -> None:
    log, kept = run_epochs(tmp_path, (0.5, 1.0))
    figures = {"loss": loss, "accuracy": 0.0, "val_loss": val_loss, "val_accuracy": 1.0, "val_macro_f1": 1.0}
    with pytest.raises(
        DataError, match=f"the loss is {loss} in epoch 2, in validation {val_loss}; reduce --learning-rate"
    ):
        log.on_epoch_end(1, figures)
    assert kept == [1]


@pytest.mark.parametrize(
    ("stage", "settings", "advice"),
    [
        ("head", {}, r"reduce --learning-rate \(now 0\.5\), or check"),
        ("fine-tune", {}, r"reduce --fine-tune-rate \(now 0\.25\), or check"),
        (
            "all",
            {"weight_decay": 2.0, "optimizer": "adamw"},
            r"reduce --learning-rate \(now 0\.5\) or --weight-decay \(now 2\), or check",
        ),
        ("all", {"weight_decay": 2.0, "optimizer": "adam"}, r"reduce --learning-rate \(now 0\.5\), or check"),
    ],
)
def test_an_invalid_loss_names_the_options_of_its_stage(
    tmp_path: Path, stage: str, settings: dict[str, Any], advice: str
) -> None:
    options = {"learning_rate": 0.5, "fine_tune_rate": 0.25, "weight_decay": 0.004} | settings
    log = TrainingHistory(tmp_path / "history.csv", tiny_configuration(**options), stage=stage)
    with pytest.raises(DataError, match=advice):
        feed(log, (0.5, float("nan")))
