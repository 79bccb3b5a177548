"""The ways a labelled data set may lie on disk: one reader each, and how they are distinguished."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

from stripwatch.training.datasets import manifest, reviewed_folder, severstal
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.images.image_files import no_images_text, scan_folder

_PREFIX = re.compile(r"(?P<label>.+)_\d+")
_PART_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def detect_layout(root: Path) -> str:
    """The layout of a folder. Raises DataError, which names what is in the way, where that is not plain to see."""
    if (root / severstal.CSV_FILE).is_file():
        return "severstal"
    if (root / manifest.CSV_FILE).is_file():
        return "manifest"
    if (root / reviewed_folder.CSV_FILE).is_file():
        return "collected"
    found = scan_folder(root)
    images = list(found.files)
    if not images:
        raise DataError(no_images_text(found))
    by_folder, folder_says = _try(_folder_labels, root, images)
    by_prefix, prefix_says = _try(_prefix_labels, root, images)
    if by_folder and by_prefix and by_folder != by_prefix:
        both = f"folder ({_few(by_folder.values())}) or prefix ({_few(by_prefix.values())})"
        raise DataError(f"{root} can be read as layout {both}: choose one with --layout")
    if by_folder or by_prefix:
        return "folder" if by_folder else "prefix"
    raise DataError(
        f"the layout of {root} is not known. severstal needs {severstal.CSV_FILE}; manifest needs {manifest.CSV_FILE}; "
        f"folder: {folder_says}; prefix: {prefix_says}"
    )


def _read_prefix(root: Path) -> Iterator[Sample]:
    """crazing_12.jpg is of class "crazing": the name up to the last _number."""
    return _samples(_prefix_labels(root, find_images(root)))


def _read_folder(root: Path) -> Iterator[Sample]:
    """crazing/12.jpg is of class "crazing": the first folder on the way to the file."""
    return _samples(_folder_labels(root, find_images(root)))


def _samples(label_of: dict[str, str]) -> Iterator[Sample]:
    return (Sample(name, (label,)) for name, label in label_of.items())


def _prefix_labels(root: Path, images: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: dict[Hashable, Path] = {}
    for path in images:
        match = _PREFIX.fullmatch(path_text(path.stem))
        if match is None:
            raise DataError(
                f"{path} has no class: in layout 'prefix' a file is named CLASS_NUMBER, as in scratch_12.jpg"
            )
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
            raise DataError(f"{path} has no class: in layout 'folder' a file lies in the folder of its class")
        found[name] = label
    if found and {label.lower() for label in found.values()} <= _PART_NAMES:
        raise DataError(f"{root} holds {_few(found.values())}, parts and not classes: give one of them as data folder")
    return found


def _check_first(seen: dict[Hashable, Path], name: Hashable, path: Path) -> None:
    if seen.setdefault(name, path) != path:
        raise DataError(f"{seen[name]} and {path} are two files of one name: keep one of them")


def _try(
    labels: Callable[[Path, Iterable[Path]], dict[str, str]], root: Path, images: list[Path]
) -> tuple[dict[str, str], str]:
    """What a layout makes of the files where they make at least two classes; else nothing, and why not."""
    try:
        found = labels(root, images)
    except DataError as error:
        return {}, str(error)
    kinds = set(found.values())
    return (found, "") if len(kinds) > 1 else ({}, f"one class only, {_few(kinds)}")


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
