from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.worker.common.errors import DataError
from tests.training.conftest import touch


def write(path: Path, pixels: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def mask() -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    pixels = np.zeros((64, 64), np.uint8)
    pixels[10:40, 16:56] = 255
    return pixels


def photograph() -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    return np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


@pytest.mark.parametrize("name", ["pits/1_mask.jpg", "pits/1_GT.JPG", "masks/1.jpg", "pits/1-label.jpeg"])
def test_masks_stored_with_losses_are_refused(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "pits/1.png", "rust/2.png")
    write(tmp_path / name, mask())
    with pytest.raises(DataError, match=r"looks like the mask of another image, but .* Export masks as PNG"):
        read_dataset(tmp_path)


def test_photographs_with_the_name_of_a_mask_and_files_without_an_image_are_images(tmp_path: Path) -> None:
    touch(tmp_path, "pits/1.png", "rust/2.png")
    write(tmp_path / "pits" / "1_label.jpg", photograph())
    write(tmp_path / "pits" / "3_mask.jpg", mask())
    assert len(read_dataset(tmp_path).samples) == 4
