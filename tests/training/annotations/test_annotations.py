from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.annotations.annotations import (
    CLEAN,
    UNKNOWN,
    Annotations,
    annotations_sha256,
    rasterise,
)
from stripwatch.training.annotations.reading import read_annotations
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.datasets.formats.rle_masks import parse_runs
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError, InputError, SettingsError

SAMPLES = [Sample("pits_1.png", ("pits",)), Sample("scratch_1.png", ("scratch",))]
LINE = '{"file": "pits_1.png", "label": "pits", "width_px": 20, "height_px": 10, "boxes": [%s]}\n'


def dataset(root: Path, layout: str = "prefix") -> DataSet:
    return DataSet(root, SAMPLES, ["pits", "scratch"], layout)


def marks(*boxes: LabelledBox) -> Annotations:
    return Annotations(10, 20, boxes)


def test_boxes_and_masks_form_one_mask_per_label() -> None:
    both = Annotations(10, 20, (LabelledBox("pits", 0, 0, 2, 3),), {"pits": parse_runs("195 6", 10, 20, "")})
    mask = both.mask("pits")
    assert mask[:3, :2].all()
    assert mask[4:, 19].all()
    assert mask.sum() == 6 + 6
    assert both.labels == {"pits"}
    assert not both.mask("scratch").any()


def test_each_connected_part_of_a_mask_has_a_rectangle() -> None:
    masked = Annotations(10, 20, masks={"pits": parse_runs("1 2 11 2 195 6", 10, 20, "")})
    assert masked.rectangles("pits") == [LabelledBox("pits", 0, 0, 2, 2), LabelledBox("pits", 19, 4, 20, 10)]
    assert marks(LabelledBox("pits", 1, 2, 3, 4)).rectangles("scratch") == []


def test_a_raster_has_one_channel_per_label_at_the_input_size() -> None:
    raster = rasterise(marks(LabelledBox("scratch", 10, 0, 20, 5)), ["pits", "scratch"], 20, 20)
    assert raster.shape == (20, 20, 2)
    assert not raster[..., 0].any()
    expected = np.zeros((20, 20), np.uint8)
    expected[:10, 10:] = 1
    np.testing.assert_array_equal(raster[..., 1], expected)


def test_clean_images_are_empty_and_unannotated_ones_unknown() -> None:
    assert not rasterise(CLEAN, ["pits"], 8, 8).any()
    assert (rasterise(None, ["pits"], 8, 8) == UNKNOWN).all()


def test_reads_boxes_from_lines_of_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text(LINE % '{"x": 1, "y": 2, "width": 3, "height": 4}')
    found = read_annotations(dataset(tmp_path), path).marks
    assert found == {"pits_1.png": marks(LabelledBox("pits", 1, 2, 4, 6))}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            LINE % '{"x": 18, "y": 2, "width": 4, "height": 4}',
            "line 1: a box of 'pits' is outside the image of 20x10",
        ),
        (LINE.replace("pits_1", "pits_9") % "", r"line 1: the data set has no image named pits_9\.png"),
        (LINE.replace('"label": "pits"', '"label": 3') % "", r"line 1 is not a valid line of truth\.jsonl: .*label"),
        ("{", "line 1 is not a valid line"),
        (LINE.replace('"label": "pits"', '"label": "rust"') % '{"x": 1, "y": 2, "width": 3, "height": 4}', "'rust'"),
    ],
)
def test_names_a_malformed_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text(line)
    with pytest.raises(DataError, match=f"truth.jsonl.*{message}"):
        read_annotations(dataset(tmp_path), path)


def test_requires_boxes_if_there_are_no_masks(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--boxes is missing"):
        read_annotations(dataset(tmp_path), None)
    with pytest.raises(InputError, match="no such folder or file"):
        read_annotations(dataset(tmp_path), tmp_path / "nowhere")


def test_reads_the_masks_of_severstal(tmp_path: Path) -> None:
    (tmp_path / "train_images").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "train_images" / f"{name}.jpg"), np.zeros((256, 1600), np.uint8))
    (tmp_path / "train.csv").write_text("ImageId_ClassId,EncodedPixels\na.jpg_3,1 256\n")
    found = read_annotations(DataSet(tmp_path, SAMPLES, ["defect_3"], "severstal"), None).marks
    assert found["train_images/a.jpg"].rectangles("defect_3") == [LabelledBox("defect_3", 0, 0, 1, 256)]
    assert found["train_images/b.jpg"].labels == set()


def test_the_digest_depends_on_every_annotation() -> None:
    one = {"a": marks(LabelledBox("pits", 1, 2, 3, 4)), "b": CLEAN}
    assert annotations_sha256(one) == annotations_sha256(dict(reversed(one.items())))
    assert annotations_sha256(one) != annotations_sha256(one | {"a": marks(LabelledBox("pits", 1, 2, 3, 5))})
    assert annotations_sha256(one) != annotations_sha256(
        one | {"b": Annotations(1, 1, masks={"pits": parse_runs("1 1", 1, 1, "")})}
    )
