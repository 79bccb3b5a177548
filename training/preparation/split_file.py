"""Reuse of the split of an earlier run (`--split FILE`)."""

from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.worker.common.errors import DataError, InputError


class _Holder(msgspec.Struct):
    split: Split


def read_split(path: Path) -> Split:
    """Read the split from a run.json, or any JSON file with the same field `split`.

    Raises InputError, with the path, if the file cannot be read or has no split.
    """
    try:
        return msgspec.json.decode(read_whole(path), type=_Holder).split
    except msgspec.MsgspecError as error:
        raise InputError(f"--split {path} is not a run.json: {error}") from error


def check_split(split: Split, frames: list[SplitFrame], path: Path) -> None:
    """Raise DataError, with the file, unless the split contains exactly these frames, unchanged and each once."""
    available = {frame.name: frame for frame in frames}
    used: set[str] = set()
    for frame in split.train + split.validation:
        current = available.get(frame.name)
        if current is None:
            raise DataError(f"--split {path} contains {frame.name}, which is not in the data folder")
        if current.label != frame.label:
            raise DataError(f"{frame.name} has the label {frame.label!r} in --split {path}, but {current.label!r} now")
        if current.sha256 != frame.sha256:
            raise DataError(f"{frame.name} has changed since --split {path}: its SHA-256 differs")
        if frame.name in used:
            raise DataError(f"--split {path} contains {frame.name} twice")
        used.add(frame.name)
    missing = sorted(available.keys() - used)
    if missing:
        raise DataError(f"--split {path} lacks {len(missing)} files of the data folder, such as {missing[0]}")
