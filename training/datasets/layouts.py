"""Layouts of labelled data sets on disk: one reader per layout, and layout detection."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

from stripwatch.training.datasets import annotated, kolektor, manifest, mvtec, reviewed_folder, severstal
from stripwatch.training.datasets.formats.png_masks import has_class_values
from stripwatch.training.datasets.parts import PART_NAMES, class_depth
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.images.image_files import no_images_text, scan_folder

_PREFIX = re.compile(r"(?P<label>.+)_\d+")
COLLECTED = "collected"
_CSV_FILES = {
    "severstal": severstal.CSV_FILE,
    "manifest": manifest.CSV_FILE,
    COLLECTED: reviewed_folder.CSV_FILE,
}
_TABLES = frozenset({".csv", ".tsv", ".xlsx", ".xls", ".ods"})
CAMERA_NAMES = frozenset({"img", "image", "imag", "dsc", "dscn", "dscf", "photo", "picture", "screenshot", "snapshot"})
_ONE_CLASS = "only one class, "


def detect_layout(root: Path, one_class: bool = False) -> str:
    """Detect the layout of a folder. Raises DataError, with the reasons, if it is unknown or ambiguous.

    one_class: a single class is enough, and images in the folder itself may have names without a class.
    """
    for name, csv_file in _CSV_FILES.items():
        if (root / csv_file).is_file():
            return name
    found = scan_folder(root)
    images = list(found.files)
    if not images:
        raise InputError(no_images_text(found))
    if mvtec.is_mvtec(root):
        return "mvtec"
    if annotated.is_gc10_det(root, images) or has_class_values(root, found.masks):
        return "annotated"
    if categories := mvtec.find_categories(root):
        raise DataError(f"{root} contains categories of MVTec AD ({_few(categories)}); pass one of them as data folder")
    if one_class and _named_by_cameras(root, images):
        return "flat"
    by_folder, folder_reason = _try(_folder_labels, root, images)
    by_prefix, prefix_reason = _try(_prefix_labels, root, images)
    possible = {"folder": by_folder, "prefix": {} if by_prefix == by_folder else by_prefix}
    texts = [f"{name} ({_few(labels.values())})" for name, labels in possible.items() if labels]
    if kolektor.is_kolektor(found):
        texts.append("kolektor (each image has a mask, so the labels are defect and none)")
    if len(texts) > 1:
        raise DataError(f"{root} can be read as layout {' or '.join(texts)}; choose one with --layout")
    if texts:
        return texts[0].partition(" ")[0]
    try:
        annotated.find_label_files(root)
    except DataError as error:
        if one_class and (layout := _one_class_layout(root, images)):
            return layout
        raise DataError(
            _unknown(root, images, {"folder": folder_reason, "prefix": prefix_reason}, str(error))
        ) from error
    return "annotated"


def _unknown(root: Path, images: list[Path], reasons: dict[str, str], annotated_reason: str) -> str:
    """Return why the layout is unknown: the reason that applies first, then what to do, then the other layouts."""
    why = annotated_reason.removeprefix("--boxes ")
    for reason in reasons.values():
        if reason.startswith(_ONE_CLASS):
            return (
                f"{root} has {reason}; training needs at least two; to train on clean images only, use fit --task "
                f"anomaly{other_tables_text(root)}"
            )
    likely, other = ("folder", "prefix") if any(path.parent != root for path in images) else ("prefix", "folder")
    return (
        f"cannot detect the layout of {root}: {reasons[likely]}; sort the images into one folder per class, or train "
        f"on clean images only with --task anomaly. The other layouts do not fit either: {other!r} ({reasons[other]}), "
        f"'severstal' (no {severstal.CSV_FILE}), 'manifest' (no {manifest.CSV_FILE}), 'annotated' "
        f"({why}){other_tables_text(root)}"
    )


def other_tables_text(root: Path) -> str:
    """Return what to do with tables in a data folder that have other names than those of the layouts, or ""."""
    known = {*_CSV_FILES.values(), "_classes.csv"}
    names = sorted(path.name for path in root.iterdir() if path.suffix.lower() in _TABLES and path.name not in known)
    if not names:
        return ""
    one = names[0] if len(names) == 1 else _few(names)
    return f"; if {one} has the labels, save it as {manifest.CSV_FILE} with the columns file and label"


def _one_class_layout(root: Path, images: list[Path]) -> str:
    """Return the layout of a folder whose images all belong to one class, or "" if they may belong to several."""
    for layout, labels in (("folder", _folder_labels), ("prefix", _prefix_labels)):
        try:
            if len(set(labels(root, images).values())) == 1:
                return layout
        except DataError:
            continue
    return "flat" if all(path.parent == root for path in images) else ""


def _named_by_cameras(root: Path, images: list[Path]) -> bool:
    """Return whether all images are in the folder itself and named like IMG_0001.jpg."""
    matches = [_PREFIX.fullmatch(path_text(path.stem)) for path in images]
    return all(path.parent == root for path in images) and all(
        match is not None and match["label"].lower() in CAMERA_NAMES for match in matches
    )


def _read_prefix(root: Path) -> Iterator[Sample]:
    """Read layout `prefix`: the class is the file name up to the last _NUMBER, "crazing" for crazing_12.jpg."""
    return _samples(_prefix_labels(root, find_images(root)))


def _read_folder(root: Path) -> Iterator[Sample]:
    """Read layout `folder`: the class is the first folder of the path, "crazing" for crazing/12.jpg.

    Folders of parts, such as train and valid, and folders around all classes, such as images, are passed over. This is
    the structure of X-SDD (https://www.mdpi.com/2073-8994/13/4/706) and of exports for classification of Roboflow and
    YOLO (https://docs.ultralytics.com/datasets/classify/).
    """
    return _samples(_folder_labels(root, find_images(root)))


def _read_flat(root: Path) -> Iterator[Sample]:
    """Read layout `flat`: no image has a label, so all are clean. The images may be in subfolders."""
    return (Sample(name_below(root, path), ()) for path in find_images(root))


def _samples(label_of: dict[str, str]) -> Iterator[Sample]:
    return (Sample(name, (label,)) for name, label in label_of.items())


def _prefix_labels(root: Path, images: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: dict[Hashable, Path] = {}
    for path in images:
        match = _PREFIX.fullmatch(path_text(path.stem))
        if match is None:
            raise DataError(f"{path} is not named CLASS_NUMBER, such as scratch_12.jpg")
        _check_first(seen, path.stem, path)
        found[name_below(root, path)] = match["label"]
    return found


def _folder_labels(root: Path, images: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: dict[Hashable, Path] = {}
    paths = {name_below(root, path): path for path in images}
    depth = class_depth(paths)
    for name, path in paths.items():
        _check_first(seen, path.with_suffix(""), path)
        folders = name.split("/")[:-1]
        if not folders:
            raise DataError(f"{path} is not in a folder named after its class")
        found[name] = folders[depth]
    kinds = {label.lower() for label in found.values()}
    parts = kinds & PART_NAMES
    if parts and (parts == kinds or len(parts) > 1):
        raise DataError(
            f"{root} contains the folders {_few(found.values())}, which are parts and not classes; pass one of them as "
            "data folder"
        )
    return found


def _check_first(seen: dict[Hashable, Path], name: Hashable, path: Path) -> None:
    if seen.setdefault(name, path) != path:
        raise DataError(f"{seen[name]} and {path} have the same name; keep one of them")


def _try(
    labels: Callable[[Path, Iterable[Path]], dict[str, str]], root: Path, images: list[Path]
) -> tuple[dict[str, str], str]:
    """Return the labels of a layout by file, and ""; or no labels and the reason if there are not two classes."""
    try:
        found = labels(root, images)
    except DataError as error:
        return {}, str(error)
    kinds = set(found.values())
    return (found, "") if len(kinds) > 1 else ({}, f"{_ONE_CLASS}{_few(kinds)}")


def _few(labels: Iterable[str]) -> str:
    kinds = sorted(set(labels))
    return ", ".join(kinds[:4]) + (", ..." if len(kinds) > 4 else "")


LAYOUTS: dict[str, Callable[[Path], Iterator[Sample]]] = {
    "prefix": _read_prefix,
    "folder": _read_folder,
    "manifest": manifest.read_manifest,
    "severstal": severstal.read_severstal,
    COLLECTED: reviewed_folder.read_reviewed,
    "mvtec": mvtec.read_mvtec,
    "kolektor": kolektor.read_kolektor,
    "annotated": annotated.read_annotated,
    "flat": _read_flat,
}
