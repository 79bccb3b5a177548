"""Labelling of collected frames, by sorted folders or by a table, into the folders that `fit` reads."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.reviewed_folder import (
    SKIP,
    UNSORTED,
    read_collected,
    read_entries,
    write_entries,
)
from stripwatch.training.datasets.samples import find_images
from stripwatch.training.labeling.label_check import LabelCheck
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.common.terminal.file_counts import FileCounts, count_files
from stripwatch.worker.images.image_files import SkippedFile, scan_folder, skipped_by_reason

Moves = dict[Path, str]  # file to move, and name of the target folder


def accept_sorted(out: Path, new_labels: bool) -> dict[str, Any]:
    """Accept each folder of _unsorted as the label of its frames, and move them. Returns a summary.

    new_labels: accept labels that the model does not know. Raises InputError or DataError, with all problems, before
    any file is moved.
    """
    entries, files = read_collected(out)
    check, problems = LabelCheck(entries, files, new_labels), Problems(str(out / UNSORTED))
    moves: Moves = {}
    for path in find_images(out / UNSORTED):
        label = path.relative_to(out / UNSORTED).parts[0]
        if path.parent == out / UNSORTED:
            problems.add(f"{path} is not in the folder of a label; move it to one, or to {UNSORTED}/{SKIP}")
            continue
        moves[path] = label
    for label in dict.fromkeys(moves.values()):
        check.note(label, str(out / UNSORTED / label))
    check.report(problems)
    return _finish(out, moves, problems)


def label_from(table: Path, out: Path, new_labels: bool) -> dict[str, Any]:
    """Label frames by a CSV file with the columns id and label, and move them. Returns a summary.

    A frame with an empty label stays where it is; one with the label _skip is excluded from training. new_labels:
    accept labels that the model does not know. Raises InputError or DataError, with all problems and their lines,
    before any file is moved.
    """
    entries, files = read_collected(out)
    columns, rows = read_rows(table)
    if "id" not in columns or "label" not in columns:
        raise DataError(f"{table} needs the columns id and label, but has {', '.join(columns) or 'none'}")
    check, problems = LabelCheck(entries, files, new_labels), Problems(str(table))
    moves: Moves = {}
    label_of: dict[str, str] = {}
    places = {entry.id: files.find(entry.name) for entry in entries.values()}
    for where, row in rows:
        label = row["label"]
        if not label:
            continue
        path = places.get(row["id"])
        if path is None:
            problems.add(f"{where}: {out} has no frame {row['id']!r}")
            continue
        check.note(label, where)
        folder = path.relative_to(out).parts[0]
        before = label_of.setdefault(row["id"], label if folder.startswith("_") else folder)
        if before != label:
            problems.add(
                f"{where}: {row['id']!r} has the label {label!r} here, but is already labelled {before!r}; a frame has "
                "only one label"
            )
        elif folder != label:
            moves[path] = label
    check.report(problems)
    return _finish(out, moves, problems)


def _finish(out: Path, moves: Moves, problems: Problems) -> dict[str, Any]:
    """Move the files if there are no problems, update collected.csv, and return a summary."""
    targets: dict[Path, Path] = {}
    for path, label in moves.items():
        target = out / label / path.name
        if target.exists():
            problems.add(_occupied_text(path, target))
        elif (other := targets.setdefault(target, path)) != path:
            problems.add(f"cannot move both {other} and {path} to {target}; rename or remove one of them")
    problems.check()
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


def sorted_summary(out: Path, others: Sequence[SkippedFile] = ()) -> dict[str, Any]:
    """Return the number of frames by label, and of those that are not sorted or not used for training.

    others: frames outside the folder that a command passed over; they are counted as skipped.
    """
    found = scan_folder(out)
    names = [name_below(out, path) for path in found.files]
    folders = [name.partition("/")[0] for name in names]
    labels = Counter(folder for folder in folders if not folder.startswith("_"))
    return {
        "labels": dict(sorted(labels.items())),
        "unsorted": folders.count(UNSORTED),
        "skipped": folders.count(SKIP),
        "file_counts": msgspec.to_builtins(_counts(names, [*found.skipped, *others])),
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
        raise InputError(_occupied_text(path, target))
    try:
        path.rename(target)
    except OSError as error:
        raise InputError(f"cannot move {path} to {target}: {error.strerror}") from error
    return target


def _occupied_text(path: Path, target: Path) -> str:
    return f"cannot move {path} to {target}: the target already exists; rename or remove one of them"
