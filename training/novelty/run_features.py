"""Features of the frames of a finished run, for its novelty detector and for detectors without one of its classes."""

import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.frames import read_frame, read_pixels
from stripwatch.export.runs.keras_model import find_backbone
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import FEATURES_STEM, Head, SplitFrame
from stripwatch.training.novelty.taps import Taps, with_pooled_taps
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

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
class CopyReader:
    """Reads a changed copy of each frame.

    read: maps an encoded image, the decode spec and the name of the frame to pixels, uint8 [h, w, c]. identity: of the
    changes; names cached features.
    """

    read: Callable[[bytes, DecodeSpec, str], Pixels]
    identity: str


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """Frames in a folder.

    root: the folder. frames: [n]. decode: how they are decoded. copy: reads changed copies instead of the frames.
    """

    root: Path
    frames: Sequence[SplitFrame]
    decode: DecodeSpec
    copy: CopyReader | None = None

    def pixels(self, start: int, stop: int) -> Pixels:
        """Return the pixels of some frames, uint8 [n, h, w, c]. Raises InputError if a file has changed."""
        frames, copy = self.frames[start:stop], self.copy
        if copy is None:
            return read_pixels(self.root, frames, self.decode)

        def read(frame: SplitFrame) -> Pixels:
            return copy.read(read_frame(self.root, frame), self.decode, frame.name)

        with ThreadPoolExecutor(usable_cores()) as pool:
            return np.stack(list(pool.map(read, frames)))


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
    title = "features" if folder.copy is None else "features of changed copies"
    task = progress.add_task(title, total=len(folder.frames))
    found = []
    for at in range(0, len(folder.frames), _BATCH):
        pixels = folder.pixels(at, at + _BATCH)
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
    backbone = find_backbone(model)
    identity = (backbone.name, taps.names, taps.statistics, folder.decode, backbone.output_shape[-1])
    digest = hashlib.sha256(msgspec.json.encode(identity))
    if folder.copy is not None:
        digest.update(folder.copy.identity.encode())
    for weight in backbone.get_weights():
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
