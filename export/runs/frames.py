"""Reading the frames of a run from its data folder, with a check that the files are unchanged."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import Run, SplitFrame
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import file_below, path_of, path_text
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

_NAMED_MAX = 3


def find_data(run: Run, moved: Path | None, training: bool = True) -> Path:
    """Return the data folder of a run, after a check of its files, so that a long command does not fail at its end.

    Every file must exist, and the validation frames must be unchanged. The contents of training frames are checked when
    they are read.

    moved: current location of the folder; None for the location that the run states. training: the command reads the
    training frames, too. Raises InputError, with the number of files and the first names.
    """
    root = moved or path_of(run.data)
    if not root.is_dir():
        if moved is not None:
            raise InputError(f"--data {path_text(root)} does not exist; pass the data folder of the run")
        raise InputError(
            f"the data folder {path_text(root)} of the run does not exist; if it was moved, pass its current location "
            "with --data"
        )
    validation = run.split.validation
    frames = [*(run.split.train if training else []), *validation]
    missing = [frame.name for frame in frames if not file_below(root, frame.name).is_file()]
    if missing:
        raise InputError(
            f"{path_text(root)} lacks {len(missing)} of {len(frames)} images of the run: {_few(missing)}; restore "
            "them, or pass the current location of the data folder with --data"
        )
    changed = [frame.name for frame in validation if not _is_unchanged(root, frame)]
    if changed:
        raise InputError(
            f"{len(changed)} of {len(validation)} validation images in {path_text(root)} were changed after the run "
            f"(their SHA-256 differs): {_few(changed)}; restore them, pass another location of the data folder with "
            "--data, or fit the model again"
        )
    return root


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _is_unchanged(root: Path, frame: SplitFrame) -> bool:
    return hashlib.sha256(read_whole(file_below(root, frame.name))).hexdigest() == frame.sha256


def read_frame(root: Path, frame: SplitFrame) -> bytes:
    """Return the encoded image. Raises InputError if the file is missing or has changed since the run."""
    path = file_below(root, frame.name)
    encoded = read_whole(path)
    if hashlib.sha256(encoded).hexdigest() != frame.sha256:
        raise InputError(
            f"{path_text(path)} has changed since the run: its SHA-256 differs; restore the file or fit the model again"
        )
    return encoded


def read_pixels(root: Path, frames: Sequence[SplitFrame], spec: DecodeSpec) -> Pixels:
    """Decode frames to one array, uint8 [n, h, w, c]. Raises what read_frame and decode raise."""
    return np.stack([decode(read_frame(root, frame), spec).pixels for frame in frames])
