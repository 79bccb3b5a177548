"""Layouts of labelled data sets on disk: one reader per layout, and layout detection."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

from stripwatch.training.datasets import manifest, reviewed_folder, severstal
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.images.image_files import no_images_text, scan_folder

_PREFIX = re.compile(r"(?P<label>.+)_\d+")
_PART_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def detect_layout(root: Path) -> str:
    """Detect the layout of a folder. Raises DataError, with the reasons, if it is unknown or ambiguous."""
    if (root / severstal.CSV_FILE).is_file():
        return "severstal"
    if (root / manifest.CSV_FILE).is_file():
        return "manifest"
    if (root / reviewed_folder.CSV_FILE).is_file():
        return "collected"
    found = scan_folder(root)
    images = list(found.files)
    if not images:
        raise InputError(no_images_text(found))
    by_folder, folder_reason = _try(_folder_labels, root, images)
    by_prefix, prefix_reason = _try(_prefix_labels, root, images)
    if by_folder and by_prefix and by_folder != by_prefix:
        both = f"folder ({_few(by_folder.values())}) or prefix ({_few(by_prefix.values())})"
        raise DataError(f"{root} can be read as layout {both}; choose one with --layout")
    if by_folder or by_prefix:
        return "folder" if by_folder else "prefix"
    raise DataError(
        f"cannot detect the layout of {root}: it has neither {severstal.CSV_FILE} (severstal) nor {manifest.CSV_FILE} "
        f"(manifest), is not 'folder' ({folder_reason}) and not 'prefix' ({prefix_reason}); "
        "sort the images into one folder per class"
    )


def _read_prefix(root: Path) -> Iterator[Sample]:
    """Read layout `prefix`: the class is the file name up to the last _NUMBER, "crazing" for crazing_12.jpg."""
    return _samples(_prefix_labels(root, find_images(root)))


def _read_folder(root: Path) -> Iterator[Sample]:
    """Read layout `folder`: the class is the first folder of the path, "crazing" for crazing/12.jpg."""
    return _samples(_folder_labels(root, find_images(root)))


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
    for path in images:
        _check_first(seen, path.with_suffix(""), path)
        name = name_below(root, path)
        label, slash, _ = name.partition("/")
        if not slash:
            raise DataError(f"{path} is not in a folder named after its class")
        found[name] = label
    kinds = {label.lower() for label in found.values()}
    parts = kinds & _PART_NAMES
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
    return (found, "") if len(kinds) > 1 else ({}, f"only one class, {_few(kinds)}")


def _few(labels: Iterable[str]) -> str:
    kinds = sorted(set(labels))
    return ", ".join(kinds[:4]) + (", ..." if len(kinds) > 4 else "")


LAYOUTS: dict[str, Callable[[Path], Iterator[Sample]]] = {
    "prefix": _read_prefix,
    "folder": _read_folder,
    "manifest": manifest.read_manifest,
    "severstal": severstal.read_severstal,
    "collected": reviewed_folder.read_reviewed,
}
