from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.run_folder import Split
from stripwatch.training.fitting.features.scale_gate import choose_scale, possible_scales, refusal
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.trained_range import TrainedFrames

pytestmark = pytest.mark.training

SIDE_PX, INPUT_PX = 64, 16
SPEC = DecodeSpec(INPUT_PX, INPUT_PX, "grey")
FRAMES = 120


def subset(folder: Path, images: list[NDArray[np.uint8]], labels: list[int], suffix: str = ".jpg") -> Subset:
    folder.mkdir()
    files = [folder / f"{number}{suffix}" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        assert cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return Subset(files, np.eye(2, dtype=np.float32)[labels], ["a", "b"])


def prepared(train: Subset, validation: Subset, spec: DecodeSpec = SPEC, side_px: int = SIDE_PX) -> PreparedData:
    trained = TrainedFrames.of([(side_px, side_px)] * len(train.files))
    return PreparedData(spec, Split([], []), train, validation, trained, list(range(len(train.files))))


@pytest.fixture
def bright_and_dark(tmp_path: Path) -> PreparedData:
    """Classes that differ in brightness, which every scale preserves."""
    rng = np.random.default_rng(1)
    labels = [at % 2 for at in range(FRAMES)]
    images = [np.clip(rng.normal(90 + 60 * label, 20, (SIDE_PX, SIDE_PX)), 0, 255).astype(np.uint8) for label in labels]
    return prepared(subset(tmp_path / "t", images, labels), subset(tmp_path / "v", images, labels))


def pooled(network: keras.Layer) -> keras.Model:
    frames = keras.Input((INPUT_PX, INPUT_PX, 1), dtype="uint8")
    return keras.Model(frames, network(keras.ops.cast(frames, "float32")))


def choose(data: PreparedData, model: keras.Model) -> ScaleFacts:
    with Progress(disable=True) as progress:
        return choose_scale(model, data, possible_scales(data), "multiclass", 0, progress)


def test_offers_the_scales_that_leave_every_frame_as_large_as_the_input(bright_and_dark: PreparedData) -> None:
    assert possible_scales(bright_and_dark) == [4, 2]
    assert possible_scales(replace(bright_and_dark, spec=DecodeSpec(8, 8))) == [8, 4, 2]
    assert possible_scales(replace(bright_and_dark, spec=DecodeSpec(16, 40))) == []


def test_offers_no_scale_if_a_file_is_not_jpeg(bright_and_dark: PreparedData, tmp_path: Path) -> None:
    others = subset(tmp_path / "png", [np.zeros((SIDE_PX, SIDE_PX), np.uint8)], [0], ".png")
    assert possible_scales(replace(bright_and_dark, validation=others)) == []


def test_accepts_the_largest_scale_that_costs_nothing(bright_and_dark: PreparedData) -> None:
    facts = choose(bright_and_dark, pooled(keras.layers.GlobalAveragePooling2D()))
    assert (facts.scale, facts.frames, facts.wrong, len(facts.trials)) == (4, FRAMES, 0, 1)
    assert facts.trials[0].accepted
    assert facts.trials[0].wrong == 0
    assert facts.trials[0].decode_ratio > 0
    assert facts.text.startswith("on 120 validation frames, full: 0 wrong; /4: 0 wrong, log loss ")


def test_refuses_a_scale_that_loses_what_distinguishes_the_classes(tmp_path: Path) -> None:
    """The input is as large as the frames, so a smaller scale removes the fine pattern of class b for good."""
    rng = np.random.default_rng(2)
    labels = [at % 2 for at in range(FRAMES)]
    fine = np.indices((SIDE_PX, SIDE_PX)).sum(axis=0) % 2 * 2 - 1
    images = [
        np.clip(128 + label * 12 * fine + rng.normal(0, 6, fine.shape), 0, 255).astype(np.uint8) for label in labels
    ]
    spec = DecodeSpec(SIDE_PX, SIDE_PX, "grey")
    data = prepared(subset(tmp_path / "t", images, labels), subset(tmp_path / "v", images, labels), spec)
    frames = keras.Input((SIDE_PX, SIDE_PX, 1), dtype="uint8")
    pixels = keras.ops.cast(frames, "float32")
    steps = keras.ops.abs(pixels[:, :, 1:] - pixels[:, :, :-1])
    model = keras.Model(frames, keras.layers.GlobalAveragePooling2D()(steps))
    with Progress(disable=True) as progress:
        facts = choose_scale(model, data, [4, 2], "multiclass", 0, progress)
    assert (facts.scale, facts.wrong) == (1, 0)
    assert [(trial.scale, trial.accepted) for trial in facts.trials] == [(4, False), (2, False)]
    assert all(trial.loss_bound > 0.02 for trial in facts.trials)


def test_says_why_it_cannot_judge(bright_and_dark: PreparedData) -> None:
    assert refusal(bright_and_dark, "multiclass") == ""
    few = replace(bright_and_dark.validation, files=bright_and_dark.validation.files[:99])
    assert refusal(replace(bright_and_dark, validation=few), "multiclass") == (
        "that takes 100 validation images, and there are 99"
    )
    one_sided = replace(bright_and_dark.train, targets=np.array([[1, 0]] * FRAMES, np.float32))
    assert "a label is on none or on all" in refusal(replace(bright_and_dark, train=one_sided), "multiclass")
