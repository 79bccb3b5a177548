"""Several fits on splits that were made before: each in a process of its own, finished ones never done again."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from stripwatch.export.runs.files import atomic_write, make_folder, read_whole
from stripwatch.export.runs.run_folder import RECORD_FILE, Split, SplitFrame, Task
from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.preparation.prepared_data import read_frames
from stripwatch.training.preparation.sample_depths import check_bit_depth
from stripwatch.worker.common.console import new_progress, say
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.path_text import encodable, path_text
from stripwatch.worker.common.process.child_process import module_command, start_process
from stripwatch.worker.images.decode_spec import DecodeSpec

_ANY_SIZE = DecodeSpec(256, 256)  # copies are compared at this size
_OFTEN = "if nobody did that, the memory of the machine was full, so lower --batch or --input"
_OURS = ("--data", "--out", "--split", "--val-share", "--keep", "--resume")


class _Request(msgspec.Struct, frozen=True):
    """NAME.fit.json beside the run folder: what the fit was asked for. It is the split file too."""

    split: Split
    data: str
    flags: list[str]


def check_flags(flags: Sequence[str], also: Sequence[str] = ()) -> None:
    """Raises SettingsError for a flag that cannot be passed on to fit."""
    for flag in (*_OURS, *also):
        if any(word == flag or word.startswith(f"{flag}=") for word in flags):
            raise SettingsError(f"{flag} is set by this command and cannot be passed on to fit")


def common_flags(seed: int, layout: str, task: Task, clean_label: str | None, bit_depth: int | None) -> list[str]:
    """What the commands take themselves and fit must know too."""
    flags = ["--seed", str(seed), "--layout", layout, "--task", task]
    if bit_depth is not None:
        flags += ["--bit-depth", str(bit_depth)]
    return flags if clean_label is None else [*flags, "--clean-label", clean_label]


def read_split_frames(
    data: Path, layout: str, task: Task, clean_label: str | None, bit_depth: int | None
) -> tuple[list[SplitFrame], list[int]]:
    """The frames as fit will see them, and their groups. Raises what read_dataset and read_frames raise."""
    check_bit_depth(bit_depth)
    found = read_dataset(data, layout)
    for note in found.notes:
        say(note)
    dataset, _ = for_task(found, task, clean_label)
    spec = msgspec.structs.replace(_ANY_SIZE, bit_depth=bit_depth)
    with new_progress() as progress:
        bar = progress.add_task("reading", total=len(dataset.samples))
        return read_frames(dataset, spec, lambda: progress.advance(bar))


def run_fit(title: str, folder: Path, data: Path, split: Split, flags: Sequence[str]) -> None:
    """Run `fit` into a folder unless it holds a finished run; continue with one that was killed.

    The sentence of fit is the one shown when it fails. Raises InputError when the finished run was asked for otherwise.
    """
    request_file = folder.with_name(f"{folder.name}.fit.json")
    request = msgspec.json.encode(_Request(split, path_text(data.resolve()), encodable(list(flags))))
    asked_before = request_file.exists() and read_whole(request_file) == request
    if (folder / RECORD_FILE).exists():
        if not asked_before:
            raise InputError(f"{folder} is a run of other data, another split or other flags: choose another --out")
        say(f"{title}: was finished before")
        return
    say(title)
    make_folder(folder.parent)
    atomic_write(request_file, request)
    places = ["--data", str(data), "--out", str(folder), "--split", str(request_file)]
    command = [*module_command("training"), "fit", *places, *flags, *(["--resume"] if asked_before else [])]
    child = start_process(title, command, stdout=subprocess.DEVNULL)  # run.json says more
    try:
        code = child.process.wait()
    finally:
        child.stop()
    if code < 0:  # a fit that ends itself has said why
        reason = signal.strsignal(-code)
        raise InputError(f"{title} was ended from outside ({reason}): {_OFTEN}; the same command continues from there")
    if code:
        raise typer.Exit(code)
