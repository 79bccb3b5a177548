from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.preparation.prepared_data import PreparedData, SplitPlan, prepare_data, to_targets
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.trained_range import TrainedFrames
from tests.trained import FRAME_PX, LABELS, write_textures


def prepare_folder(folder: Path, seed: int = 0) -> PreparedData:
    return prepare_data(read_dataset(folder, "prefix"), DecodeSpec(32, 32), SplitPlan(0.25, seed), lambda: None)


def test_each_part_has_one_target_row_per_frame(textures: Path) -> None:
    material = prepare_folder(textures)
    for part, frames in ((material.train, material.split.train), (material.validation, material.split.validation)):
        assert [file.name for file in part.files] == [frame.name for frame in frames]
        assert [LABELS[at] for at in part.truth] == [frame.label for frame in frames]
        np.testing.assert_array_equal(part.targets.sum(axis=1), 1)


def test_identical_pictures_stay_in_one_part(tmp_path: Path) -> None:
    write_textures(tmp_path, 8)
    picture = decode((tmp_path / "spots_1.png").read_bytes(), DecodeSpec(96, 96)).pixels
    for number in (2, 3):  # different bytes, same pixels
        cv2.imwrite(str(tmp_path / f"spots_{number}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, number])
    same = {"spots_1.png", "spots_2.png", "spots_3.png"}
    for seed in range(5):
        validation = {frame.name for frame in prepare_folder(tmp_path, seed).split.validation}
        assert same <= validation or not same & validation


def test_the_digest_does_not_depend_on_the_split(textures: Path, tmp_path: Path) -> None:
    first, other = prepare_folder(textures, 1), prepare_folder(textures, 2)
    assert first.split != other.split
    assert first.data_sha256 == other.data_sha256
    write_textures(tmp_path, 5)
    assert prepare_folder(tmp_path).data_sha256 != first.data_sha256


def test_frames_of_one_coil_stay_in_one_part(tmp_path: Path) -> None:
    write_textures(tmp_path, 8)
    names = sorted(path.name for path in tmp_path.iterdir())
    rows = [f"{name},{name.split('_')[0]},coil {at % 6}" for at, name in enumerate(names)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,coil", *rows]))
    coil_of = {name: at % 6 for at, name in enumerate(names)}
    for seed in range(5):
        split = prepare_data(read_dataset(tmp_path), DecodeSpec(32, 32), SplitPlan(0.3, seed), lambda: None).split
        assert not {coil_of[f.name] for f in split.train} & {coil_of[f.name] for f in split.validation}


def test_an_image_with_two_labels_has_two_ones_in_its_row() -> None:
    np.testing.assert_array_equal(
        to_targets([("b", "c"), (), ("a",)], ["a", "b", "c"]), [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    )


def test_records_training_sizes_and_warns_of_other_validation_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_textures(tmp_path, 8)
    assert prepare_folder(tmp_path).trained == TrainedFrames.of([(FRAME_PX, FRAME_PX)] * 18)
    assert capsys.readouterr().err == ""
    split = prepare_folder(tmp_path).split
    for at, frame in enumerate(split.validation[:2]):
        pixels = decode((tmp_path / frame.name).read_bytes(), DecodeSpec(96, 300 + at)).pixels
        cv2.imwrite(str(tmp_path / frame.name), pixels)
    found = prepare_folder(tmp_path)
    assert [frame.name for frame in found.split.validation] == [frame.name for frame in split.validation]
    assert found.trained == TrainedFrames.of([(FRAME_PX, FRAME_PX)] * 18)
    assert "2 of 6 validation images differ in size from the training images" in capsys.readouterr().err
