"""Fits on given splits, each in a separate process. Finished fits are not repeated."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from stripwatch.export.runs.claim_folder import is_interrupted
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.run_folder import RECORD_FILE, Split, SplitFrame, Task
from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.preparation.prepared_data import read_frames
from stripwatch.training.preparation.sample_depths import check_bit_depth
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import encodable, path_text
from stripwatch.worker.common.process.child_process import module_command, start_process
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.interruption import environment_of_part
from stripwatch.worker.images.decode_spec import DecodeSpec

_COMPARED_SIZE = DecodeSpec(256, 256)  # duplicates are compared at this size
_OOM_HINT = "the machine may have run out of memory, in which case reduce --batch or --input"
_OWN_FLAGS = ("--data", "--out", "--split", "--val-share", "--keep", "--resume", "--json")


class _Request(msgspec.Struct, frozen=True):
    """NAME.fit.json next to the run folder: data, split and options of a fit. It also serves as its split file."""

    split: Split
    data: str
    flags: list[str]


def check_flags(flags: Sequence[str], also: Sequence[str] = ()) -> None:
    """Raise SettingsError for an option that cannot be passed to fit. also: further options to refuse."""
    for flag in (*_OWN_FLAGS, *also):
        if any(word == flag or word.startswith(f"{flag}=") for word in flags):
            raise SettingsError(f"{flag} is set by this command and cannot be passed to fit; omit it")


def common_flags(
    seed: int, layout: str, task: Task, clean_label: str | None, bit_depth: int | None, merge_labels: bool = False
) -> list[str]:
    """Return the options that the command takes itself and that fit needs, too."""
    flags = ["--seed", str(seed), "--layout", layout, "--task", task]
    if bit_depth is not None:
        flags += ["--bit-depth", str(bit_depth)]
    flags += ["--merge-labels"] if merge_labels else []
    return flags if clean_label is None else [*flags, "--clean-label", clean_label]


def read_split_frames(
    data: Path, layout: str, task: Task, clean_label: str | None, bit_depth: int | None, merge_labels: bool = False
) -> tuple[list[SplitFrame], list[int]]:
    """Return the frames as fit reads them, and their group numbers. Raises what read_dataset and read_frames raise."""
    check_bit_depth(bit_depth)
    found = read_dataset(data, layout, merge_labels=merge_labels)
    for note in found.notes:
        say(note)
    dataset, clean_label = for_task(found, task, clean_label)
    spec = msgspec.structs.replace(_COMPARED_SIZE, bit_depth=bit_depth)
    with new_progress() as progress:
        bar = progress.add_task("reading", total=len(dataset.samples))
        data_check = FitCheck(dataset, task, clean_label)
        return read_frames(dataset, spec, lambda: progress.advance(bar), data_check)


def is_finished(folder: Path) -> bool:
    """Return whether a run folder contains a finished run."""
    return (folder / RECORD_FILE).exists()


def check_earlier_fit(folder: Path, flags: Sequence[str], split: Split | None = None) -> None:
    """Raise InputError if a run folder holds a finished run or an interrupted fit with other options or another split.

    split: None if it is not known yet.
    """
    finished = is_finished(folder)
    if not finished and not is_interrupted(folder):
        return
    state = "a run" if finished else "an interrupted fit"
    different = _different(_request_file(folder), flags, split)
    if different:
        raise InputError(
            f"{folder} is {state} with {different}; choose another --out, use the options of the earlier command to "
            "continue it, or remove the folder"
        )


def fit_words(folder: Path, data: Path, flags: Sequence[str]) -> list[str]:
    """Return the options of a fit in a run folder. An interrupted one is resumed."""
    again = ["--resume"] if is_interrupted(folder) else []
    return ["--data", str(data), "--out", str(folder), *flags, *again]


def run_fit(title: str, folder: Path, data: Path, split: Split, flags: Sequence[str]) -> None:
    """Run `fit` for a run folder unless it contains a finished run; resume an interrupted fit.

    If fit fails, its own error message is shown and typer.Exit is raised. Raises InputError if the finished run or the
    interrupted fit has another split or other options, or if the fit was killed.
    """
    check_earlier_fit(folder, flags, split)
    if is_finished(folder):
        say(f"{title}: already finished")
        return
    say(title)
    make_folder(folder.parent)
    request_file = _request_file(folder)
    request = _Request(split, path_text(data.resolve()), encodable(list(flags)))
    atomic_write(request_file, msgspec.json.encode(request))
    words = [*fit_words(folder, data, flags), "--split", str(request_file), "--json", "-"]
    command = [*module_command("training"), "fit", *words]
    # run.json contains more than the JSON of fit
    child = start_process(title, command, stdout=subprocess.DEVNULL, env=environment_of_part())
    try:
        code = child.process.wait()
    finally:
        child.stop()
    if code and not folder.exists():
        request_file.unlink(missing_ok=True)  # the fit was refused, so there is nothing to resume
    if code < 0:  # a fit that exits by itself has printed its error
        reason = signal.strsignal(-code)
        raise InputError(f"{title} was killed ({reason}); {_OOM_HINT}; run the same command again to continue")
    if code:
        raise typer.Exit(code)


def _request_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.fit.json")


def _different(request_file: Path, flags: Sequence[str], split: Split | None) -> str:
    """Return what differs from the recorded request, or an empty text. The data folder may have been moved."""
    try:
        before = msgspec.json.decode(read_whole(request_file), type=_Request) if request_file.exists() else None
    except msgspec.MsgspecError:
        before = None
    if before is None:
        return f"unknown options, because {request_file.name} next to it is missing or damaged"
    if before.flags != encodable(list(flags)):
        return f"other options ({' '.join(before.flags)})"
    return "" if split in (None, before.split) else "other images or another split"
