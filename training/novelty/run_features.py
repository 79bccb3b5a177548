"""Features of the frames of a finished run, for its novelty detector and for detectors without one of its classes."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import find_backbone
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import FEATURES_STEM, Head, SplitFrame
from stripwatch.training.novelty.taps import Taps, with_pooled_taps
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.images.decode_spec import DecodeSpec

_BATCH = 32
_MAP_READERS: dict[Head, str] = {"gap": "pool", "paper-baseline": "pool", "dense": "hidden"}  # read the last map


@dataclass(frozen=True, slots=True)
class RunFeatures:
    """Features that a backbone computes for frames.

    taps: pooled features of each tap, float32 [n, f]. head: mean of the last feature map over its cells, float32
    [n, c], which a linear classifier can be fitted on.
    """

    taps: list[Array]
    head: Array

    def at(self, rows: np.ndarray) -> "RunFeatures":
        """Return the features of the frames at these positions."""
        return RunFeatures([each[rows] for each in self.taps], self.head[rows])


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """Frames in a folder. root: the folder. frames: [n]. decode: how they are decoded."""

    root: Path
    frames: Sequence[SplitFrame]
    decode: DecodeSpec


def run_features(
    model: keras.Model, head: Head, taps: Taps, folder: FrameFolder, cache: Path | None, progress: Progress
) -> RunFeatures:
    """Return the features of frames, from the cache if it has them. model: of a run. head: its head.

    The name of the cached file depends on the weights of the backbone, on the frames and on how they are decoded, so
    that runs which share a frozen backbone share the file. Raises what read_pixels raises, and InputError if the cache
    cannot be read or written.
    """
    file = None if cache is None else cache / _file_name(model, taps, folder)
    if file is not None and file.exists():
        return _split(taps, _read(file))
    view = _feature_view(model, head, taps)
    task = progress.add_task("features", total=len(folder.frames))
    found = []
    for at in range(0, len(folder.frames), _BATCH):
        pixels = read_pixels(folder.root, folder.frames[at : at + _BATCH], folder.decode)
        found.append(np.asarray(view.predict_on_batch(pixels), np.float32))
        progress.advance(task, len(pixels))
    columns = np.concatenate(found)
    if file is not None:
        make_folder(file.parent)
        _write(file, columns)
    return _split(taps, columns)


def find_taps(backbone: keras.Model, names: Sequence[str]) -> Taps:
    """Return the taps with these names. Raises InputError if the backbone lacks a layer."""
    layers = {layer.name: (at, layer) for at, layer in enumerate(backbone.layers)}
    for name in names:
        if name not in layers:
            raise InputError(
                f"the novelty detector reads layer {name!r}, which the backbone lacks; fit the model again"
            )
    positions = tuple(layers[name][0] for name in names)
    return Taps(tuple(names), positions, tuple(layers[name][1].output.shape[-1] for name in names))


def _feature_view(model: keras.Model, head: Head, taps: Taps) -> keras.Model:
    """Return a model from frames to all features side by side: those of the taps, then those of the head."""
    last_map = model.get_layer(_MAP_READERS[head]).input
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(last_map)
    view = with_pooled_taps(keras.Model(model.inputs, pooled), taps)
    return keras.Model(view.inputs, keras.ops.concatenate([view.outputs[1], view.outputs[0]], axis=1))


def _split(taps: Taps, columns: Array) -> RunFeatures:
    return RunFeatures(taps.split(columns[:, : taps.features]), columns[:, taps.features :])


def _file_name(model: keras.Model, taps: Taps, folder: FrameFolder) -> str:
    identity = (find_backbone(model).name, taps.names, taps.statistics, folder.decode)
    digest = hashlib.sha256(msgspec.json.encode(identity))
    for weight in find_backbone(model).get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    for frame in folder.frames:
        digest.update(frame.sha256.encode())
    return f"{FEATURES_STEM}{digest.hexdigest()[:16]}.npy"


def _write(file: Path, columns: Array) -> None:
    data = io.BytesIO()
    np.save(data, columns)
    atomic_write(file, data.getvalue())


def _read(file: Path) -> Array:
    try:
        found: Array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read the features in {file} ({error}); delete the file") from error
    return found
