"""The frames of a run, read again from the data folder and proved to be the same."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels


def read_frame(root: Path, frame: SplitFrame) -> bytes:
    """The encoded file. Raises InputError when it is gone, or not the file of the run any more."""
    path = file_below(root, frame.name)
    encoded = read_whole(path)
    if hashlib.sha256(encoded).hexdigest() != frame.sha256:
        raise InputError(f"{path_text(path)} is not the file that the run was made with: its sha256 differs")
    return encoded


def read_pixels(root: Path, frames: Sequence[SplitFrame], spec: DecodeSpec) -> Pixels:
    """uint8 [n, h, w, c]."""
    return np.stack([decode(read_frame(root, frame), spec).pixels for frame in frames])
