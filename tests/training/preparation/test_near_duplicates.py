import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.preparation.groups import connected_groups
from stripwatch.training.preparation.near_duplicates import THUMBNAIL, find_near_duplicates
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import Pixels

Change = Callable[[Pixels], Pixels]


def gamma(power: float) -> Change:
    table = np.asarray((255 * (np.arange(256) / 255) ** power).round(), np.uint8)
    return lambda picture: np.asarray(table[picture], np.uint8)


def encode(picture: Pixels, suffix: str = ".png", quality: int = 95) -> bytes:
    return bytes(cv2.imencode(suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else [])[1])


def thumbnail(encoded: bytes) -> Pixels:
    return decode(encoded, THUMBNAIL).pixels


def strips(shared: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((shared / "data" / "severstal" / "images").iterdir())}


def grey(encoded: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def half(picture: Pixels) -> Pixels:
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Change] = {
    "brighter": gamma(0.6),
    "darker": gamma(1.5),
    "compressed": lambda picture: grey(encode(picture, ".jpg", 40)),
    "half": half,
}


@pytest.mark.parametrize("change", CHANGES)
def test_finds_a_changed_copy_of_every_strip_and_nothing_else(shared: Path, change: str) -> None:
    found = list(strips(shared).values())
    copies = [encode(CHANGES[change](grey(strip))) for strip in found]
    pairs = find_near_duplicates([thumbnail(strip) for strip in found + copies])
    assert pairs == [(at, at + len(found)) for at in range(len(found))]


def test_the_brightened_strips_have_no_originals_in_the_data_set(shared: Path) -> None:
    """manifest.csv marks 14 strips as brightened copies, but their originals are not among the 47 strips."""
    with (shared / "data" / "severstal" / "manifest.csv").open(newline="") as file:
        brightened = [row["ImageId"] for row in csv.DictReader(file) if "brightened copy" in row["note"]]
    assert len(brightened) == 14
    assert find_near_duplicates([thumbnail(strip) for strip in strips(shared).values()]) == []


def test_neu_contains_one_duplicate_photograph(shared: Path) -> None:
    files = sorted((shared / "data" / "neu-det" / "images").iterdir())
    pairs = find_near_duplicates([thumbnail(path.read_bytes()) for path in files])
    assert [(files[a].name, files[b].name) for a, b in pairs] == [("patches_101.jpg", "patches_105.jpg")]


def test_uniform_pictures_are_not_near_duplicates() -> None:
    flat = [np.full((64, 64, 1), value, np.uint8) for value in (0, 100, 100)]
    assert find_near_duplicates(flat) == []


def test_groups_are_connected_components() -> None:
    assert connected_groups(6, [(0, 3), (3, 5), (1, 2)]) == [0, 1, 1, 0, 2, 0]
    assert connected_groups(2, []) == [0, 1]
