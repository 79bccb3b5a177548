"""Find the image files in a folder, and report what is skipped. The list of supported suffixes is here."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.common.terminal.file_counts import UNREADABLE, FileCounts, count_files
from stripwatch.worker.images.folders.mask_files import find_masks
from stripwatch.worker.images.folders.tool_files import why_left, why_written

CONTENT_TYPES = {
    **dict.fromkeys((".jpg", ".jpeg", ".jfif", ".jpe"), "image/jpeg"),
    ".png": "image/png",
    ".bmp": "image/bmp",
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    ".webp": "image/webp",
}
FORMATS = "JPEG, PNG, BMP, TIFF and WebP"
# By format, as `ImageHeader.format` names it.
SUFFIXES = {"jpeg": ".jpg", "png": ".png", "bmp": ".bmp", "tiff": ".tif", "webp": ".webp"}
_SIDECAR_NAMES = frozenset({"truth.jsonl", "boxes.json", "classes.txt", "data.yaml", "data.yml"})
_SIDECAR_OF_IMAGE = frozenset({".xml", ".txt", ".json"})
_SPECIAL = "pipe, socket or device"
_MASK = "mask of another image"
_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file, folder or link that is not read as an image.

    Attributes:
        name: Path below the folder, as text.
        why: Reason as a phrase; skipped files are grouped by it.
    """

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Result of scanning a folder.

    Attributes:
        root: The folder.
        files: Files with the suffix of an image, sorted by name. Their content is not checked.
        skipped: Files, folders and links that are not read, without the annotations that belong to images.
        same_names: Groups of names, as text, that differ only by suffix or case. All of these files are read.
        masks: Skipped files that are masks of other images by their names, sorted.
    """

    root: Path
    files: tuple[Path, ...]
    skipped: tuple[SkippedFile, ...]
    same_names: tuple[tuple[str, ...], ...]
    masks: tuple[Path, ...] = ()

    def counts(self, unreadable: Iterable[str] = ()) -> FileCounts:
        """Return how many files were used and skipped. unreadable: names of `files` that could not be read."""
        failed = sorted(unreadable)
        skipped = {**skipped_by_reason(self.skipped), UNREADABLE: failed}
        return count_files(len(self.files) - len(failed), skipped)

    @property
    def notes(self) -> list[str]:
        """Messages for the user: what was skipped, with the first few names of each kind, and names that collide."""
        root, notes = path_text(self.root), []
        if self.skipped:
            what = "file or folder" if len(self.skipped) == 1 else "files or folders"
            notes.append(f"skipping {len(self.skipped)} {what} in {root}: {_by_kind(self.skipped)}")
        if self.same_names:
            names = _some([" and ".join(names) for names in self.same_names])
            notes.append(f"note: files in {root} differ only by suffix or case, and all of them are read: {names}")
        return notes


def content_type_of(path: Path) -> str:
    """Return the media type of an image file by its suffix."""
    return CONTENT_TYPES[path.suffix.lower()]


def suffix_for(content_type: str) -> str:
    """Return the first suffix for a media type. Raises ValueError for a type that is not a supported image type."""
    for suffix, kind in CONTENT_TYPES.items():
        if kind == content_type:
            return suffix
    raise ValueError(f"{content_type!r} is not the media type of a supported image format ({FORMATS})")


def list_images(root: Path) -> ImageFolder:
    """List the image files below a folder.

    Raises InputError if the folder is missing or has no image files; the message names the files that it has.
    """
    if not root.is_dir():
        raise InputError(
            f"{path_text(root)} is not a folder" if root.exists() else f"folder {path_text(root)} does not exist"
        )
    found = scan_folder(root)
    if not found.files:
        raise InputError(no_images_text(found))
    return found


def no_images_text(found: ImageFolder) -> str:
    """Return the error message for a folder without image files."""
    message = f"{path_text(found.root)} contains no image files ({', '.join(CONTENT_TYPES)})"
    return f"{message}; it contains {_by_kind(found.skipped)}" if found.skipped else message


def skipped_by_reason(skipped: Iterable[SkippedFile]) -> dict[str, list[str]]:
    """Return the names of skipped files by reason, the most frequent reason first."""
    names: dict[str, list[str]] = defaultdict(list)
    for each in skipped:
        names[each.why].append(each.name)
    return dict(sorted(names.items(), key=lambda item: -len(item[1])))


def scan_folder(root: Path) -> ImageFolder:
    """Scan a folder and its subfolders.

    Skipped are hidden files and folders, links to folders, masks of other images, and what systems and tools leave in
    folders of images, such as @eaDir, __MACOSX and thumbnails.
    """
    skipped: list[SkippedFile] = []

    def skip(path: Path, why: str) -> None:
        skipped.append(SkippedFile(name_below(root, path), why))

    files, others = _walk(root, skip)
    masks = set(find_masks(root, files))
    for path in masks:
        skip(path, _MASK)
    files = sorted(path for path in files if path not in masks)
    for path in _without_sidecars(others, files):
        skip(path, f"type {path_text(path.suffix.lower())}" if path.suffix else "no suffix")
    skipped.sort(key=lambda each: each.name)
    return ImageFolder(root, tuple(files), tuple(skipped), _same_names(root, files), tuple(sorted(masks)))


def scan_files(root: Path) -> list[Path]:
    """Return all files that `scan_folder` visits, of any type, sorted. Masks are included."""
    images, others = _walk(root, lambda *_: None)
    return sorted(images + others)


Skip = Callable[[Path, str], None]


def _walk(root: Path, skip: Skip) -> tuple[list[Path], list[Path]]:
    """Return the files with the suffix of an image, and the other ones. skip: called for what is not visited."""
    files: list[Path] = []
    others: list[Path] = []
    folders = [root]
    while folders:
        folder = folders.pop()
        entries = _entries(folder, skip)
        written = None if folder == root else why_written([entry.name for entry in entries])
        if written is not None:
            skip(folder, written)
            continue
        for entry in entries:
            path, kind = folder / entry.name, _kind(entry)
            if kind == "file":
                (files if path.suffix.lower() in CONTENT_TYPES else others).append(path)
            elif kind == "folder":
                folders.append(path)
                if path.suffix.lower() in CONTENT_TYPES:
                    skip(path, "folder named like an image")
            else:
                skip(path, kind)
    return files, others


def _entries(folder: Path, skip: Skip) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        skip(folder, f"folder that cannot be listed ({error.strerror})")
        return []


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return "file", "folder", or the reason why the entry is skipped."""
    if entry.name.startswith("."):
        return "hidden"
    try:
        if entry.is_symlink():
            if entry.is_dir():
                return "link to a folder (not followed)"
            if entry.is_file():
                return why_left(entry.name, is_folder=False) or "file"
            return _SPECIAL if Path(entry.path).exists() else "broken link"
        if entry.is_dir():
            return why_left(entry.name, is_folder=True) or "folder"
        return (why_left(entry.name, is_folder=False) or "file") if entry.is_file() else _SPECIAL
    except OSError as error:
        return f"broken link ({error.strerror})"


def _without_sidecars(others: Iterable[Path], images: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are not annotations, which are tables and files named after an image in any folder."""
    stems = {path.stem for path in images}
    for path in others:
        suffix = path.suffix.lower()
        annotates = suffix in _SIDECAR_OF_IMAGE and path.stem in stems
        if suffix != ".csv" and path.name.lower() not in _SIDECAR_NAMES and not annotates:
            yield path


def _same_names(root: Path, files: Iterable[Path]) -> tuple[tuple[str, ...], ...]:
    by_name: dict[tuple[Path, str], list[str]] = defaultdict(list)
    for path in sorted(files):
        by_name[path.parent, path.stem.casefold()].append(name_below(root, path))
    return tuple(tuple(names) for names in by_name.values() if len(names) > 1)


def _by_kind(skipped: Iterable[SkippedFile]) -> str:
    """Summarize by kind, most frequent first: "type .pdf: 3 (a.pdf, b.pdf, c.pdf), broken link: 1 (d.jpg)"."""
    return ", ".join(f"{why}: {len(names)} ({_some(names)})" for why, names in skipped_by_reason(skipped).items())


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED_MAX]) + (", ..." if len(names) > _NAMED_MAX else "")
