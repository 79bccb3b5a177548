"""Data sets with annotations in the formats of labelling tools."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.training.datasets.habits.files import SIDE_PX, pictures, two_classes, voc, write


def voc_in_subfolders(root: Path) -> None:
    two_classes(root)
    write(root / "Annotations" / "pits" / "1.xml", voc())
    write(root / "Annotations" / "rust" / "3.XML", voc(label="rust", box=f"1 1 {SIDE_PX + 1} 9"))


def voc_next_to_images(root: Path) -> None:
    two_classes(root)
    write(root / "pits" / "1.xml", voc())
    write(root / "rust" / "3.xml", voc(label="rust"))


def voc_with_problems(root: Path) -> None:
    two_classes(root)
    files = {"1": voc(size="0 0"), "2": voc(box="1 1 1e999 3"), "3": voc(label="rsut"), "4": voc(size="48 48")}
    for name, text in files.items():
        write(root / "xml" / f"{name}.xml", text)


def an_empty_annotation_folder(root: Path) -> None:
    two_classes(root)
    (root / "boxes").mkdir()


def annotations_of_other_images(root: Path) -> None:
    two_classes(root)
    write(root / "boxes" / "classes.txt", "pits\nrust\n")
    write(root / "boxes" / "frame_9.txt", "0 0.5 0.5 0.5 0.5\n")


def coco(root: Path) -> None:
    two_classes(root)
    names = ["pits/1.png", "pits/2.png", "rust/3.png", "elsewhere/9.png"]
    sizes = {"width": SIDE_PX, "height": SIDE_PX}
    runs = {"size": [SIDE_PX, SIDE_PX], "counts": [9, 9, SIDE_PX**2 - 18]}
    content = {
        "images": [{"id": at, "file_name": name, **sizes} for at, name in enumerate(names)],
        "categories": [{"id": 1, "name": "pits"}, {"id": 2, "name": "rust"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
            {"id": 3, "image_id": 2, "category_id": 2, "segmentation": runs},
        ],
    }
    write(root / "annotations" / "instances_default.json", json.dumps(content))


def yolo(root: Path) -> None:
    pictures(root, "images/pits_1.png", "images/pits_2.png", "images/rust_3.png")
    write(root / "data.yaml", "train: images\nnc: 2\nnames: ['pits', 'rust']\n")
    write(root / "labels" / "pits_1.txt", "0 0.5 0.5 0.25 0.25\n0 0.1 0.1 0.1 0.1\n")
    write(root / "labels" / "pits_2.txt", "")
    write(root / "labels" / "rust_3.txt", "1 0.1 0.1 0.9 0.1 0.9 0.9\n")


def label_studio(root: Path) -> None:
    two_classes(root)
    region = {
        "type": "rectanglelabels",
        "original_width": SIDE_PX,
        "original_height": SIDE_PX,
        "image_rotation": 0,
        "value": {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["pits"]},
    }
    tasks = [
        {"id": 1, "data": {"image": "/data/upload/1/00112233-1.png"}, "annotations": [{"result": [region]}]},
        {"id": 2, "data": {"image": "/data/upload/1/44556677-3.png"}, "annotations": []},
    ]
    write(root / "project-1-at-2026-11-29.json", json.dumps(tasks))


def labelme(root: Path) -> None:
    two_classes(root)
    shape = {"label": "pits", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    content = {"imagePath": "1.png", "shapes": [shape], "imageWidth": SIDE_PX, "imageHeight": SIDE_PX}
    write(root / "pits" / "1.json", json.dumps(content))


def two_annotation_formats(root: Path) -> None:
    yolo(root)
    write(root / "xml" / "pits_1.xml", voc())


def cvat(root: Path) -> None:
    two_classes(root)
    sizes = f'width="{SIDE_PX}" height="{SIDE_PX}"'
    box = '<box label="pits" xtl="1" ytl="2" xbr="5" ybr="6"/>'
    mask_ = '<mask label="rust" rle="1, 3" left="4" top="3" width="2" height="2"/>'
    images = f'<image id="0" name="pits/1.png" {sizes}>{box}</image><image id="1" name="3.png" {sizes}>{mask_}</image>'
    write(root / "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")


def cvat_without_extent(root: Path) -> None:
    two_classes(root)
    image = f'<image id="0" name="pits/1.png" width="{SIDE_PX}" height="{SIDE_PX}">'
    write(root / "annotations.xml", f'<annotations>{image}<points label="pits" points="1,1"/></image></annotations>')


def choices_of_label_studio(root: Path) -> None:
    pictures(root, "frame a.png", "frame b.png")
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/local-files/?d=frame%20{name}.png"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": [label]}}]}],
        }
        for number, (name, label) in enumerate((("a", "pits"), ("b", "clean")))
    ]
    write(root / "project-2.json", json.dumps(tasks))


def index_masks(path: Path) -> None:
    pixels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    pixels[4:9, 4:9], pixels[12:16, 12:20] = 1, 2
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def masks_with_classes(root: Path) -> None:
    pictures(root, "train/a.jpg", "train/b.jpg")
    index_masks(root / "train" / "a_mask.png")
    cv2.imwrite(str(root / "train" / "b_mask.png"), np.zeros((SIDE_PX, SIDE_PX), np.uint8))
    write(root / "train" / "_classes.csv", "Pixel Value, Class\n0, background\n1, pits\n2, rust\n")


def masks_with_unnamed_classes(root: Path) -> None:
    two_classes(root)
    index_masks(root / "masks" / "1.png")


def yolo_with_rotated_boxes(root: Path) -> None:
    two_classes(root)
    write(root / "data.yaml", "path: ../data\ntrain: images\nval: images\nnames: {0: pits, 1: 'rust'}\n")
    write(root / "labels" / "1.txt", "0 0.2 0.1 0.5 0.2 0.4 0.6 0.1 0.5\n")
