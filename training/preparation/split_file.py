"""`--split FILE`: the split of an earlier run, found again in the data."""

from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.worker.common.errors import DataError, InputError


class _Holder(msgspec.Struct):
    split: Split


def read_split(path: Path) -> Split:
    """From a run.json, or any JSON with a split like that. Raises InputError, with the path, for anything else."""
    try:
        return msgspec.json.decode(read_whole(path), type=_Holder).split
    except msgspec.MsgspecError as error:
        raise InputError(f"--split {path} is no run.json: {error}") from error


def check_split(split: Split, frames: list[SplitFrame], path: Path) -> None:
    """Raises DataError, with the file, unless the split deals out exactly these frames, unchanged, each once."""
    there = {frame.name: frame for frame in frames}
    dealt: set[str] = set()
    for frame in split.train + split.validation:
        found = there.get(frame.name)
        if found is None:
            raise DataError(f"--split {path} names {frame.name}, which the data folder does not hold")
        if found.label != frame.label:
            raise DataError(f"--split {path} has {frame.name} as {frame.label!r}; in the data it is {found.label!r}")
        if found.sha256 != frame.sha256:
            raise DataError(f"{frame.name} is not the file of --split {path} any more: its sha256 differs")
        if frame.name in dealt:
            raise DataError(f"--split {path} names {frame.name} twice")
        dealt.add(frame.name)
    left = sorted(there.keys() - dealt)
    if left:
        raise DataError(f"--split {path} leaves out {len(left)} files of the data folder, the first is {left[0]}")
