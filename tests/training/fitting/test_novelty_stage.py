"""The novelty detector of a fit."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import find_backbone, load_model
from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.run_folder import file_sha256, read_run
from stripwatch.training.fitting.features import frame_features
from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.training.novelty.taps import choose_taps, with_pooled_taps
from stripwatch.worker.common.errors import SettingsError
from tests.trained import tiny_fit
from tests.training.conftest import run_cli

pytestmark = pytest.mark.training


@pytest.fixture
def settings(textures: Path, tmp_path: Path, random_weights: Path) -> FitSettings:
    return tiny_fit(textures, tmp_path / "run", weights=str(random_weights))


def share_above(folder: Path) -> float:
    """Return the share of validation frames above the threshold, computed with the files of the run folder."""
    run, model = read_run(folder), load_model(folder)
    assert run.novelty is not None
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    taps = choose_taps(find_backbone(model))
    columns = with_pooled_taps(model, taps).predict(pixels, verbose=0)[1]
    novelty = NoveltyDetector.read(folder / "novelty.npz").score(taps.split(columns))
    return float((novelty > run.novelty.threshold).mean())


def test_the_run_folder_has_the_detector_of_its_model(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    facts = run.novelty
    assert facts is not None
    assert (facts.false_alarm_rate, facts.frames) == (0.01, len(run.split.train))
    assert facts.sha256 == file_sha256(fitted_run / "novelty.npz")
    assert facts.method == "relative Mahalanobis distance of mean and deviation of feature maps"
    assert NoveltyDetector.read(fitted_run / "novelty.npz").taps == ("conv_pw_5_relu", "conv_pw_9_relu")
    assert share_above(fitted_run) == facts.validation_share


def test_a_detector_leaves_the_classifier_unchanged(settings: FitSettings, tmp_path: Path) -> None:
    runs = [fit(settings), fit(replace(settings, out=tmp_path / "without", novelty_false_alarms=None))]
    weights = [keras.saving.load_model(tmp_path / name / "model.keras").get_weights() for name in ("run", "without")]
    for pair in zip(*weights, strict=True):
        np.testing.assert_array_equal(*pair)
    assert runs[0].validation == runs[1].validation
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("run", "without")]
    assert histories[0] == histories[1]
    assert runs[1].novelty is None
    assert not (tmp_path / "without" / "novelty.npz").exists()


def test_a_lower_rate_of_false_alarms_gives_a_higher_threshold(settings: FitSettings, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    thresholds = []
    for rate in (0.4, 0.05):
        novelty = fit(replace(settings, out=tmp_path / f"{rate}", cache=cache, novelty_false_alarms=rate)).novelty
        assert novelty is not None
        thresholds.append(novelty.threshold)
    assert thresholds[0] < thresholds[1]


def test_features_of_taps_are_cached_with_those_of_the_head(
    settings: FitSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached, passes = replace(settings, cache=tmp_path / "cache"), []
    predicted = frame_features._predicted

    def count(*arguments: Any) -> Any:
        passes.append(len(arguments[0].outputs))
        return predicted(*arguments)

    monkeypatch.setattr(frame_features, "_predicted", count)
    first = fit(cached).novelty
    assert passes == [2]  # one pass computes both
    second = fit(replace(cached, out=tmp_path / "second")).novelty
    assert passes == [2]
    assert first == second
    for path in (tmp_path / "cache").glob("*-taps-*"):
        path.unlink()  # as left by an earlier version
    assert fit(replace(cached, out=tmp_path / "third")).novelty == first
    assert passes == [2, 2]
    fit(replace(cached, out=tmp_path / "fourth", novelty_false_alarms=None))
    assert passes == [2, 2]


def test_the_detector_learns_from_strongly_changed_copies(settings: FitSettings, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain = fit(replace(settings, cache=cache)).novelty
    run = fit(replace(settings, out=tmp_path / "strong", cache=cache, copy_changes="strong", augment_copies=2))
    assert plain is not None
    assert run.novelty is not None
    assert (plain.copies, run.novelty.copies) == (0, 2)
    assert (run.configuration.copy_changes, run.configuration.augment_copies) == ("strong", 2)
    assert run.novelty.threshold != plain.threshold
    classes = NoveltyDetector.read(tmp_path / "strong" / "novelty.npz").distance.constant
    assert len(classes) > len(run.labels)  # means of changed frames
    assert len(list(cache.glob("*-copy-*"))) == 4  # head and taps of two copies
    assert share_above(tmp_path / "strong") == run.novelty.validation_share


def test_augmented_frames_do_not_enter_the_detector(settings: FitSettings, tmp_path: Path) -> None:
    usual = fit(settings).novelty
    augmented = fit(replace(settings, out=tmp_path / "augmented", augment=True, epochs=1)).novelty
    assert usual is not None
    assert augmented is not None
    assert augmented.threshold == pytest.approx(usual.threshold, abs=1e-3)  # the backbone is the same


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"task": "multilabel"},
        {"decode": "grey"},
        {"fine_tune": 1, "fine_tune_rate": 0.01},
        {"head": "paper-baseline", "cut": "conv_pw_5_relu"},
        {"cut": "conv_pw_7_relu"},
        {"weights": "none"},
        {"keep": "last"},
    ],
)
def test_every_kind_of_fit_has_a_detector_of_the_saved_model(settings: FitSettings, changes: dict[str, Any]) -> None:
    facts = fit(replace(settings, **changes)).novelty
    assert facts is not None
    assert facts.validation_share == share_above(settings.out)


def few_textures(textures: Path, folder: Path, frames_a_label: int) -> Path:
    folder.mkdir()
    for number in range(1, frames_a_label + 1):
        for path in textures.glob(f"*_{number}.png"):
            shutil.copy(path, folder / path.name)
    return folder


def test_a_data_set_that_is_too_small_has_no_detector(
    settings: FitSettings, textures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit(replace(settings, data=few_textures(textures, tmp_path / "few", 6)))
    assert run.novelty is None
    assert not (settings.out / "novelty.npz").exists()
    assert read_run(settings.out) == run
    assert (
        "note: no novelty detector, because it needs at least 20 different training images" in capsys.readouterr().err
    )


def test_a_rate_that_needs_more_frames_is_reported(fitted_run: Path, settings: FitSettings, capsys: Any) -> None:
    fit(settings)
    text = " ".join(capsys.readouterr().err.split())
    assert "with fewer than 50 of each, the novelty detector misses many new kinds of defects" in text
    assert "48 training frames are too few for a novelty threshold with 1.00% false alarms" in text
    assert "expect up to 2.0% false alarms" in text


@pytest.mark.parametrize("rate", [0, -0.1, 0.5, 1, float("nan")])
def test_rejects_an_impossible_rate(settings: FitSettings, rate: float) -> None:
    with pytest.raises(SettingsError, match=r"--novelty-false-alarms .* must be greater than 0 and less than 0\.5"):
        fit(replace(settings, novelty_false_alarms=rate))
    assert not settings.out.exists()


def test_the_options_of_the_detector_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = ("--data", str(tmp_path), "--network", "mobilenet", "--out", str(tmp_path / "run"))
    code = run_cli(monkeypatch, "fit", *paths, "--no-novelty", "--novelty-false-alarms", "0.02")
    assert code == SettingsError.exit_code
    assert "--novelty-false-alarms has no effect with --no-novelty" in " ".join(capsys.readouterr().err.split())
