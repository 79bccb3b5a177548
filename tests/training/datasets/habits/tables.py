"""Data sets that are described by a table."""

from pathlib import Path

import cv2
import numpy as np

from tests.training.datasets.habits.files import picture, two_classes

SEVERSTAL_PX = (256, 1600)


def strip(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(SEVERSTAL_PX, value, np.uint8)
    pixels[100:150, value * 5 :][:, :300] = 255 - value
    cv2.imwrite(str(path), pixels)


def severstal(root: Path, *lines: str) -> None:
    for value, name in ((10, "a"), (60, "b"), (200, "c")):
        strip(root / "train_images" / f"{name}.jpg", value)
    (root / "train.csv").write_text("\n".join(lines) + "\n")


def severstal_with_an_index(root: Path) -> None:
    severstal(root, ",ImageId,ClassId,EncodedPixels", "0,a.jpg,1,1 3", "1,a.jpg,3,9 9", "2,b.jpg,4,5 6")


def severstal_in_another_order(root: Path) -> None:
    severstal(root, "EncodedPixels;ClassId;ImageId;defects", "1 3;1.0;a.jpg;2", "9 9;3.0;a.jpg;2", "5 6;4.0;b.jpg;1")


def severstal_with_clean_rows(root: Path) -> None:
    rows = ["a.jpg,1,1 3", "a.jpg,3,9 9", "a.jpg,2,nan", "b.jpg,4,5 6", "b.jpg,,", "c.jpg,0,", "c.jpg,nan,NaN"]
    severstal(root, "ImageId,ClassId,EncodedPixels", *rows)


def severstal_with_problems(root: Path) -> None:
    rows = [
        "a.jpg,1,1 3",
        "z.jpg,1,1 3",
        "a.jpg,7,1 3",
        "b.jpg,0,1 3",
        "c.jpg,1,3",
        "c.jpg,2,409600 9",
        "c.jpg,3,9 9 1 1",
    ]
    severstal(root, "ImageId,ClassId,EncodedPixels", *rows)


def manifest(root: Path, *lines: str) -> None:
    two_classes(root)
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")


def a_quoted_header(root: Path) -> None:
    manifest(root, '"file"x,label', "pits/1.png,pits")


def a_column_twice(root: Path) -> None:
    manifest(root, "file,label,label", "pits/1.png,pits,rust")


def rows(form: str = "{}/{}.png,{}") -> list[str]:
    return [form.format(label, at, label) for label, at in (("pits", 1), ("pits", 2), ("rust", 3), ("rust", 4))]


def names_without_folders(root: Path) -> None:
    manifest(root, "file,label", "1.png,pits", "pits/2.PNG,pits", "rust\\3.png,rust", "pits/4.png,rust")


def absolute_paths(root: Path) -> None:
    manifest(root, "file,label", f"{root}/pits/1.png,pits", "C:\\data\\pits\\2.png,pits", "/elsewhere/9.png,rust")


def empty_rows_of_excel(root: Path) -> None:
    manifest(root, "file;label;coil", *rows("{}/{}.png;{};"), ";;", ";;;;", "")


def rows_with_two_labels(root: Path) -> None:
    manifest(root, "file,label", *rows(), "pits/1.png,rust", "pits/2.png,pits")


def a_table_with_another_name(root: Path) -> None:
    for at in range(3):
        picture(root / "img" / f"{at}.png")
    (root / "labels.csv").write_text("file,label\nimg/0.png,pits\nimg/1.png,rust\n")


def a_spreadsheet(root: Path) -> None:
    for at in range(3):
        picture(root / f"frame {at}.png")
    (root / "labels.xlsx").write_bytes(b"PK")


def missing_files(root: Path) -> None:
    manifest(root, "file,label", "pits/1.png,pits", "a" * 300 + ".png,rust", "gone.png,rust", "../1.png,rust")
