from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.progress import Progress

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import find_backbone, load_model
from stripwatch.export.runs.run_folder import Run, read_run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.training.novelty import run_features as module
from stripwatch.training.novelty.run_features import CopyReader, FrameFolder, run_features
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def model(fitted_run: Path) -> keras.Model:
    return load_model(fitted_run)


@pytest.fixture
def run(fitted_run: Path) -> Run:
    return read_run(fitted_run)


def folder_of(run: Run, frames: int = 5) -> FrameFolder:
    return FrameFolder(Path(run.data), run.split.validation[:frames], run.decode)


def test_features_are_means_of_the_maps(model: keras.Model, run: Run) -> None:
    taps, folder = choose_taps(find_backbone(model)), folder_of(run)
    found = run_features(model, "gap", taps, folder, None, Progress(disable=True))
    pixels = read_pixels(folder.root, folder.frames, folder.decode)
    _, *maps = with_taps(model, taps.names).predict(pixels, verbose=0)
    for features, layer in zip(found.taps, maps, strict=True):
        np.testing.assert_allclose(features[:, : layer.shape[-1]], layer.mean(axis=(1, 2)), atol=1e-4)
    kernel, bias = model.get_layer("scores").get_weights()
    logits = found.head @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(pixels, verbose=0), expected, atol=1e-4)


def test_the_cache_is_shared_by_heads_and_not_by_backbones(
    model: keras.Model, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taps, folder = choose_taps(find_backbone(model)), folder_of(run)
    first = run_features(model, "gap", taps, folder, tmp_path / "cache", Progress(disable=True))
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    scores = other.get_layer("scores")
    scores.set_weights([np.zeros_like(each) for each in scores.get_weights()])

    def refuse(*_: object) -> None:
        raise AssertionError("the frames were read again")

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_pixels", refuse)
        again = run_features(other, "gap", taps, folder, tmp_path / "cache", Progress(disable=True))
        np.testing.assert_array_equal(again.head, first.head)
        with pytest.raises(AssertionError):  # other frames
            run_features(model, "gap", taps, folder_of(run, 4), tmp_path / "cache", Progress(disable=True))
        find_backbone(other).set_weights([each * 1.01 for each in find_backbone(other).get_weights()])
        with pytest.raises(AssertionError):
            run_features(other, "gap", taps, folder, tmp_path / "cache", Progress(disable=True))


def test_features_of_copies_are_those_of_the_changed_frames(model: keras.Model, run: Run, tmp_path: Path) -> None:
    taps, folder = choose_taps(find_backbone(model)), folder_of(run)
    asked: list[str] = []

    def invert(encoded: bytes, spec: DecodeSpec, name: str) -> Pixels:
        asked.append(name)
        return np.asarray(255 - decode(encoded, spec).pixels, np.uint8)

    usual = run_features(model, "gap", taps, folder, tmp_path, Progress(disable=True))
    reader = CopyReader(invert, "inverted")
    found = run_features(model, "gap", taps, replace(folder, copy=reader), tmp_path, Progress(disable=True))
    assert sorted(asked) == sorted(frame.name for frame in folder.frames)
    pixels = 255 - read_pixels(folder.root, folder.frames, folder.decode)
    _, *maps = with_taps(model, taps.names).predict(pixels, verbose=0)
    np.testing.assert_allclose(found.taps[0], maps[0].mean(axis=(1, 2)), rtol=1e-3)
    assert not np.allclose(found.taps[0], usual.taps[0], rtol=0.01, atol=0)
    assert len(list(tmp_path.iterdir())) == 2  # the copies are cached under another name


def test_names_a_damaged_cache_file(model: keras.Model, run: Run, tmp_path: Path) -> None:
    taps, folder = choose_taps(find_backbone(model)), folder_of(run)
    run_features(model, "gap", taps, folder, tmp_path, Progress(disable=True))
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=f"cannot read the features in {file} .*delete the file"):
        run_features(model, "gap", taps, folder, tmp_path, Progress(disable=True))
