"""Reuse of the split of an earlier run (`--split FILE`)."""

from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.errors import InputError


class _Holder(msgspec.Struct):
    split: Split
    flags: list[str] | None = None


def read_split(path: Path) -> Split:
    """Read the split from a run.json, or any JSON file with the same field `split`.

    Raises InputError, with the path, if the file cannot be read or has no split.
    """
    return _read(path).split


def is_fit_request(path: Path) -> bool:
    """Return whether crossval or compare wrote the file for a fit that it starts. Raises what read_split raises."""
    return _read(path).flags is not None


def _read(path: Path) -> _Holder:
    try:
        return msgspec.json.decode(read_whole(path), type=_Holder)
    except msgspec.MsgspecError as error:
        raise InputError(f"--split {path} is not a run.json: {error}") from error


def check_split(split: Split, frames: list[SplitFrame], path: Path) -> None:
    """Raise DataError, with the file, unless the split contains exactly these frames, unchanged and each once."""
    available = {frame.name: frame for frame in frames}
    used: set[str] = set()
    problems = Problems(f"--split {path}")
    for frame in split.train + split.validation:
        current = available.get(frame.name)
        if current is None:
            problems.add(f"--split {path} contains {frame.name}, which is not in the data folder")
        elif current.label != frame.label:
            problems.add(f"{frame.name} has the label {frame.label!r} in --split {path}, but {current.label!r} now")
        elif current.sha256 != frame.sha256:
            problems.add(f"{frame.name} has changed since --split {path}: its SHA-256 differs")
        elif frame.name in used:
            problems.add(f"--split {path} contains {frame.name} twice")
        used.add(frame.name)
    missing = sorted(available.keys() - used)
    if missing:
        problems.add(f"--split {path} lacks {len(missing)} files of the data folder, such as {missing[0]}")
    problems.check()
