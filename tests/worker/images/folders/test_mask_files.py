from pathlib import Path

import pytest

from stripwatch.worker.images.folders.mask_files import annotation_folder, find_masks

ROOT = Path("data")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("bottle/test/broken/000.png", "bottle/ground_truth/broken/000_mask.png"),  # MVTec AD
        ("breakfast/test/logical/000.png", "breakfast/ground_truth/logical/000/000.png"),  # MVTec LOCO
        ("train/10000.png", "train/10000_GT.png"),  # KolektorSDD2
        ("kos01/Part0.jpg", "kos01/Part0_label.bmp"),  # KolektorSDD
        ("JPEGImages/2007_000032.jpg", "SegmentationClass/2007_000032.png"),  # Pascal VOC
        ("Class1/Train/0576.PNG", "Class1/Train/Label/0576_label.PNG"),  # DAGM 2007
        ("Images/Anomaly/000.JPG", "Masks/Anomaly/000.png"),  # VisA
    ],
)
def test_finds_the_masks_of_public_data_sets(image: str, mask: str) -> None:
    assert find_masks(ROOT, [ROOT / image, ROOT / mask]) == [ROOT / mask]


@pytest.mark.parametrize(
    "names",
    [
        ["pits/a.png", "rust/a.png"],
        ["pits/a_mask.png", "rust/a.png"],  # beside an image of another folder only
        ["pits/a.png", "masks/b.png"],
        ["pits/a.png", "masks/a.jpg"],  # a mask is not compressed with loss
        ["label.png", "labelled_1.png"],
        ["masks/a.png", "masks/a_mask.png"],
    ],
)
def test_other_files_are_images(names: list[str]) -> None:
    assert find_masks(ROOT, [ROOT / name for name in names]) == []


def test_names_the_first_folder_that_is_named_like_annotations() -> None:
    assert annotation_folder(ROOT, ROOT / "x" / "Labels" / "masks") == ROOT / "x" / "Labels"
    assert annotation_folder(ROOT, ROOT / "pits") is None
    assert annotation_folder(ROOT / "masks", ROOT / "masks" / "pits") is None
