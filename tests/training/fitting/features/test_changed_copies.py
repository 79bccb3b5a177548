"""Features of changed copies: the right rows, the same in every process, and shared by fits where that is possible."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.progress import Progress

from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.fitting.features import changed_copies
from stripwatch.training.fitting.features.changed_copies import (
    cache_copies,
    changed_taps,
    copy_seeds,
    marked_cells,
    with_copies,
)
from stripwatch.training.fitting.features.feature_cache import Features
from stripwatch.training.fitting.features.frame_features import CopyFiles
from stripwatch.training.preparation.augment import augment_frame, move_raster
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.training.stress.random_changes import changed_copy
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.trained_range import TrainedFrames

pytestmark = pytest.mark.training

SPEC = DecodeSpec(24, 32)
FRAMES = ["plain_1.png", "plain_2.png", "spots_1.png", "spots_2.png", "stripes_1.png", "stripes_2.png"]
BOX = LabelledBox("spots", 0, 0, 40, 30)


def prepared(folder: Path, train: Sequence[int]) -> PreparedData:
    """Return six frames, of which `train` are for training, in this order."""
    frames = [SplitFrame(name, name.partition("_")[0], "") for name in FRAMES]
    validation = [at for at in range(len(FRAMES)) if at not in train]
    marks = Annotations(96, 96, (BOX,))

    def subset(at: Sequence[int]) -> Subset:
        targets = np.ones((len(at), 1), np.float32)
        return Subset([folder / FRAMES[each] for each in at], targets, ["spots"], [marks] * len(at))

    split = Split([frames[at] for at in train], [frames[at] for at in validation])
    trained = TrainedFrames.of([(96, 96)])
    return PreparedData(SPEC, split, subset(train), subset(validation), trained, list(range(len(train))))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Return a model whose features identify a frame: its pixels."""
    frames = keras.Input(SPEC.shape, dtype="uint8")
    return keras.Model(frames, keras.layers.Flatten()(keras.ops.cast(frames, "float32")))


def rows(files: CopyFiles, model: keras.Model, data: PreparedData) -> Features:
    with Progress(disable=True) as progress:
        cache_copies(files, model, data, progress)
    return with_copies(np.zeros((len(data.train.files), *model.output_shape[1:]), np.float32), files, data)


@pytest.mark.parametrize("shared", [True, False])
def test_rows_are_the_features_of_the_changed_frames(
    textures: Path, tmp_path: Path, model: keras.Model, shared: bool
) -> None:
    data = prepared(textures, [4, 0, 3])
    files = CopyFiles.of(tmp_path / "features-a.npy", 2, seed=7, shared=shared)
    found = rows(files, model, data)
    expected = [np.zeros_like(found[0])] * 3
    for copy in range(2):
        for file, seed in zip(data.train.files, copy_seeds(data.split.train, 7, copy), strict=True):
            changed = augment_frame(tf.constant(decode(file.read_bytes(), SPEC).pixels), seed)
            expected.append(changed.numpy().ravel().astype(np.float32))
    np.testing.assert_array_equal(found, np.stack(expected))
    assert len({row.tobytes() for row in found[3:]}) == 6  # each copy of each frame differs


@pytest.mark.parametrize("shared", [True, False])
def test_strong_changes_act_on_the_frame_of_the_camera_and_need_no_seed(
    textures: Path, tmp_path: Path, model: keras.Model, shared: bool
) -> None:
    data = prepared(textures, [4, 0, 3])
    files = CopyFiles.strong_of(tmp_path / "features-a.npy", 2, shared, taps=None)
    found = rows(files, model, data)[3:]
    names = [frame.name for frame in data.split.train]
    for row, (copy, at) in zip(found, [(copy, at) for copy in range(2) for at in range(3)], strict=True):
        changed = changed_copy(data.train.files[at].read_bytes(), SPEC, names[at], copy)
        np.testing.assert_array_equal(row, changed.ravel().astype(np.float32))
    assert changed_taps(files, data) is None
    mild = CopyFiles.of(tmp_path / "features-a.npy", 2, 0, shared)
    assert not set(files.paths) & set(mild.paths)


def test_fits_with_other_splits_share_files(
    textures: Path, tmp_path: Path, model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = CopyFiles.of(tmp_path / "features-a.npy", 2, seed=7, shared=True)
    first = rows(files, model, prepared(textures, [4, 0, 3]))
    monkeypatch.setattr(changed_copies, "write_features", None)  # nothing is computed again
    second = rows(files, model, prepared(textures, [1, 3, 5]))
    np.testing.assert_array_equal(first[5::3], second[4::3])  # the copies of frame 3


def test_file_names_differ_by_everything_the_features_depend_on(tmp_path: Path) -> None:
    head = tmp_path / "features-a.npy"
    variants = [(head, 1, True), (head, 2, True), (head, 1, False), (tmp_path / "features-b.npy", 1, True)]
    found = [path for file, seed, shared in variants for path in CopyFiles.of(file, 3, seed, shared).paths]
    assert len(set(found)) == len(found) == 12
    assert CopyFiles.of(head, 5, 1, True).paths[:3] == CopyFiles.of(head, 3, 1, True).paths
    assert all(path.name.startswith("features-") for path in found)  # so that a finished fit deletes them


def test_cell_targets_move_with_the_copies(textures: Path, tmp_path: Path) -> None:
    data = prepared(textures, [0, 3])
    files = CopyFiles.of(tmp_path / "features-a.npy", 2, seed=7, shared=False)
    found = marked_cells(data, data.train, lambda rasters: tf.cast(rasters, tf.float32), files)
    original = np.zeros((24, 32, 1), np.uint8)
    original[:8, :14] = 1  # the box, scaled from 96x96
    assert found.shape == (6, 24, 32, 1)
    assert np.abs(found[0] - original).mean() < 0.03
    for copy in range(2):
        for at, seed in enumerate(copy_seeds(data.split.train, 7, copy)):
            moved = move_raster(tf.constant(found[0]), seed).numpy()
            np.testing.assert_array_equal(found[2 + 2 * copy + at], moved)
