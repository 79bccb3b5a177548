"""Data sets in the layouts of public ones."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.training.datasets.habits.files import SIDE_PX, masks, picture, pictures, plain_files, voc, write


def mvtec(root: Path) -> None:
    pictures(root, "train/good/000.png", "train/good/001.png", "test/good/000.png")
    pictures(root, "test/broken_large/000.png", "test/contamination/000.png")
    masks(root, "ground_truth/broken_large/000_mask.png", "ground_truth/contamination/000_mask.png")
    plain_files(root, "license.txt", "readme.txt")


def mvtec_categories(root: Path) -> None:
    mvtec(root / "bottle")
    mvtec(root / "cable")


def kolektor_2(root: Path) -> None:
    pictures(root, "train/10000.png", "train/10001.png", "test/20000.png")
    masks(root, "train/10000_GT.png")
    for name in ("train/10001_GT.png", "test/20000_GT.png"):
        cv2.imwrite(str(root / name), np.zeros((SIDE_PX, SIDE_PX), np.uint8))


def kolektor_1(root: Path) -> None:
    pictures(root, "kos01/Part0.jpg", "kos02/Part1.jpg")
    masks(root, "kos01/Part0_label.bmp", "kos02/Part1_label.bmp")


def gc10_det(root: Path) -> None:
    pictures(root, "1/img_01_425391800_00003.jpg", "2/img_02_425501200_00018.jpg", "3/img_03_4402329000_00001.jpg")
    for name, label in (
        ("img_01_425391800_00003", "1_chongkong"),
        ("img_02_425501200_00018", "2_hanfeng"),
        ("img_03_4402329000_00001", "3_yueyawan"),
    ):
        write(root / "lable" / f"{name}.xml", voc(label=label))


def neu_det(root: Path) -> None:
    for part, number in (("train", 1), ("validation", 241)):
        for label in ("crazing", "rolled-in_scale"):
            picture(root / part / "images" / label / f"{label}_{number}.jpg")
            write(root / part / "annotations" / f"{label}_{number}.xml", voc(label=label))


def x_sdd(root: Path) -> None:
    pictures(root, "finishing roll printing/1.jpg", "iron sheet ash/2.jpg", "oxide scale of plate system/3.jpg")


def yolo_in_parts(root: Path) -> None:
    pictures(root, "train/images/a.png", "train/images/b.png", "valid/images/c.png", "valid/images/d.png")
    write(root / "data.yaml", "names:\n  0: pits\n  1: rust\n")
    write(root / "train" / "labels" / "a.txt", "0 0.5 0.5 0.25 0.25\n1 0.5 0.5 0.25 0.25\n")
    write(root / "train" / "labels" / "b.txt", "")
    write(root / "valid" / "labels" / "c.txt", "1 0.5 0.5 0.25 0.25\n")
    plain_files(root, "README.roboflow.txt", "README.dataset.txt")


def coco_in_parts(root: Path) -> None:
    for part, name in (("train", "a_png.rf.0a1b.jpg"), ("valid", "b_png.rf.2c3d.jpg")):
        picture(root / part / name)
        content = {
            "images": [{"id": 0, "file_name": name, "width": SIDE_PX, "height": SIDE_PX}],
            "categories": [{"id": 0, "name": "defects"}, {"id": 1, "name": "pits"}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 1, 2, 2], "segmentation": []}],
        }
        content["annotations"] = content["annotations"] if part == "train" else []
        write(root / part / "_annotations.coco.json", json.dumps(content))


def voc_2012(root: Path) -> None:
    pictures(root, "JPEGImages/2007_a.jpg", "JPEGImages/2007_b.jpg", "JPEGImages/2007_c.jpg")
    masks(root, "SegmentationClass/2007_a.png")
    write(root / "Annotations" / "2007_a.xml", voc())
    write(root / "Annotations" / "2007_b.xml", voc(label="rust"))
    write(root / "ImageSets" / "Main" / "train.txt", "2007_a\n2007_b\n")


def gc10_det_from_kaggle(root: Path) -> None:
    for folder, name, label in (
        ("crease", "img_01_3402617700_00001", "9_zhehen"),
        ("crescent_gap", "img_02_3402617800_00001", "3_yueyawan"),
        ("crescent_gap", "img_02_3402617800_00002", "3_yueyawan"),
    ):
        picture(root / "images" / "images" / folder / f"{name}.jpg")
        write(root / "label" / "label" / f"{name}.xml", voc(label=label))


def neu_det_with_a_misplaced_annotation(root: Path) -> None:
    neu_det(root)
    picture(root / "train" / "images" / "crazing" / "crazing_240.jpg")
    write(root / "validation" / "annotations" / "crazing_240.xml", voc(label="patches"))
    picture(root / "train" / "images" / "patches" / "patches_1.jpg")


def x_sdd_as_published(root: Path) -> None:
    x_sdd(root / "datas")


def classes_in_parts(root: Path) -> None:
    pictures(root, "train/pits/1.png", "train/rust/2.png", "val/pits/1.png", "test/rust/4.png")
