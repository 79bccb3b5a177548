"""Find the annotation files in a folder, and detect their format from their content."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stripwatch.training.datasets.formats import coco, cvat, label_studio, labelme, png_masks, truth, voc, yolo
from stripwatch.training.datasets.formats.json_files import load_json
from stripwatch.training.datasets.formats.marks import ImageMarks
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError, InputError, SettingsError, StripwatchError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.images.image_files import CONTENT_TYPES, scan_files

AUTO = "auto"
_READERS: dict[str, Callable[[Path, list[Path], Problems], Iterator[ImageMarks]]] = {
    "voc": voc.read_voc,
    "coco": coco.read_coco,
    "cvat": cvat.read_cvat,
    "label-studio": label_studio.read_label_studio,
    "labelme": labelme.read_labelme,
    "masks": png_masks.read_masks,
    "truth": truth.read_truth,
}
FORMATS = (*_READERS, "yolo")
_NAMED_MAX = 3
_BROKEN = "JSON that is not valid"
_XML_ROOT = re.compile(rb"<\s*([A-Za-z_][\w.-]*)")


@dataclass(frozen=True, slots=True)
class AnnotationFiles:
    """Annotation files of one format. root: folder that their names are relative to."""

    root: Path
    format: str
    files: list[Path]

    @property
    def text(self) -> str:
        """Return the number of files and the first one, for messages."""
        first = path_text(self.files[0].relative_to(self.root)) if self.files else ""
        return f"{len(self.files)} {self.format} {'file' if len(self.files) == 1 else 'files'}, such as {first}"

    def read(self, problems: Problems, data: Path) -> list[ImageMarks]:
        """Read the files, and note what cannot be read. data: the data folder."""
        if self.format == "yolo":
            return list(yolo.read_yolo(self.root, self.files, problems, data))
        return list(_READERS[self.format](self.root, self.files, problems))


def find_annotations(path: Path, wanted: str, is_image: Callable[[Path], bool]) -> AnnotationFiles:
    """Find the annotation files at a path: a folder with all its subfolders, or one file.

    wanted: one of FORMATS, or "auto". is_image: returns whether a file is an image of the data set, and so not a mask.
    Raises SettingsError for an unknown format, InputError if the path does not exist, DataError if there are no
    annotations, or annotations of several formats, and for a JSON file that is not valid if there is nothing else.
    """
    if wanted not in (AUTO, *FORMATS):
        raise SettingsError(f"--boxes-format {wanted!r} is unknown; choose from {', '.join((AUTO, *FORMATS))}")
    try:
        if not path.exists():
            raise InputError(f"--boxes {path}: no such folder or file")
        files, root = (scan_files(path), path) if path.is_dir() else ([path], path.parent)
    except OSError as error:  # a name that is too long
        raise InputError(f"--boxes {path}: {error.strerror}") from error
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        files = scan_files(root)
        wanted = "yolo" if wanted == AUTO else wanted
    found: dict[str, list[Path]] = defaultdict(list)
    for each in files:
        kind = _format_of(each, is_image)
        if kind is not None:
            found[kind].append(each)
    if "yolo" in found and not any(each.stat().st_size for each in found["yolo"]) and wanted != "yolo":
        del found["yolo"]  # empty .txt files alone may be anything
    if "yolo" in found:
        beside = {each.parent for each in found["yolo"]}
        texts = [each for each in files if each.parent in beside and each.suffix.lower() == ".txt"]
        found["yolo"] += filter(yolo.is_malformed_yolo, texts)
    if wanted == AUTO and len([kind for kind in found if kind in FORMATS]) > 1:
        found.pop("masks", None)  # pictures next to other annotations may be anything
    return _choose(path, root, found, wanted, files)


def annotation_files(root: Path) -> list[Path]:
    """Return the files in a folder that are certainly annotations by their content, sorted, without masks.

    Files that cannot be read are left out.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for each in scan_files(root):
        try:
            if kind := _certain_format(each):
                found[kind].append(each)
        except StripwatchError:
            continue
    if not any(each.stat().st_size for each in found["yolo"]):
        del found["yolo"]  # empty .txt files alone may be anything
    return sorted(each for files in found.values() for each in files)


def _certain_format(path: Path) -> str | None:
    if path.suffix.lower() == ".xml" and _xml_root(path) not in (voc.ROOT, cvat.ROOT):
        return None
    if path.suffix.lower() == ".jsonl" and path.name != truth.FILE:
        return None
    kind = _format_of(path, lambda _: True)
    return kind if kind in FORMATS else None


def _choose(path: Path, root: Path, found: dict[str, list[Path]], wanted: str, files: list[Path]) -> AnnotationFiles:
    known = {kind: paths for kind, paths in found.items() if kind in FORMATS}
    if wanted != AUTO:
        known = {kind: paths for kind, paths in known.items() if kind == wanted}
    if len(known) == 1:
        ((kind, paths),) = known.items()
        return AnnotationFiles(root, kind, sorted(paths))
    if known:
        each = "; ".join(AnnotationFiles(root, kind, sorted(paths)).text for kind, paths in sorted(known.items()))
        raise DataError(f"--boxes {path} has annotations of several formats: {each}. Choose one with --boxes-format")
    what = "annotations" if wanted == AUTO else f"{wanted} annotations"
    others = {kind: paths for kind, paths in found.items() if kind != wanted}
    if broken := others.get(_BROKEN):
        load_json(broken[0])
    if others:
        text = ", ".join(f"{_files(len(paths))} of {kind} ({paths[0].name})" for kind, paths in sorted(others.items()))
    else:
        kinds = Counter(each.suffix.lower() or "no suffix" for each in files)
        text = ", ".join(f"{_files(count)} of type {kind}" for kind, count in kinds.most_common(_NAMED_MAX))
    raise DataError(
        f"--boxes {path} has no {what} that can be read ({', '.join(FORMATS)}); it contains {text or 'no files'}"
    )


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _format_of(path: Path, is_image: Callable[[Path], bool]) -> str | None:
    """Return the format of a file, a text about one that is only recognized, or None."""
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return _xml_format(path)
    if suffix == ".jsonl":
        return "truth"
    if suffix == ".txt":
        return "yolo" if yolo.is_yolo(path) else None
    if suffix == ".json":
        return _json_format(path)
    return "masks" if suffix in CONTENT_TYPES and not is_image(path) else None


def _xml_format(path: Path) -> str:
    return "cvat" if _xml_root(path) == cvat.ROOT else "voc"


def _xml_root(path: Path) -> str:
    text = re.sub(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", b"", read_whole(path)[:4096], flags=re.DOTALL)
    root = _XML_ROOT.search(text)
    return root[1].decode() if root else ""


def _json_format(path: Path) -> str | None:
    try:
        content = load_json(path)
    except DataError:
        return _BROKEN
    for kind, matches in (
        ("coco", coco.is_coco),
        ("label-studio", label_studio.is_label_studio),
        ("labelme", labelme.is_labelme),
    ):
        if matches(content):
            return kind
    return None
