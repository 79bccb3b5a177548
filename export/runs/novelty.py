"""The novelty detector of a run: a score of how unlike the training frames a frame is.

The detector reads feature maps of some layers of the backbone (taps), pools them, and compares them with those of the
training frames. The same formula runs in numpy (`NoveltyDetector.score`) and in a Keras model (`novelty_tensor`), which
is exported.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.relative_distance import Array, RelativeDistance
from stripwatch.worker.common.errors import InputError

NOVELTY_SCHEMA = "stripwatch.novelty/1"
_ARRAYS = tuple(field.name for field in fields(RelativeDistance))
MEAN, MEAN_AND_DEVIATION = "mean", "mean+deviation"  # how the maps of a tap are pooled
_STATISTICS = (MEAN, MEAN_AND_DEVIATION)
_VARIANCE_MIN = 1e-12  # rounding may make a variance negative


@dataclass(frozen=True, slots=True, eq=False)
class NoveltyDetector:
    """A novelty detector.

    taps: names of the layers of the backbone whose feature maps are read. statistics: how the maps of each tap are
    pooled, see `pool`. distance: from the training frames.
    """

    taps: tuple[str, ...]
    statistics: tuple[str, ...]
    distance: RelativeDistance

    def score(self, pooled: Sequence[Array]) -> Array:
        """Return the novelty score of each frame, float32 [n]; higher is more novel.

        pooled: features of each tap, float32 [n, f], as returned by `pool`.
        """
        return np.asarray(self.distance.score(pooled, np), np.float32)

    def write(self, path: Path) -> None:
        """Write the detector to an .npz file. Raises InputError, with the path, if it cannot be written."""
        arrays: dict[str, Any] = {name: getattr(self.distance, name) for name in _ARRAYS}
        data = io.BytesIO()
        np.savez_compressed(
            data,
            schema=NOVELTY_SCHEMA,
            taps=np.array(self.taps, np.str_),
            statistics=np.array(self.statistics, np.str_),
            **arrays,
        )
        atomic_write(path, data.getvalue())

    @classmethod
    def read(cls, path: Path) -> "NoveltyDetector":
        """Read a detector. Raises InputError, with the path, if the file cannot be read or is malformed."""
        try:
            with np.load(io.BytesIO(read_whole(path)), allow_pickle=False) as file:
                arrays = dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read {path}: it is not an .npz file ({error}); fit the model again") from error
        try:
            return _decoded(arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is malformed: {_reason(error)}; fit the model again") from error


def pool(maps: Any, statistics: str, ops: Any) -> Any:
    """Return the pooled features of one tap: statistics of each channel over the places.

    maps: feature maps, float32 [n, h, w, c]. statistics: "mean" returns [n, c], "mean+deviation" returns the means and
    the standard deviations side by side, [n, 2c]. ops: numpy or keras.ops.
    """
    mean = ops.mean(maps, axis=(1, 2))
    if statistics == MEAN:
        return mean
    # One pass over the map; the mean of squared differences would take two.
    variance = ops.mean(maps * maps, axis=(1, 2)) - mean * mean
    return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, _VARIANCE_MIN))], axis=1)


def novelty_tensor(detector: NoveltyDetector, maps: Sequence[Any]) -> Any:
    """Return the novelty score as a Keras tensor, float32 [n], from tensors of a Keras model.

    The result is that of `NoveltyDetector.score`, up to rounding, and tf2onnx converts it.

    Args:
        detector: The detector.
        maps: Feature maps of the detector's taps, in their order, each [n, h, w, c].
    """
    import keras

    # A model of its own, because Keras restarts the numbering of operations in each process, so a generated name could
    # be that of an operation in the loaded model.
    inputs = [keras.Input(each.shape[1:], dtype="float32") for each in maps]
    pooled = [pool(each, how, keras.ops) for each, how in zip(inputs, detector.statistics, strict=True)]
    inner = keras.Model(inputs, detector.distance.score(pooled, keras.ops), name="novelty")
    return inner(list(maps))


def _decoded(arrays: dict[str, Any]) -> NoveltyDetector:
    if str(arrays["schema"]) != NOVELTY_SCHEMA:
        raise ValueError(f"its schema is {str(arrays['schema'])!r}, but this version reads {NOVELTY_SCHEMA!r}")
    taps = tuple(str(name) for name in arrays["taps"])
    statistics = tuple(str(name) for name in arrays["statistics"])
    if not taps:
        raise ValueError("it names no taps")
    if len(statistics) != len(taps) or not set(statistics) <= set(_STATISTICS):
        raise ValueError(
            f"its statistics are {', '.join(statistics) or '(none)'}, but must be one of "
            f"{', '.join(_STATISTICS)} for each tap"
        )
    return NoveltyDetector(taps, statistics, RelativeDistance(**{name: _finite(arrays[name]) for name in _ARRAYS}))


def _finite(values: Any) -> Array:
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError("an array is not float32 or contains a value that is not finite")
    return cast(Array, values)


def _reason(error: Exception) -> str:
    return f"it lacks {error.args[0]}" if isinstance(error, KeyError) else str(error)
