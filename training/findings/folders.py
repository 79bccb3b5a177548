"""Checks of the folders in layout `folder`: folders below the classes, which do not count, and empty classes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stripwatch.training.datasets.parts import PART_NAMES, class_depth, is_around_classes
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.images.folders.mask_files import annotation_folder
from stripwatch.worker.images.folders.tool_files import why_left
from stripwatch.worker.images.image_files import scan_files


def check_folders(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about folders that are not classes, and about folders of classes without files."""
    dataset = data.frames.dataset
    # Images of additional folders are named "../FOLDER/NAME".
    paths = {sample.name: sample.name.split("/")[:-1] for sample in dataset.samples if sample.name[:3] != "../"}
    if dataset.layout != "folder" or not paths:
        return
    depth = class_depth(paths)
    yield from _nested(paths, depth)
    yield from _empty(dataset.root, paths, depth)


def _nested(paths: Mapping[str, Sequence[str]], depth: int) -> Iterator[Finding]:
    """Yield a finding about folders below those of the classes. They are likely classes if they occur repeatedly."""
    below: dict[str, set[str]] = defaultdict(set)
    deeper = [name for name, path in paths.items() if len(path) > depth + 1]
    for name in deeper:
        label, folder = paths[name][depth : depth + 2]
        below[label].add(folder)
    inner = set().union(*below.values()) if below else set()
    if all(folder.lower() in PART_NAMES or is_around_classes(folder) for folder in inner):
        return
    repeated = [folder for folder in inner if sum(folder in folders for folders in below.values()) > 1]
    texts = [f"{label} ({some(sorted(folders))})" for label, folders in sorted(below.items())]
    what = f"the first folder is the class, and folders below it do not count: {some(texts)}"
    yield make_finding("repeated-subfolders" if repeated else "subfolders", what, deeper)


def _empty(root: Path, paths: Mapping[str, Sequence[str]], depth: int) -> Iterator[Finding]:
    """Yield a finding about folders next to those of the classes without any file in them."""
    classes = {path[depth] for path in paths.values()}
    parents = dict.fromkeys("/".join(path[:depth]) for path in paths.values())
    empty = [folder for parent in parents for folder in _without_files(file_below(root, parent))]
    names = sorted({folder.name for folder in empty} - classes)
    if names:
        folders = counted(len(names), "folder next to the classes is", "folders next to the classes are")
        yield make_finding("empty-classes", f"{folders} empty: {some(names)}")


def _without_files(parent: Path) -> list[Path]:
    try:
        folders = [each for each in parent.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:  # the folder was moved while it was read
        return []
    return [each for each in folders if _may_be_class(parent, each) and not scan_files(each)]


def _may_be_class(parent: Path, folder: Path) -> bool:
    name = folder.name
    return not name.startswith(".") and why_left(name, is_folder=True) is None and not annotation_folder(parent, folder)
