"""Files of small data sets."""

from pathlib import Path

import cv2
import numpy as np

SIDE_PX = 24


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *path.as_posix().encode()[-20:]]).integers(0, 255, (SIDE_PX, SIDE_PX))
    cv2.imwrite(str(path), pixels.astype(np.uint8))


def mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    pixels[4:12, 8:20] = 255
    cv2.imwrite(str(path), pixels)


def pictures(root: Path, *names: str) -> None:
    for name in names:
        picture(root / name)


def masks(root: Path, *names: str) -> None:
    for name in names:
        mask(root / name)


def plain_files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def two_classes(root: Path) -> None:
    pictures(root, "pits/1.png", "pits/2.png", "rust/3.png", "rust/4.png")


def voc(box: str = "2 3 4 5", label: str = "pits", size: str = f"{SIDE_PX} {SIDE_PX}") -> str:
    sides = "".join(f"<{name}>{value}</{name}>" for name, value in zip(("width", "height"), size.split(), strict=True))
    names = ("xmin", "ymin", "xmax", "ymax")
    corners = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, box.split(), strict=True))
    return (
        f"<annotation><size>{sides}</size><object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>"
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
