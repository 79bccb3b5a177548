"""Claim of a run folder by a fit, which never overwrites a finished run or an interrupted fit."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripwatch.export.runs.files import is_temporary
from stripwatch.export.runs.run_folder import (
    BEGUN_FILE,
    FEATURES_STEM,
    HISTORY_FILE,
    MODEL_FILE,
    MODEL_PART,
    NOVELTY_FILE,
    RECORD_FILE,
    STATE_SUFFIX,
)
from stripwatch.worker.common.atomic_files import PART
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.images.folders.tool_files import why_left

_MACOS_FILE = ".DS_Store"
_STATE_PART = f"part{STATE_SUFFIX}"  # a checkpoint that is being written


def is_interrupted(folder: Path) -> bool:
    """Return whether a fit in this folder was interrupted after it had stored features, a model or a checkpoint."""
    return _is_interrupted(_names(folder))


def require_free(folder: Path, resume: bool = False) -> None:
    """Raise InputError if a fit may not use the folder, before any work is done.

    resume: the fit continues an interrupted one.
    """
    found = _names(folder)
    if RECORD_FILE in found:
        raise InputError(f"{folder} is a finished run; choose another --out, or remove the folder")
    if foreign := next((name for name in found if not _is_run_file(name)), None):
        raise InputError(f"{folder} holds {foreign!r}, which is not part of a run; choose another --out")
    if not resume and _is_interrupted(found):
        raise InputError(
            f"{folder} contains an interrupted fit; add --resume to continue it with the same options, choose another "
            "--out, or remove the folder"
        )


@contextmanager
def claimed_folder(folder: Path, resume: bool = False) -> Iterator[None]:
    """Claim a run folder during the block, so that no second fit writes to it. Raises what claim_folder raises.

    The lock ends with its process, so a killed fit leaves none behind.
    """
    require_free(folder, resume)
    make_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InputError(f"another fit writes to {folder}; wait until it ends, or choose another --out") from error
    except OSError as error:
        say(f"note: {folder} cannot be locked ({error.strerror}); do not start a second fit with the same --out")
    try:
        claim_folder(folder, resume)
        yield
    finally:
        os.close(descriptor)


def claim_folder(folder: Path, resume: bool = False) -> None:
    """Create the run folder, or clear the remains of a killed fit; with `resume` these are kept.

    Raises InputError if the folder holds a finished run, an interrupted fit, or files that do not belong to a run.
    """
    require_free(folder, resume)
    make_folder(folder)
    found = _names(folder)
    try:
        for name in [] if resume and BEGUN_FILE in found else found:
            (folder / name).unlink()
    except OSError as error:
        raise InputError(f"cannot use {folder} as run folder: {error.strerror}") from error


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted, without what file managers leave; none if it does not exist."""
    try:
        found = sorted(path.name for path in folder.iterdir())
        return [name for name in found if name != _MACOS_FILE and why_left(name, is_folder=False) is None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot use {folder} as run folder: {error.strerror}") from error


def _is_interrupted(found: list[str]) -> bool:
    return BEGUN_FILE in found and any(map(_is_result, found))


def _is_run_file(name: str) -> bool:
    if is_temporary(name):
        return True
    bare = name.removesuffix(PART)
    known = {MODEL_FILE, MODEL_PART, NOVELTY_FILE, HISTORY_FILE, RECORD_FILE, BEGUN_FILE}
    return bare in known or name.endswith(STATE_SUFFIX) or (bare.startswith(FEATURES_STEM) and bare.endswith(".npy"))


def _is_result(name: str) -> bool:
    """Return whether a file took time to compute and lets a fit continue."""
    features = name.startswith(FEATURES_STEM) and name.endswith(".npy")
    return name == MODEL_FILE or features or (name.endswith(STATE_SUFFIX) and name != _STATE_PART)
