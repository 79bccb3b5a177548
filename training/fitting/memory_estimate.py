"""Lower bound of the memory that a training step needs on a CPU, checked before the fit.

A GPU reports when its memory is full. On a CPU, Linux kills the process without an error message.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import keras
import psutil

from stripwatch.worker.common.errors import SettingsError

_VALUE_BYTES = 4
_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # psutil ignores the limit of a container


def check_memory(fitted: Sequence[keras.layers.Layer], batch: int, free_bytes: int) -> None:
    """Raise SettingsError, with the batch size, if the inputs of the fitted layers alone exceed the free memory.

    These inputs are kept for the whole batch because the backward pass needs them; a step needs about twice as much.
    fitted: the layers of the backbone whose weights change.
    """
    needed = batch * _VALUE_BYTES * sum(map(_values_taken, fitted))
    if needed > free_bytes:
        raise SettingsError(
            f"--batch {batch} needs more than {needed / 1e9:.1f} GB of memory at this --input, but only "
            f"{free_bytes / 1e9:.1f} GB are free; reduce one of them, or cut the backbone earlier"
        )


def free_bytes() -> int:
    """Return the free memory in bytes: of the machine, or the limit of the container if that is lower."""
    limits = [int(limit) for limit in _lines(_CONTAINER) if limit.isdigit()]
    return min([psutil.virtual_memory().available, *limits])


def _values_taken(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.BatchNormalization) or not layer.weights:
        return 0
    return math.prod(layer.input.shape[1:])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
