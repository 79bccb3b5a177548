"""Cache of the features that a frozen backbone computes for each frame, on disk and shared by later fits."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import FEATURES_STEM, Configuration
from stripwatch.training.preparation.augment import AUGMENTATION_VERSION
from stripwatch.worker.common.atomic_files import rename_when_complete
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec

Features = NDArray[np.float32]
_BYTES_MAX = 4_000_000_000  # a fit holds the features twice, raw and scaled


def features_name(configuration: Configuration, spec: DecodeSpec, data_sha256: str, weights_sha256: str | None) -> str:
    """Return the file name for the features of a data set, a hash of everything that they depend on."""
    c = configuration
    parts = (c.network, c.alpha, c.cut, c.weights, weights_sha256, c.head, c.precision, spec, data_sha256)
    identity = parts if c.maps == "last" else (*parts, c.maps)  # names of files of older versions stay valid
    return f"{FEATURES_STEM}{hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]}.npy"


def taps_name(features: str, positions: Sequence[int], statistics: Sequence[str]) -> str:
    """Return the file name for features of taps. features: name of the file for the head's features of these frames.

    positions: of the taps in the backbone. statistics: how their maps are pooled.
    """
    identity = hashlib.sha256(msgspec.json.encode((positions, statistics))).hexdigest()[:8]
    return f"{features.removesuffix('.npy')}-taps-{identity}.npy"


def copy_name(features: str, seed: int, copy: int, shared: bool) -> str:
    """Return the file name for features of a changed copy of each frame, next to the file `features`.

    seed, copy: determine the changes. shared: the file covers all frames, otherwise the training frames only.
    """
    identity = hashlib.sha256(msgspec.json.encode((AUGMENTATION_VERSION, seed, copy, shared))).hexdigest()[:8]
    return f"{features.removesuffix('.npy')}-copy-{identity}.npy"


def strong_copy_name(features: str, version: int, copy: int, shared: bool) -> str:
    """Return the file name as copy_name does, for strong changes, which do not depend on the seed of the fit.

    version: of the changes.
    """
    identity = hashlib.sha256(msgspec.json.encode(("strong", version, copy, shared))).hexdigest()[:8]
    return f"{features.removesuffix('.npy')}-copy-{identity}.npy"


def keepable(model: keras.Model, frames: int, further: int = 0) -> bool:
    """Return whether the features of this many frames take at most 4 GB, so that an ordinary machine can hold them.

    further: features of a frame that are held besides those of the model.
    """
    return 4 * frames * (int(np.prod(model.output_shape[1:])) + further) <= _BYTES_MAX


def write_features(path: Path, batches: Iterable[Features], shape: Sequence[int]) -> None:
    """Write float32 features of this shape atomically. Raises InputError, with the path, if the disk is full."""
    try:
        with rename_when_complete(path) as part, part.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for batch in batches:
                file.write(np.ascontiguousarray(batch, "<f4").data)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def read_features(path: Path) -> Features:
    """Memory-map a feature file, so that rows are loaded on demand. Raises InputError if the file is invalid."""
    try:
        found: Features = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the features in {path} ({error}); delete the file") from error
    return found
