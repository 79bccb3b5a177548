"""Folders that commands create, and that a failed command removes if they are still empty."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stripwatch.worker.common.errors import InputError

_created: list[Path] = []


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents. Raises InputError, with the path, on failure."""
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot create the folder {path}: {getattr(error, 'strerror', error)}") from error
    _created.extend(folder.absolute() for folder in reversed(missing))


@contextmanager
def empty_folders_removed_on_failure() -> Iterator[None]:
    """Remove the folders that `make_folder` created and that are still empty if the block raises or exits with a code
    other than 0.
    """
    try:
        yield
    except SystemExit as end:
        if end.code:
            _remove_empty()
        raise
    except BaseException:
        _remove_empty()
        raise


def _remove_empty() -> None:
    """Remove the empty ones among the created folders, children before parents."""
    while _created:
        with suppress(OSError):  # it has content, or is already gone
            _created.pop().rmdir()


def require_outside(option: str, out: Path | None, inputs: Iterable[Path]) -> None:
    """Raise InputError if an output is a folder of input data or inside one, where it would count as data later.

    option: name of the output's option, for the message. Links are followed. An input that is a file is not compared.
    """
    if out is None:
        return
    target = _real(out)
    for folder in inputs:
        if folder.is_dir() and target.is_relative_to(_real(folder)):
            raise InputError(
                f"{option} {out} is inside the data folder {folder}, where later runs would read it as data; choose a "
                "path outside"
            )


def _real(path: Path) -> Path:
    """Follow all links. Unlike Path.resolve, accept a loop of links, which fails with a clear error when it is used."""
    return Path(os.path.realpath(path))


def require_place(option: str, path: Path | None, new: bool = False) -> None:
    """Raise InputError before any work is done if a file of the user's choice cannot be written.

    option: name of the option, for the message. new: an existing file is an error, too.
    """
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    if new and path.exists():
        raise InputError(f"{option} {path} already exists; name a new file, or remove it")
