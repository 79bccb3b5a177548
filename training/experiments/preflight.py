"""Checks of all fits of an experiment before the first one runs, which may take hours.

`python -m stripwatch.training.experiments.preflight` builds the networks of several fits. It is a separate process,
because TensorFlow keeps the memory of a GPU until its process ends.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import typer

from stripwatch.export.runs.lazy_imports import load_tensorflow, silenced
from stripwatch.training.fitting.command import settings_of
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.worker.common.errors import DataError, InputError, SettingsError, StripwatchError, run_checks
from stripwatch.worker.common.process.child_process import module_command, start_process
from stripwatch.worker.common.terminal.command_line import LazyCommand
from stripwatch.worker.common.terminal.console import say

_FIT = LazyCommand("fit", "stripwatch.training.fitting.command:fit", "")
_KINDS: dict[int, type[StripwatchError]] = {
    kind.exit_code: kind for kind in (SettingsError, InputError, DataError, StripwatchError)
}


@dataclass(frozen=True, slots=True)
class PlannedFit:
    """A fit of an experiment. name: for messages, may be empty. words: options of fit, with --data and --out."""

    name: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a fit. code: exit code of the error."""

    text: str
    code: int


def check_options(fits: Sequence[PlannedFit]) -> None:
    """Raise an error with everything that is wrong with the options of all fits. Uses no device."""
    run_checks(partial(_check_options, fit) for fit in fits)


def check_networks(fits: Sequence[PlannedFit]) -> None:
    """Build the network of each fit, load its weights, and estimate its memory, in a separate process.

    Raises an error with everything that prevents a fit before it reads the images.
    """
    say("checking the networks")
    command = module_command("training.experiments.preflight")
    child = start_process("check of the networks", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        printed, _ = child.process.communicate(json.dumps([asdict(fit) for fit in fits]).encode())
    finally:
        child.stop()
    if child.process.returncode:
        raise InputError(f"the check of the networks ended with exit code {child.process.returncode}; see above")
    faults = [Fault(**fields) for fields in json.loads(printed.splitlines()[-1])]
    run_checks(partial(_raise, fault) for fault in faults)


def parse_fit(fit: PlannedFit) -> FitSettings:
    """Return the settings that fit gets. Raises SettingsError for options that it does not accept."""
    command: Any = _FIT.load()
    try:
        return settings_of(command.make_context("fit", list(fit.words)).params)
    except typer.TyperException as error:
        message = error.format_message().rstrip(".")
        raise SettingsError(message[0].lower() + message[1:]) from error


def find_faults(fits: Sequence[PlannedFit]) -> list[Fault]:
    """Return everything that prevents a fit before it reads the images. All fits have the same data."""
    import keras

    from stripwatch.training.datasets.dataset import read_dataset
    from stripwatch.training.fitting.fit_plan import check_fit

    faults: list[Fault] = []
    data = None
    for fit in fits:
        keras.backend.clear_session()
        try:
            settings = parse_fit(fit)
            data = data or read_dataset(settings.data, settings.layout, merge_labels=settings.merge_labels)
            check_fit(settings, data)
        except StripwatchError as error:
            faults.append(Fault(f"{fit.name}: {error}", error.exit_code))
    return faults


def main() -> None:
    """Read the fits as JSON from stdin, and write their faults as JSON to stdout."""
    fits = [PlannedFit(**fields) for fields in json.load(sys.stdin)]
    load_tensorflow()
    with silenced():
        faults = find_faults(fits)
    print(json.dumps([asdict(fault) for fault in faults]), flush=True)


def _check_options(fit: PlannedFit) -> None:
    from stripwatch.training.fitting.fit_plan import check_settings

    _with_name(fit, lambda: check_settings(parse_fit(fit)))


def _with_name(fit: PlannedFit, check: Callable[[], None]) -> None:
    try:
        check()
    except StripwatchError as error:
        raise _kind(error.exit_code)(f"{fit.name}: {error}" if fit.name else str(error)) from error


def _raise(fault: Fault) -> None:
    raise _kind(fault.code)(fault.text)


def _kind(code: int) -> type[StripwatchError]:
    return _KINDS.get(code, InputError)


if __name__ == "__main__":
    main()
