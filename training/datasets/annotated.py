"""Layout `annotated`: the labels of an image are those of its boxes, polygons or masks in an annotation file.

This is the structure of most data sets for object detection: GC10-DET
(https://github.com/lvxiaoming2019/GC10-DET-Metallic-Surface-Defect-Datasets), and exports of Roboflow, CVAT and Label
Studio. See `stripwatch.training.datasets.formats` for the formats.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stripwatch.training.datasets.formats.detect import AUTO, AnnotationFiles, find_annotations
from stripwatch.training.datasets.formats.image_index import AmbiguousImageError, ImageIndex
from stripwatch.training.datasets.formats.png_masks import has_class_values
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.images.image_files import scan_files

_SEVERAL = "Move the others out of the data folder, or pass one with --layout folder and --boxes"
_GC10_NAME = re.compile(r"img_\d+_\d+_\d+")


def is_gc10_det(root: Path, images: Sequence[Path]) -> bool:
    """Return whether a folder is GC10-DET: folders with numbers or names, and boxes with the names of the classes.

    An image with several defects is in one of the folders only, so the boxes have the labels. The folder of the boxes
    is named "lable" as published, and "label/label" on Kaggle
    (https://www.kaggle.com/datasets/zhangyunsheng/defects-class-and-location). Images are named
    img_01_425391800_00003.jpg, which layout `prefix` would take for a class and a number.
    """
    if (root / "lable").is_dir():
        return True
    return all(_GC10_NAME.fullmatch(path.stem) for path in images) and any(
        path.suffix.lower() == ".xml" and _GC10_NAME.fullmatch(path.stem) for path in scan_files(root)
    )


def find_label_files(root: Path) -> AnnotationFiles:
    """Find the annotation files in a data folder.

    Raises DataError if there are none, if there are several formats, and for masks, which have no labels.
    """
    images = set(find_images(root))
    try:
        files = find_annotations(root, AUTO, images.__contains__)
    except DataError as error:  # nobody passed the options
        text = str(error).removeprefix("--boxes ")
        raise DataError(text.replace("Choose one with --boxes-format", _SEVERAL)) from error
    if files.format == "masks" and not has_class_values(root, files.files):
        raise DataError(f"{root} has masks, but no file with labels")
    return files


def read_annotated(root: Path) -> Iterator[Sample]:
    """Read layout `annotated`. An image whose annotations are empty is clean; one without annotations is not used.

    Raises DataError, with all files concerned, for annotations that cannot be read or have no image.
    """
    problems = Problems(str(root))
    index = ImageIndex(name_below(root, path) for path in find_images(root))
    labels: dict[str, set[str]] = {}
    for marks in find_label_files(root).read(problems, root):
        try:
            name = index.find(marks.image, marks.suffixed)
        except AmbiguousImageError as error:
            problems.add(f"{marks.where} is ambiguous: {error}; rename one")
            continue
        if name is not None:
            labels.setdefault(name, set()).update(shape.label for shape in marks.shapes)
            labels[name].update(marks.tags)
        elif marks.required:
            problems.add(f"{marks.where}: the data set has no image named {Path(marks.image).name}")
    problems.check()
    return (Sample(name, tuple(sorted(found))) for name, found in labels.items())
