"""The novelty detector of a run: a score of how unlike the training frames a frame is.

The detector reads feature maps of some layers of the backbone (taps), pools them, and compares them with those of the
training frames. The same formula runs in numpy (`NoveltyDetector.score`) and in a Keras model (`novelty_tensor`), which
is exported.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.novelty_components import COMPONENTS, Array, Component
from stripwatch.worker.common.errors import InputError

NOVELTY_SCHEMA = "stripwatch.novelty/1"
_COMBINATIONS = ("max", "mean")
MEAN, MEAN_AND_DEVIATION = "mean", "mean+deviation"  # how the maps of a tap are pooled
_STATISTICS = (MEAN, MEAN_AND_DEVIATION)
_VARIANCE_MIN = 1e-12  # rounding may make a variance negative


@dataclass(frozen=True, slots=True, eq=False)
class NoveltyDetector:
    """A novelty detector.

    taps: names of the layers of the backbone whose feature maps are read. components: how distances are measured.
    offset, factor: float32 [components], standardisation: a distance d counts as (d - offset) * factor, so that
    components are comparable. combination: "max" or "mean" of the standardised distances. statistics: how the maps of
    each tap are pooled, see `pool`.
    """

    taps: tuple[str, ...]
    components: tuple[Component, ...]
    offset: Array
    factor: Array
    statistics: tuple[str, ...]
    combination: str = "max"

    def score(self, pooled: Sequence[Array], scores: Array) -> Array:
        """Return the novelty score of each frame, float32 [n]; higher is more novel.

        pooled: features of each tap, float32 [n, f], as returned by `pool`. scores: of the classifier, [n, labels].
        """
        return np.asarray(_combined(self, pooled, scores, np), np.float32)

    def distances(self, pooled: Sequence[Array], scores: Array) -> Array:
        """Return the distance by each component before standardisation, float32 [n, components]."""
        found = [each.distance(pooled, scores, np) for each in self.components]
        return np.stack(found, axis=1).astype(np.float32)

    def write(self, path: Path) -> None:
        """Write the detector to an .npz file. Raises InputError, with the path, if it cannot be written."""
        kinds = {kind: name for name, kind in COMPONENTS.items()}
        arrays: dict[str, Any] = {
            "schema": NOVELTY_SCHEMA,
            "taps": np.array(self.taps, np.str_),
            "kinds": np.array([kinds[type(each)] for each in self.components], np.str_),
            "offset": self.offset,
            "factor": self.factor,
            "combination": self.combination,
            "statistics": np.array(self.statistics, np.str_),
        }
        for at, each in enumerate(self.components):
            arrays |= {_key(at, field.name): getattr(each, field.name) for field in fields(each)}
        data = io.BytesIO()
        np.savez_compressed(data, **arrays)
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


def novelty_tensor(detector: NoveltyDetector, maps: Sequence[Any], scores: Any) -> Any:
    """Return the novelty score as a Keras tensor, float32 [n], from tensors of a Keras model.

    The result is that of `NoveltyDetector.score`, up to rounding, and tf2onnx converts it.

    Args:
        detector: The detector.
        maps: Feature maps of the detector's taps, in their order, each [n, h, w, c].
        scores: Scores of the classifier, [n, labels].
    """
    import keras

    # A model of its own, because Keras names operations anew in each process, and names of a loaded model may collide.
    inputs = [keras.Input(each.shape[1:], dtype="float32") for each in (*maps, scores)]
    pooled = [pool(each, how, keras.ops) for each, how in zip(inputs[:-1], detector.statistics, strict=True)]
    inner = keras.Model(inputs, _combined(detector, pooled, inputs[-1], keras.ops), name="novelty")
    return inner([*maps, scores])


def _combined(detector: NoveltyDetector, pooled: Sequence[Any], scores: Any, ops: Any) -> Any:
    found = [
        (each.distance(pooled, scores, ops) - float(offset)) * float(factor)
        for each, offset, factor in zip(detector.components, detector.offset, detector.factor, strict=True)
    ]
    if len(found) == 1:
        return found[0]
    stacked = ops.stack(found, axis=1)
    combine = cast(Callable[..., Any], ops.max if detector.combination == "max" else ops.mean)
    return combine(stacked, axis=1)


def _decoded(arrays: dict[str, Any]) -> NoveltyDetector:
    if str(arrays["schema"]) != NOVELTY_SCHEMA:
        raise ValueError(f"its schema is {str(arrays['schema'])!r}, but this version reads {NOVELTY_SCHEMA!r}")
    taps = tuple(str(name) for name in arrays["taps"])
    kinds = [str(kind) for kind in arrays["kinds"]]
    components = tuple(_component(arrays, at, kind) for at, kind in enumerate(kinds))
    offset, factor = arrays["offset"], arrays["factor"]
    combination = str(arrays["combination"])
    if not taps or not components or offset.shape != (len(kinds),) or factor.shape != (len(kinds),):
        raise ValueError("the numbers of taps, components, offsets and factors do not match")
    if combination not in _COMBINATIONS:
        raise ValueError(f"the combination is {combination!r}, but must be one of {', '.join(_COMBINATIONS)}")
    statistics = tuple(str(name) for name in arrays["statistics"])
    if len(statistics) != len(taps) or not set(statistics) <= set(_STATISTICS):
        raise ValueError(
            f"its statistics are {', '.join(statistics) or '(none)'}, but must be one of "
            f"{', '.join(_STATISTICS)} for each tap"
        )
    if any(getattr(each, "tap", 0) not in range(len(taps)) for each in components):
        raise ValueError("a component reads a tap that the file does not name")
    return NoveltyDetector(taps, components, _finite(offset), _finite(factor), statistics, combination)


def _component(arrays: dict[str, Any], at: int, kind: str) -> Component:
    if kind not in COMPONENTS:
        raise ValueError(f"its component {kind!r} is unknown to this version")
    made: Callable[..., Component] = COMPONENTS[kind]
    values = {field.name: arrays[_key(at, field.name)] for field in fields(COMPONENTS[kind])}
    return made(**{name: _finite(value) if value.ndim else int(value) for name, value in values.items()})


def _finite(values: Any) -> Array:
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError("an array is not float32 or contains a value that is not finite")
    return cast(Array, values)


def _key(at: int, name: str) -> str:
    return f"component_{at}_{name}"


def _reason(error: Exception) -> str:
    return f"it lacks {error.args[0]}" if isinstance(error, KeyError) else str(error)
