"""A tiny data set and runs fitted on it once per session, shared by the training and export tests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Configuration

if TYPE_CHECKING:
    from stripwatch.training.fitting.fit_settings import FitSettings

LABELS = ["plain", "spots", "stripes"]
FRAMES_A_LABEL = 20
FRAME_PX = 96
INPUT_PX = 64  # smaller than a frame, so that decoding shrinks it; gives 2x2 cells at the end of MobileNet


def write_textures(
    folder: Path, frames_a_label: int = FRAMES_A_LABEL, labels: Sequence[str] = LABELS, seed: int = 7
) -> None:
    """Images of classes of noisy surface, named CLASS_NUMBER.png."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for label in labels:
        for number in range(1, frames_a_label + 1):
            cv2.imwrite(str(folder / f"{label}_{number}.png"), _texture(label, rng))


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "textures"
    if not folder.exists():  # two conftest files import this fixture
        write_textures(folder)
    return folder


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file like a downloaded one, but with random weights, which are enough to distinguish textures."""
    import keras

    from stripwatch.training.networks.backbone import build_backbone
    from stripwatch.training.networks.catalog import find_network

    path = tmp_path_factory.getbasetemp() / "random.weights.h5"
    if not path.exists():
        keras.utils.set_random_seed(5)
        build_backbone(find_network("mobilenet"), (INPUT_PX, INPUT_PX, 3), 0.25, "none").save_weights(path)
    return path


@pytest.fixture(scope="session")
def fitted_run(tmp_path_factory: pytest.TempPathFactory, textures: Path, random_weights: Path) -> Path:
    """The folder of a finished run that is correct on most validation frames, including some of each label."""
    import keras

    from stripwatch.training.fitting.fit import fit

    folder = tmp_path_factory.getbasetemp() / "fitted"
    if not folder.exists():
        keras.backend.clear_session()  # names of operations must not depend on the tests that ran before
        settings = tiny_fit(textures, folder, weights=str(random_weights), seed=3, val_share=0.25)
        fit(replace(settings, epochs=60, learning_rate=0.1, dropout=0.0, clean_label="plain"))
    return folder


@pytest.fixture(scope="session")
def learned_run(tmp_path_factory: pytest.TempPathFactory, textures: Path) -> Path:
    """The folder of a run that fitted every layer, so that its features depend on training. It has no detector."""
    from stripwatch.training.fitting.fit import fit

    folder = tmp_path_factory.getbasetemp() / "learned"
    if not folder.exists():
        settings = tiny_fit(textures, folder, weights="none", cut="conv_pw_7_relu", seed=3, val_share=0.25)
        fit(
            replace(
                settings, epochs=25, learning_rate=0.005, dropout=0.0, clean_label="plain", novelty_false_alarms=None
            )
        )
    return folder


def tiny_fit(data: Path, out: Path, **changes: Any) -> "FitSettings":
    """Return the settings of a fit that takes seconds."""
    from stripwatch.training.fitting.fit_settings import FitSettings

    usual = FitSettings(data, out, "mobilenet", alpha=0.25, height_px=INPUT_PX, width_px=INPUT_PX, epochs=2, batch=8)
    return replace(replace(usual, copy_changes="none"), **changes)


def tiny_configuration(**changes: Any) -> Configuration:
    """Return the settings of a fit of the head."""
    usual = Configuration(
        layout="prefix",
        network="mobilenet",
        alpha=0.25,
        weights="imagenet",
        frozen=True,
        head="gap",
        dropout=0.2,
        augment=False,
        epochs=2,
        batch=8,
        learning_rate=0.01,
        seed=0,
        val_share=0.2,
    )
    return msgspec.structs.replace(usual, **changes)


def _texture(label: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    surface = rng.normal(120, 10, (FRAME_PX, FRAME_PX))
    across = np.arange(FRAME_PX)
    if label == "stripes":
        surface += 70 * np.sin(across / rng.uniform(1.5, 3) + rng.uniform(0, 6))
    if label == "spots":
        for x, y in rng.integers(8, FRAME_PX - 8, (12, 2)):
            surface[y - 6 : y + 6, x - 6 : x + 6] -= 70
    return np.asarray(surface.clip(0, 255), np.uint8)
