"""Tensors of a checkpoint file: PyTorch, safetensors, or TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stripwatch.training.weights.pytorch_file import Tensors, read_pytorch
from stripwatch.worker.common.errors import InputError, SettingsError

Framework = Literal["pytorch", "tensorflow"]

_PARALLEL = "module."  # prefix of a model that was saved inside DataParallel
_AVERAGED = "/ExponentialMovingAverage"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint. tensors: by name, in the order of the file, in the layout of the framework."""

    framework: Framework
    tensors: Tensors


def read_checkpoint(path: Path, key: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    path: a .pth, .pt, .bin or .safetensors file, or a TensorFlow checkpoint: its .index file, its prefix, or the folder
    with a single one. key: name of the state dict inside a PyTorch file that has several. Raises InputError if it
    cannot be read, SettingsError for a key that the file does not have.
    """
    prefix = _tensorflow_prefix(path)
    if prefix is not None:
        return Checkpoint("tensorflow", _read_tensorflow(prefix))
    if not path.is_file():
        raise InputError(f"{path}: no such file, and no TensorFlow checkpoint {path}.index")
    if path.suffix in (".h5", ".keras"):
        raise InputError(f"{path} is a Keras file; pass it to `stripwatch train fit --weights`")
    if path.suffix == ".safetensors":
        return Checkpoint("pytorch", _read_safetensors(path))
    return Checkpoint("pytorch", _state_dict(path, read_pytorch(path), key))


def _tensorflow_prefix(path: Path) -> Path | None:
    """Return the prefix of the files of a TensorFlow checkpoint, or None for another file."""
    if path.is_dir():
        found = sorted([*path.glob("*.index"), *path.glob("variables/*.index")])
        if not found:
            raise InputError(f"{path} contains no TensorFlow checkpoint (*.index); name a checkpoint or its folder")
        if len(found) > 1:
            raise InputError(f"{path} has {len(found)} TensorFlow checkpoints (*.index); name one of them")
        return found[0].with_suffix("")
    if path.suffix == ".index":
        return path.with_suffix("")
    return path if path.with_name(f"{path.name}.index").is_file() else None


def _read_tensorflow(prefix: Path) -> Tensors:
    """Return the variables, averaged over the training where the checkpoint has averages, as its authors evaluate."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        names = [name for name in shapes if not name.endswith(_AVERAGED)]
        return {
            name: np.asarray(reader.get_tensor(name + _AVERAGED if name + _AVERAGED in shapes else name), np.float32)
            for name in names
            if reader.get_variable_to_dtype_map()[name].is_floating
        }
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise InputError(f"{prefix} cannot be read as a TensorFlow checkpoint: {error}") from error


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: np.asarray(tensor, np.float32) for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError, KeyError) as error:  # KeyError: a type that numpy does not have
        raise InputError(f"{path} cannot be read as a safetensors file: {error}") from error


def _state_dict(path: Path, content: Mapping[str, Any], key: str | None) -> Tensors:
    dicts = {name: value for name, value in content.items() if _has_tensors(value)}
    if key is not None:
        if key not in dicts:
            raise SettingsError(f"--key {key}: {path} has {', '.join(dicts) or 'no state dicts'}")
        content = dicts[key]
    elif not _has_tensors(content):
        if len(dicts) != 1:
            several = f"has several state dicts, choose one with --key: {', '.join(dicts)}" if dicts else "has none"
            raise InputError(f"{path}: a state dict is expected, but the file {several}")
        content = next(iter(dicts.values()))
    return {
        str(name).removeprefix(_PARALLEL): value for name, value in content.items() if isinstance(value, np.ndarray)
    }


def _has_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(item, np.ndarray) for item in value.values())
