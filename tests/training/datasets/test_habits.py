"""Data sets as people have them: one small set per habit, with what `survey` reports and what `fit` reads."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import CLEAN, DataSet, for_task, read_dataset
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.preparation.prepared_data import SplitPlan, prepare_data
from stripwatch.training.survey.report import summarize
from stripwatch.training.survey.survey import Survey, survey
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.contracts.model.clean_labels import likely_clean
from stripwatch.worker.images.decode_spec import DecodeSpec

ROOT = Path(__file__).parents[3]
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


def tools_of_systems(root: Path) -> None:
    two_classes(root)
    for folder in ("@eaDir/1.png", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"):
        pictures(root, f"{folder}/1.png")
    pictures(root, ".ipynb_checkpoints/1-checkpoint.png", ".Trash-1000/files/1.png", "pits/.ipynb_checkpoints/1.png")
    plain_files(root, "pits/._1.png", "pits/Thumbs.db", "rust/desktop.ini", ".DS_Store", "pits/@eaDir/1.png/SYNO_M.jpg")


def photo_programs(root: Path) -> None:
    two_classes(root)
    pictures(root, "thumbnails/1.png", "pits/thumbs/1.png", "Strip Previews.lrdata/a/1.png", "README.png")
    plain_files(root, "Strip.lrcat")


def version_control(root: Path) -> None:
    two_classes(root)
    pictures(root, ".git/lfs/1.png", ".dvc/cache/1.png", "__pycache__/1.png")
    plain_files(root, ".gitattributes", "pits.dvc")


def output_of_labelme(root: Path) -> None:
    two_classes(root)
    plain_files(root, "pits/1.json")
    pictures(root, "pits/1_json/img.png", "pits/1_json/label_viz.png")
    masks(root, "pits/1_json/label.png")


def output_of_stripwatch(root: Path) -> None:
    two_classes(root)
    pictures(root, "survey/contact-1-pits.png")
    plain_files(root, "survey/survey.json")


def masks_in_a_folder(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/1.png", "ground_truth/2_mask.png")


def masks_next_to_images(root: Path) -> None:
    two_classes(root)
    masks(root, "pits/1_GT.png", "rust/3_mask.png")


def photographs_in_a_mask_folder(root: Path) -> None:
    two_classes(root)
    pictures(root, "masks/1.png")


def masks_of_nothing(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/task-5-annotation-3.png")


def parts_with_a_class(root: Path) -> None:
    pictures(root, "train/pits/1.png", "val/pits/2.png", "rust/3.png")


def names_in_two_spellings(root: Path) -> None:
    two_classes(root)
    pictures(root, "Pits/5.png", "pits /6.png", "Ru st/7.png")


def accents_in_two_encodings(root: Path) -> None:
    pictures(root, *(f"{name}/{at}.png" for at, name in enumerate(["Riss\u00e9", "Risse\u0301", "pits"])))


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


def missing_files(root: Path) -> None:
    manifest(root, "file,label", "pits/1.png,pits", "a" * 300 + ".png,rust", "gone.png,rust", "../1.png,rust")


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


def images_without_labels(root: Path) -> None:
    pictures(root, "frame a.png", "frame b.png")


@dataclass(frozen=True, slots=True)
class Habit:
    """make: writes the data set. classes: images per class. skipped: number of skipped entries by reason.
    refused: pattern of the error of both commands. notes: patterns of messages of both commands. merged: images per
    class with --merge-labels. boxes: --boxes, below the data folder. annotations: format, images, boxes and masks.
    layout: detected layout, if it is not the point of the others. use: --layout. findings: codes of what survey finds,
    apart from USUAL, skipped and unused files.
    """

    make: Callable[[Path], None]
    classes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    notes: tuple[str, ...] = ()
    merged: dict[str, int] = field(default_factory=dict)
    boxes: str | None = None
    annotations: tuple[str, int, int, int] | None = None
    layout: str = ""
    use: str = "auto"
    findings: tuple[str, ...] = ()


# Findings of nearly all of these sets, which are tiny and have no clean images.
USUAL = {"no-clean-images", "small-classes", "annotation-notes", "skipped-files", "unused-images"}
MASKED = ("severstal", 3, 0, 3)
STRIPS = {"defect_1": 1, "defect_3": 1, "defect_4": 1, "clean": 1}
TWO = {"pits": 2, "rust": 2}
HABITS = [
    Habit(
        tools_of_systems,
        TWO,
        {"hidden": 5, "left by the operating system": 5, "left by a file server": 2, "recycle bin": 2},
    ),
    Habit(photo_programs, TWO, {"thumbnails or catalogue of a photo program": 4, "README": 1}),
    Habit(version_control, TWO, {"hidden": 3, "files of a program": 1, "type .dvc": 1}),
    Habit(output_of_labelme, TWO, {"output of labelme": 1}),
    Habit(output_of_stripwatch, TWO, {"output of stripwatch": 1}),
    Habit(masks_in_a_folder, TWO, {"mask of another image": 2}),
    Habit(masks_next_to_images, TWO, {"mask of another image": 2}),
    Habit(
        photographs_in_a_mask_folder,
        refused=r"masks/1\.png is named like the mask of another image, but looks like a photograph\. Rename",
    ),
    Habit(
        masks_of_nothing, refused=r"masks is named like annotations, but task-5-annotation-3\.png is not the mask of"
    ),
    Habit(parts_with_a_class, refused="rust, train, val, which are parts and not classes"),
    Habit(
        names_in_two_spellings,
        {"pits": 2, "rust": 2, "Pits": 1, "pits ": 1, "Ru st": 1},
        notes=(r"warning: the class names 'pits' \(2\) and 'Pits' \(1\) and 'pits ' \(1\) look alike \(blanks at",),
        merged={"pits": 4, "rust": 2, "Ru st": 1},
        findings=("class-in-one-group", "alike-labels"),
    ),
    Habit(
        accents_in_two_encodings,
        {"Riss\u00e9": 1, "Risse\u0301": 1, "pits": 1},
        notes=(r"look alike \(an accent is stored as one character or as two\) but are different classes",),
        merged={"Riss\u00e9": 2, "pits": 1},
        findings=("class-in-one-group", "alike-labels"),
    ),
    Habit(
        voc_in_subfolders,
        TWO,
        boxes="Annotations",
        annotations=("voc", 2, 2, 0),
        notes=(
            r"boxes or polygons that extended .* clipped: 1 \(rust/3\.png\)",
            r"that are not annotated: 2 \(pits",
        ),
    ),
    Habit(voc_next_to_images, TWO, boxes=".", annotations=("voc", 2, 2, 0)),
    Habit(
        voc_with_problems,
        boxes="xml",
        refused=r"4 problems in .*xml: .*1\.xml is not a VOC box file: the image width of 0 .*2\.xml: a box .* is "
        r"not finite.*4\.xml: the annotation is for an image of 48x48 .* 24x24.*3\.xml has the unknown label "
        "'rsut'; did you mean 'rust'",
        findings=("unusable-annotations",),
    ),
    Habit(
        an_empty_annotation_folder,
        boxes="boxes",
        refused="boxes has no annotations that can be read .* no files",
        findings=("unusable-annotations",),
    ),
    Habit(
        annotations_of_other_images,
        boxes="boxes",
        refused=r"no annotation for any of the 4 images.* such as frame_9",
        findings=("unusable-annotations",),
    ),
    Habit(
        coco,
        TWO,
        {"type .json": 1},
        boxes="annotations",
        annotations=("coco", 3, 1, 2),
        notes=(r"annotations of images that are not in the data set: 1 \(elsewhere/9\.png\)",),
    ),
    Habit(
        yolo,
        {"pits": 2, "rust": 1},
        boxes="data.yaml",
        annotations=("yolo", 3, 2, 1),
        findings=("class-in-one-group", "empty-annotations"),
    ),
    Habit(label_studio, TWO, {"type .json": 1}, boxes=".", annotations=("label-studio", 1, 1, 0)),
    Habit(labelme, TWO, boxes="pits", annotations=("labelme", 1, 0, 1)),
    Habit(masks_in_a_folder, TWO, {"mask of another image": 2}, boxes="masks", annotations=("masks", 1, 0, 1)),
    Habit(
        two_annotation_formats,
        boxes=".",
        refused=r"several formats: 1 voc file, such as xml/pits_1\.xml; 3 yolo files, such as .* Choose one with",
        findings=("class-in-one-group", "unusable-annotations"),
    ),
    Habit(
        mvtec,
        {"clean": 3, "broken_large": 1, "contamination": 1},
        {"README": 1, "mask of another image": 2, "type .txt": 1},
        annotations=("masks", 2, 0, 2),
        layout="mvtec",
        findings=("class-in-one-group",),
    ),
    Habit(mvtec_categories, refused=r"contains categories of MVTec AD \(bottle, cable\); pass one of them"),
    Habit(
        kolektor_2,
        {"defect": 1, "clean": 2},
        {"mask of another image": 3},
        annotations=("masks", 3, 0, 1),
        layout="kolektor",
        findings=("class-in-one-group", "parts-not-used"),
    ),
    Habit(kolektor_1, refused=r"layout folder \(kos01, kos02\) or kolektor \(each .* choose one with --layout"),
    Habit(gc10_det, {"1": 1, "2": 1, "3": 1}, layout="folder", use="folder", findings=("class-in-one-group",)),
    Habit(
        gc10_det,
        {"1_chongkong": 1, "2_hanfeng": 1, "3_yueyawan": 1},
        annotations=("voc", 3, 3, 0),
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        neu_det,
        {"crazing": 2, "rolled-in_scale": 2},
        boxes=".",
        annotations=("voc", 4, 4, 0),
        layout="folder",
        findings=("parts-not-used",),
    ),
    Habit(
        x_sdd,
        {"finishing roll printing": 1, "iron sheet ash": 1, "oxide scale of plate system": 1},
        layout="folder",
        findings=("class-in-one-group",),
    ),
    Habit(
        yolo_in_parts,
        {"pits": 1, "rust": 2, "clean": 1},
        {"README": 2},
        annotations=("yolo", 3, 3, 0),
        layout="annotated",
        notes=("1 of 4 image files in .* are not used in layout 'annotated'",),
        findings=("boxes-with-two-labels", "parts-not-used"),
    ),
    Habit(
        coco_in_parts,
        {"pits": 1, "clean": 1},
        {"type .json": 2},
        annotations=("coco", 2, 1, 0),
        layout="annotated",
        findings=("class-in-one-group", "parts-not-used", "tiny-boxes"),
    ),
    Habit(
        voc_2012,
        {"pits": 1, "rust": 1},
        {"mask of another image": 1, "type .txt": 1},
        annotations=("voc", 2, 2, 0),
        layout="annotated",
        notes=("1 of 3 image files in .* are not used in layout 'annotated'",),
        findings=("class-in-one-group",),
    ),
    Habit(
        gc10_det_from_kaggle,
        {"9_zhehen": 1, "3_yueyawan": 2},
        annotations=("voc", 3, 3, 0),
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        neu_det_with_a_misplaced_annotation,
        {"crazing": 3, "rolled-in_scale": 2, "patches": 1},
        boxes=".",
        annotations=("voc", 5, 5, 0),
        layout="folder",
        notes=(r"the parts train, validation are read as one data set",),
        findings=("boxes-of-other-labels", "class-in-one-group", "parts-not-used"),
    ),
    Habit(
        x_sdd_as_published,
        {"finishing roll printing": 1, "iron sheet ash": 1, "oxide scale of plate system": 1},
        layout="folder",
        findings=("class-in-one-group",),
    ),
    Habit(
        classes_in_parts,
        {"pits": 2, "rust": 2},
        layout="folder",
        notes=("the parts test, train, val are read as one data set, and fit makes its own split",),
        findings=("parts-not-used",),
    ),
    Habit(cvat, TWO, {"type .xml": 1}, boxes="annotations.xml", annotations=("cvat", 2, 1, 1)),
    Habit(
        cvat_without_extent,
        boxes=".",
        refused=r"annotations\.xml: image pits/1\.png: it has a points; draw box, polygon, ellipse, mask",
        findings=("unusable-annotations",),
    ),
    Habit(
        choices_of_label_studio,
        {"pits": 1, "clean": 1},
        {"type .json": 1},
        annotations=("label-studio", 2, 0, 0),
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        masks_with_classes,
        {"pits": 1, "rust": 1, "clean": 1},
        {"mask of another image": 2},
        annotations=("masks", 2, 0, 2),
        layout="annotated",
    ),
    Habit(
        masks_with_unnamed_classes,
        boxes="masks",
        refused=r"1\.png has 3 values, such as 0, 1, 2; .* add labelmap\.txt or _classes\.csv",
        findings=("unusable-annotations",),
    ),
    Habit(yolo_with_rotated_boxes, TWO, boxes="data.yaml", annotations=("yolo", 1, 0, 1)),
    Habit(images_without_labels, refused="cannot detect the layout .*; sort .*'annotated'"),
    Habit(severstal_with_an_index, STRIPS, annotations=MASKED),
    Habit(severstal_in_another_order, STRIPS, annotations=MASKED),
    Habit(severstal_with_clean_rows, STRIPS, annotations=MASKED),
    Habit(
        severstal_with_problems,
        refused=r"6 problems in .*train\.csv: .*line 3: the image .*z\.jpg does not exist; .*line 4: class '7' is unk.*"
        r"line 5: b\.jpg has a mask but no class.*; and 1 more",
    ),
    Habit(a_quoted_header, refused=r"manifest\.csv line 1 is not valid CSV: ',' expected after"),
    Habit(a_column_twice, refused=r"manifest\.csv line 1 has the column label more than once"),
    Habit(
        missing_files,
        refused=r"3 problems in .*manifest\.csv: .*line 3: .*line 4: .*gone\.png does not .*line 5: '\.\./1",
    ),
]


def test_the_reference_page_lists_every_habit() -> None:
    page = (ROOT / "docs" / "reference" / "data-sets.md").read_text()
    assert {habit.make.__name__ for habit in HABITS} == set(re.findall(r"\| `(\w+)` \|$", page, re.MULTILINE))


def classes_of(dataset: DataSet) -> dict[str, int]:
    return dict(Counter(label for sample in dataset.samples for label in sample.labels or (CLEAN,)))


def fit_reads(root: Path, habit: Habit) -> tuple[DataSet, AnnotationSet | None]:
    """Read the data as fit does."""
    dataset = read_dataset(root, habit.use)
    if habit.boxes is not None:
        return dataset, read_annotations(dataset, root / habit.boxes)
    return dataset, read_annotations(dataset, None) if habit.annotations else None


def survey_reports(root: Path, habit: Habit) -> Survey:
    return survey(root, habit.use, boxes=None if habit.boxes is None else root / habit.boxes)


def fit_checks(root: Path, habit: Habit) -> None:
    """Read and check the data as fit does."""
    found, annotations = fit_reads(root, habit)
    several = any(len(sample.labels) > 1 for sample in found.samples)
    task: FitTask = "multilabel" if several else "multiclass"
    clean = next(iter(likely_clean(found.labels)), None)
    dataset, clean_label = for_task(found, task, clean)
    check = FitCheck(dataset, task, clean_label, annotations)
    plan = SplitPlan(0.2, 0, every=not several)
    prepare_data(dataset, DecodeSpec(SIDE_PX, SIDE_PX), plan, lambda: None, check=check)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.make.__name__}-{habit.boxes or habit.use}")
def test_fit_refuses_the_errors_of_survey_and_repeats_its_warnings(
    habit: Habit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    habit.make(tmp_path)
    if habit.refused and not habit.findings:
        with pytest.raises(StripwatchError, match=habit.refused):
            survey_reports(tmp_path, habit)
        return
    findings = survey_reports(tmp_path, habit).findings
    assert {finding.code for finding in findings} - USUAL == set(habit.findings)
    capsys.readouterr()
    errors = [finding.text for finding in findings if finding.level == "error"]
    if errors:
        with pytest.raises(StripwatchError) as raised:
            fit_checks(tmp_path, habit)
        assert any(text in str(raised.value) for text in errors)
        return
    fit_checks(tmp_path, habit)
    printed = [line for line in capsys.readouterr().err.splitlines() if re.fullmatch(r"warning: .*]", line)]
    assert printed == [finding.line for finding in findings if finding.level == "warning"]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.make.__name__}-{habit.boxes or habit.use}")
def test_survey_and_fit_read_the_same_images(habit: Habit, tmp_path: Path) -> None:
    habit.make(tmp_path)
    if habit.refused:
        with pytest.raises(StripwatchError, match=habit.refused):
            fit_reads(tmp_path, habit)
        return
    dataset, annotations = fit_reads(tmp_path, habit)
    assert classes_of(dataset) == habit.classes
    assert dataset.layout == (habit.layout or dataset.layout)
    assert Counter(each.why for each in dataset.skipped) == habit.skipped
    notes = (*dataset.notes, *(annotations.notes if annotations else ()))
    for pattern in habit.notes:
        assert any(re.search(pattern, note) for note in notes), notes
    summary = summarize(survey_reports(tmp_path, habit))
    assert (summary["classes"], summary["unreadable"]) == (habit.classes, 0)
    assert summary["files_skipped"] == sum(habit.skipped.values())
    assert summary["files"]["used"] == len(dataset.samples)
    reasons = {why: each["files"] for why, each in summary["files"]["skipped"].items() if "not used" not in why}
    assert reasons == habit.skipped
    counts = summary["annotations"]
    assert (counts and tuple(counts.values())) == habit.annotations
    assert bool(summary["alike_labels"]) == bool(habit.merged)
    if habit.merged:
        merged = read_dataset(tmp_path, merge_labels=True)
        assert (classes_of(merged), merged.alike) == (habit.merged, ())
