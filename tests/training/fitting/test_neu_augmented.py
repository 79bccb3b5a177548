"""Augmented training on real photographs, with the default options."""

from dataclasses import replace
from pathlib import Path

import pytest

from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings

pytestmark = [pytest.mark.training, pytest.mark.long]


def test_augmented_training_stays_within_one_point_of_plain_training(shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    usual = FitSettings(
        shared / "data" / "neu-det",
        tmp_path,
        "mobilenet",
        alpha=0.25,
        weights=str(weights),
        height_px=160,
        width_px=160,
        epochs=6,
        cache=tmp_path / "cache",
        novelty_false_alarms=None,
        seed=11,
    )
    plain, augmented = (
        fit(replace(usual, out=tmp_path / changes, copy_changes=changes)).validation.accuracy
        for changes in ("none", "mild")
    )
    assert plain >= 0.97
    assert augmented >= plain - 0.01
