"""Labelling of collected frames, by sorted folders or by a table, into the folders that `fit` reads."""

import difflib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.reviewed_folder import (
    NOVEL,
    SKIP,
    UNSORTED,
    ReviewedFrame,
    may_be_folder,
    read_collected,
    read_entries,
    write_entries,
)
from stripwatch.training.datasets.samples import find_images
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.common.terminal.file_counts import FileCounts, count_files
from stripwatch.worker.images.image_files import SkippedFile, scan_folder, skipped_by_reason

Moves = dict[Path, str]  # file to move, and name of the target folder


def accept_sorted(out: Path, new_labels: bool) -> dict[str, Any]:
    """Accept each folder of _unsorted as the label of its frames, and move them. Returns a summary.

    new_labels: accept labels that the model does not know. Raises InputError or DataError before any file is moved.
    """
    entries, _ = read_collected(out)
    known = known_labels(entries, new_labels)
    moves: Moves = {}
    for path in find_images(out / UNSORTED):
        label = path.relative_to(out / UNSORTED).parts[0]
        check_label(label if path.parent != out / UNSORTED else "", known, str(path))
        moves[path] = label
    return _finish(out, moves)


def label_from(table: Path, out: Path, new_labels: bool) -> dict[str, Any]:
    """Label frames by a CSV file with the columns id and label, and move them. Returns a summary.

    A frame with an empty label stays where it is; one with the label _skip is excluded from training. new_labels:
    accept labels that the model does not know. Raises InputError or DataError, with the line, before any file is moved.
    """
    entries, files = read_collected(out)
    known = known_labels(entries, new_labels)
    by_id = {entry.id: entry for entry in entries.values()}
    columns, rows = read_rows(table)
    if "id" not in columns or "label" not in columns:
        raise DataError(f"{table} needs the columns id and label, but has {', '.join(columns) or 'none'}")
    moves: Moves = {}
    label_of: dict[str, str] = {}
    for where, row in rows:
        label = row["label"]
        if not label:
            continue
        path = files.find(by_id[row["id"]].name) if row["id"] in by_id else None
        if path is None:
            raise DataError(f"{where}: {out} has no frame {row['id']!r}")
        check_label(label, known, where)
        folder = path.relative_to(out).parts[0]
        before = label_of.setdefault(row["id"], label if folder.startswith("_") else folder)
        if before != label:
            raise DataError(
                f"{where}: {row['id']!r} has the label {label!r} here, but is already labelled {before!r}; a frame has "
                "only one label"
            )
        if folder != label:
            moves[path] = label
    return _finish(out, moves)


def known_labels(entries: dict[str, ReviewedFrame], new_labels: bool) -> set[str] | None:
    """Return the labels of the models that published the frames, or None if any label is accepted."""
    return None if new_labels else {label for entry in entries.values() for label in entry.labels}


def check_label(label: str, known: set[str] | None, where: str) -> None:
    """Raise DataError, with the nearest name, for a label that is not valid or not known. known: None accepts any."""
    if label == SKIP:
        return
    if label == NOVEL:
        raise DataError(
            f"{where} is not sorted yet: move each frame in {UNSORTED}/{NOVEL} to the folder of its class in "
            f"{UNSORTED}, to a new folder if it shows a new kind of defect (then use --new-labels), or to "
            f"{UNSORTED}/{SKIP}"
        )
    if not may_be_folder(label):
        raise DataError(
            f"{where}: {label!r} is not a valid label; labels are folder names without slashes that do not begin with "
            "'.' or '_'"
        )
    if known is not None and label not in known:
        near = difflib.get_close_matches(label, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known labels are {', '.join(sorted(known))}."
        raise DataError(f"{where}: the model has no label {label!r}; {hint} Use --new-labels to accept it")


def _finish(out: Path, moves: Moves) -> dict[str, Any]:
    """Move the files, update collected.csv, and return a summary."""
    for path, label in moves.items():
        move_frame(path, out / label)
    remove_empty(out / UNSORTED)
    write_entries(out, read_entries(out).values())
    return {"out": str(out), "moved": len(moves), **sorted_summary(out)}


def remove_empty(root: Path) -> None:
    """Remove the empty folders below a folder, and the folder itself if nothing is left."""
    for folder in sorted(root.glob("**/"), reverse=True):
        with suppress(OSError):  # folders that are not empty stay
            folder.rmdir()


def sorted_summary(out: Path) -> dict[str, Any]:
    """Return the number of frames by label, and of those that are not sorted or not used for training."""
    found = scan_folder(out)
    names = [name_below(out, path) for path in found.files]
    folders = [name.partition("/")[0] for name in names]
    labels = Counter(folder for folder in folders if not folder.startswith("_"))
    return {
        "labels": dict(sorted(labels.items())),
        "unsorted": folders.count(UNSORTED),
        "skipped": folders.count(SKIP),
        "file_counts": msgspec.to_builtins(_counts(names, found.skipped)),
    }


def _counts(names: list[str], skipped: Sequence[SkippedFile]) -> FileCounts:
    """Return how many frames have a label that `fit` uses, and why the other files of the folder have none."""
    unused = {name: _why_unused(name.partition("/")[0]) for name in names if name.startswith("_") or "/" not in name}
    others = [SkippedFile(name, why) for name, why in unused.items()]
    return count_files(len(names) - len(others), skipped_by_reason([*others, *skipped]))


def _why_unused(folder: str) -> str:
    return {UNSORTED: "not sorted yet", SKIP: "excluded by a person"}.get(folder, "not in the folder of a label")


def move_frame(path: Path, folder: Path) -> Path:
    """Move a file into a folder, and return its new path. Raises InputError if the target exists."""
    make_folder(folder)
    target = folder / path.name
    if target.exists():
        raise InputError(f"cannot move {path} to {target}: the target already exists; rename or remove one of them")
    try:
        path.rename(target)
    except OSError as error:
        raise InputError(f"cannot move {path} to {target}: {error.strerror}") from error
    return target
