"""The colour of frames is measured for models that were trained on images without colour, and see grey."""

from pathlib import Path
from typing import Literal

import cv2
import msgspec
import numpy as np
import pytest

from stripwatch.worker.config.sections import FramesSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_model
from tests.frames import make_frame
from tests.tiny import TINY_REFERENCE, tiny_contract, write_bundle


def opened(folder: Path, manifest: Manifest, side_px_min: int = 8) -> LoadedModel:
    path = write_bundle(folder / "tiny.onnx", manifest)
    return load_model(
        Settings.model_construct(bundle=path, provider="cpu", frames=FramesSettings(side_px_min=side_px_min))
    )


def manifest_with(colour: int | None, decode: Literal["rgb", "grey"] = "grey") -> Manifest:
    known = tiny_contract()
    spec = msgspec.structs.replace(known.decode, colour=decode)
    return msgspec.structs.replace(known, decode=spec, reference=msgspec.structs.replace(TINY_REFERENCE, colour=colour))


@pytest.fixture
def rusty() -> np.ndarray:
    pixels = np.full((40, 64, 3), 120, np.uint8)
    pixels[8:24, 8:24] = (40, 70, 130)  # blue, green, red
    return pixels


def test_measures_files_and_raw_buffers(tmp_path: Path, rusty: np.ndarray) -> None:
    measure = opened(tmp_path, manifest_with(0)).measure_colour
    assert measure is not None
    assert measure(make_frame(0, cv2.imencode(".png", rusty)[1].tobytes())) == 90
    assert measure(make_frame(0, cv2.imencode(".jpg", rusty[..., 1])[1].tobytes())) == 0
    raw = make_frame(0, rusty.tobytes(), layout=RawLayout("BGR8", 64, 40))
    assert measure(raw) == 90


@pytest.mark.parametrize("colour", [None, 8, 100])
def test_measures_nothing_if_the_training_images_may_have_had_colour(tmp_path: Path, colour: int | None) -> None:
    assert opened(tmp_path, manifest_with(colour)).measure_colour is None


def test_a_frame_over_the_default_limits_is_measured_if_the_settings_allow_it(
    tmp_path: Path, rusty: np.ndarray
) -> None:
    small = rusty[:6, :40]
    measure = opened(tmp_path, manifest_with(0), side_px_min=4).measure_colour
    assert measure is not None
    assert measure(make_frame(0, cv2.imencode(".png", small)[1].tobytes())) == 0


def test_a_model_that_sees_colour_needs_no_check(tmp_path: Path) -> None:
    assert opened(tmp_path, manifest_with(0, "rgb")).measure_colour is None
