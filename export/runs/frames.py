"""Reading the frames of a run from its data folder, with a check that the files are unchanged."""

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
