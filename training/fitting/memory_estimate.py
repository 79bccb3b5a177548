"""What a step of a fit is sure to need of the machine's memory, looked at before it is asked for.

A GPU says when it is full. A processor does not: Linux ends the process without a word.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import keras
import psutil

from stripwatch.worker.common.errors import SettingsError

_VALUE_BYTES = 4
_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # psutil knows the machine alone


def check_memory(fitted: Sequence[keras.layers.Layer], batch: int, free_bytes: int) -> None:
    """fitted: the layers of the backbone whose weights change.

    Raises SettingsError, naming the batch, where not even what the layers take in has room. They need it once more when
    the gradients go back, so it is kept for a whole batch; a step needs about twice as much.
    """
    needed = batch * _VALUE_BYTES * sum(map(_values_taken, fitted))
    if needed > free_bytes:
        raise SettingsError(
            f"--batch {batch} needs more than {needed / 1e9:.1f} GB of memory at this --input, and the machine has "
            f"{free_bytes / 1e9:.1f} GB free: lower one of them, or cut earlier"
        )


def free_bytes() -> int:
    """Of the machine, or of the container if that may have less."""
    limits = [int(limit) for limit in _lines(_CONTAINER) if limit.isdigit()]
    return min([psutil.virtual_memory().available, *limits])


def _values_taken(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.BatchNormalization) or not layer.weights:
        return 0
    return math.prod(layer.input.shape[1:])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
