"""What a frozen backbone gives for each frame: computed once, kept on disk, read by every fit that may use it."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import FEATURES_STEM, Configuration
from stripwatch.worker.common.atomic_files import named_when_whole
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec

Features = NDArray[np.float32]
_BYTES_MAX = 4_000_000_000  # a fit holds them twice: as they are, and scaled


def features_name(configuration: Configuration, spec: DecodeSpec, data_sha256: str, weights_sha256: str | None) -> str:
    """The file for the features of a data set: of all that they depend on, and of nothing else."""
    c = configuration
    what = (c.network, c.alpha, c.cut, c.weights, weights_sha256, c.head, c.precision, spec, data_sha256)
    return f"{FEATURES_STEM}{hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]}.npy"


def keepable(model: keras.Model, frames: int) -> bool:
    """Whether the features of this many frames fit into the memory of a plain machine."""
    return 4 * frames * int(np.prod(model.output_shape[1:])) <= _BYTES_MAX


def write_features(path: Path, batches: Iterable[Features], shape: Sequence[int]) -> None:
    """Write float32 features of that shape, whole or not at all. Raises InputError, with the path, for a full disk."""
    try:
        with named_when_whole(path) as part, part.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for batch in batches:
                file.write(np.ascontiguousarray(batch, "<f4").data)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def read_features(path: Path) -> Features:
    """Mapped, not read: rows come into memory as they are asked for. Raises InputError for a file that is none."""
    try:
        found: Features = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the features in {path} ({error}): remove the file") from error
    return found
