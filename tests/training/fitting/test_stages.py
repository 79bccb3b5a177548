"""Stages of a fit: fine-tuning, augmented frames with a frozen backbone, and resuming after a kill."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import ChosenDefaults, read_run
from stripwatch.training.fitting import train_loop
from stripwatch.training.fitting.checkpoint import Checkpoint
from stripwatch.training.fitting.features import feature_cache
from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings, as_paper_baseline
from stripwatch.training.fitting.training_history import read_history
from stripwatch.worker.common.errors import InputError, SettingsError
from tests.trained import tiny_fit

pytestmark = pytest.mark.training

FINISHED = ["history.csv", "model.keras", "novelty.npz", "run.json"]


class KilledError(Exception):
    """Simulates a kill: no code of the project catches it."""


def kill_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Kill a stage on frames when its checkpoint of this many epochs is on disk."""
    write: Callable[..., None] = Checkpoint.on_epoch_end

    def write_and_die(self: Checkpoint, epoch: int, logs: object = None) -> None:
        write(self, epoch, logs)
        if epoch + 1 == epochs:
            raise KilledError

    monkeypatch.setattr(Checkpoint, "on_epoch_end", write_and_die)


def backbone_weights(folder: Path) -> dict[str, list[NDArray[np.float32]]]:
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    backbone = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    return {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if not all(map(np.array_equal, before[name], after[name]))}


@pytest.fixture
def settings(textures: Path, tmp_path: Path, random_weights: Path) -> FitSettings:
    changes = {"weights": str(random_weights), "best_by": "val_loss", "learning_rate": 0.01}
    return tiny_fit(textures, tmp_path / "run", epochs=2, **changes)


@pytest.mark.long
def test_fine_tuning_changes_the_last_layers_but_not_batch_norm(settings: FitSettings, tmp_path: Path) -> None:
    fit(replace(settings, out=tmp_path / "frozen"))
    tuned = replace(settings, fine_tune=3, fine_tune_from="conv_dw_12", fine_tune_rate=0.01, schedule="constant")
    run = fit(tuned)
    rows = read_history(settings.out / "history.csv")
    assert [row["stage"] for row in rows] == ["head"] * 2 + ["fine-tune"] * 3
    assert run.best_epoch > 2
    assert rows[-1]["learning_rate"] == pytest.approx(0.01)
    assert changed(backbone_weights(tmp_path / "frozen"), backbone_weights(settings.out)) == {
        "conv_dw_12",
        "conv_pw_12",
        "conv_dw_13",
        "conv_pw_13",
    }
    assert sorted(path.name for path in settings.out.iterdir()) == FINISHED


def test_rejects_an_unknown_fine_tuning_layer_before_reading_frames(settings: FitSettings) -> None:
    with pytest.raises(SettingsError, match="--fine-tune-from block9: the backbone has no such layer"):
        fit(replace(settings, fine_tune=1, fine_tune_from="block9"))
    assert not settings.out.exists()


@pytest.mark.long
@pytest.mark.parametrize("copies", [0, 2])
def test_a_head_learns_from_changed_frames_of_a_frozen_backbone(
    settings: FitSettings, tmp_path: Path, copies: int
) -> None:
    fit(replace(settings, out=tmp_path / "plain"))
    run = fit(replace(settings, augment=True, augment_copies=copies, copy_changes=None, epochs=10))
    assert (run.seconds["features"] > 0) == (copies > 0)
    assert run.configuration.frozen
    assert run.configuration.augment_copies == copies
    assert changed(backbone_weights(tmp_path / "plain"), backbone_weights(settings.out)) == set()
    rows = read_history(settings.out / "history.csv")
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert sorted(path.name for path in settings.out.iterdir()) == FINISHED


def test_a_head_fitted_on_frames_equals_one_fitted_on_features(
    settings: FitSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data set whose features do not fit into memory is fitted as well as one whose features do."""
    small = replace(settings, cut="conv_pw_5_relu", epochs=3, dropout=0.0, learning_rate=None)
    fit(replace(small, out=tmp_path / "features"))
    monkeypatch.setattr(feature_cache, "_BYTES_MAX", 10)
    run = fit(replace(small, out=tmp_path / "frames"))
    assert run.seconds["features"] == 0
    first, second = (read_history(tmp_path / out / "history.csv") for out in ("features", "frames"))
    for one, other in zip(first, second, strict=True):
        assert other["val_loss"] == pytest.approx(one["val_loss"], rel=0.1)  # the order of the frames differs
        assert other["learning_rate"] == pytest.approx(one["learning_rate"])
    # The saved model does not contain the scale of the features.
    assert run.validation.accuracy == pytest.approx(second[run.best_epoch - 1]["val_accuracy"], abs=1e-5)


def test_default_augmentation_does_not_make_the_model_worse(settings: FitSettings, tmp_path: Path) -> None:
    usual = replace(settings, epochs=30, learning_rate=None, cut="conv_pw_5_relu", batch=32, val_share=0.4)
    plain = fit(replace(usual, out=tmp_path / "plain"))
    augmented = fit(replace(usual, augment=True, copy_changes=None))
    trained, missing = "the gap head on a frozen backbone", ["learning_rate", "weight_decay"]
    assert plain.defaults == ChosenDefaults(trained, [*missing, "maps"])
    assert augmented.defaults == ChosenDefaults(trained, [*missing, "augment_copies", "maps"])
    assert plain.validation.accuracy >= 0.9
    assert augmented.validation.accuracy >= plain.validation.accuracy - 0.01


@pytest.mark.long
@pytest.mark.parametrize("stage", ["head", "fine-tune"])
def test_a_killed_fit_continues_from_its_checkpoint(
    settings: FitSettings, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    augmented = replace(settings, epochs=4, augment=True, augment_copies=0)
    plain = augmented if stage == "head" else replace(settings, fine_tune=4)
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(KilledError):
            fit(plain)
    kept = read_history(settings.out / "history.csv")
    # The run folder always contains a usable model.
    assert keras.saving.load_model(settings.out / "model.keras", compile=False)
    with pytest.raises(InputError, match=r"no run\.json"):
        read_run(settings.out)
    with pytest.raises(
        InputError, match="started with other values of learning_rate, seed, input or decode; use the same"
    ):
        fit(replace(plain, resume=True, seed=9, learning_rate=0.5, decode="rgb"))

    epochs_run: list[int] = []
    monkeypatch.setattr(Checkpoint, "on_epoch_end", lambda self, epoch, logs=None: epochs_run.append(epoch))
    run = fit(replace(plain, resume=True))
    rows = read_history(settings.out / "history.csv")
    assert epochs_run == [2, 3]
    assert rows[: len(kept)] == kept
    assert [row["epoch"] for row in rows] == list(range(1, len(kept) + 3))
    # The cosine schedule continued to its end, so the optimizer state was restored.
    assert rows[-1]["learning_rate"] < 1e-4
    assert run.configuration.epochs == plain.epochs
    assert sorted(path.name for path in settings.out.iterdir()) == FINISHED


@pytest.mark.long
def test_applies_weight_decay_to_the_head(settings: FitSettings, tmp_path: Path) -> None:
    sizes = []
    for decay in (0.0, 20.0):
        out = tmp_path / f"decay-{decay}"
        run = fit(replace(settings, out=out, weight_decay=decay, epochs=10, schedule="constant"))
        assert run.configuration.weight_decay == decay
        kernel, _ = keras.saving.load_model(out / "model.keras", compile=False).get_layer("scores").get_weights()
        sizes.append(np.abs(kernel).mean())
    assert sizes[1] < 0.8 * sizes[0]


@pytest.mark.long
def test_a_linear_head_starts_without_random_weights(settings: FitSettings) -> None:
    fit(replace(settings, learning_rate=1e-7, scale_features=False))
    model = keras.saving.load_model(settings.out / "model.keras", compile=False)
    for weights in model.get_layer("scores").get_weights():
        assert np.abs(weights).max() < 1e-4  # random initial weights would still be visible


def test_a_full_disk_is_reported_and_keeps_the_best_epoch(
    settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"cannot write .*run/head\.weights\.h5: No space left on device"):
        fit(replace(settings, augment=True, augment_copies=0))
    assert sorted(path.name for path in settings.out.iterdir()) == ["begun.json", "history.csv", "model.keras"]


def test_reuses_cached_features(settings: FitSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(train_loop, "_fit_head", die)
        with pytest.raises(KilledError):
            fit(settings)
    monkeypatch.setattr(train_loop, "predict", die)
    assert fit(replace(settings, resume=True)).best_epoch > 0


def test_the_paper_baseline_recipe(textures: Path, tmp_path: Path, random_weights: Path) -> None:
    usual = tiny_fit(textures, tmp_path / "run", weights=str(random_weights), cut="conv_pw_5_relu")
    run = fit(as_paper_baseline(replace(usual, optimizer="adamw", loss="focal", label_smoothing=0.1, augment=True)))
    assert (run.configuration.optimizer, run.configuration.loss) == ("adam", "crossentropy")
    assert run.configuration.title == "mobilenet 0.25 conv_pw_5_relu"
    model = keras.saving.load_model(tmp_path / "run" / "model.keras", compile=False)
    assert [type(layer).__name__ for layer in model.layers[-5:]] == [
        "AveragePooling2D",
        "Flatten",
        "Dense",
        "Dropout",
        "Dense",
    ]
    assert model.get_layer("pool").output.shape == (None, 1, 1, 64)
    assert model.get_layer("hidden").units == 512
    assert {row["learning_rate"] for row in read_history(tmp_path / "run" / "history.csv")} == {0.001}


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"task": "multilabel", "loss": "focal", "best_by": "val_macro_f1"},
        {"task": "multilabel", "label_smoothing": 0.1, "schedule": "plateau"},
        {"loss": "focal", "optimizer": "adamw", "class_weights": True, "label_smoothing": 0.1},
    ],
)
def test_other_tasks_losses_and_optimizers_learn(settings: FitSettings, changes: dict[str, Any]) -> None:
    fit(replace(settings, epochs=20, learning_rate=0.02, dropout=0.0, **changes))
    rows = read_history(settings.out / "history.csv")
    assert rows[-1]["val_loss"] < 0.8 * rows[0]["val_loss"]
    model = keras.saving.load_model(settings.out / "model.keras", compile=False)
    assert model.get_layer("scores").activation.__name__ == ("sigmoid" if "task" in changes else "softmax")


def test_a_fit_of_an_older_version_is_resumed_with_the_maps_that_it_had(
    settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(train_loop, "save_model", die)
        with pytest.raises(KilledError):
            fit(replace(settings, maps="last", novelty_false_alarms=None))
    run = fit(replace(settings, resume=True, novelty_false_alarms=None))
    assert run.configuration.maps == "last"
