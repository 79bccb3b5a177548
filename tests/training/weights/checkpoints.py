"""Checkpoints as PyTorch and TensorFlow write them, without PyTorch."""

import pickle
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}
_FIRST_BLOCKS = (0, 1, 3, 5, 8, 11, 15)  # first block of each stage of EfficientNet-Lite0


class Stored:
    """A tensor that is pickled as PyTorch pickles one: a call with a reference to numbers elsewhere in the file."""

    def __init__(self, key: str, array: NDArray[Any], shape: tuple[int, ...] | None = None) -> None:
        self.key, self.array, self.shape = key, np.ascontiguousarray(array), shape or array.shape

    def __reduce__(self) -> Any:
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        return rebuild, (_Reference(self), 0, self.shape, strides, False, OrderedDict())


class _Reference:
    def __init__(self, tensor: Stored) -> None:
        self.tensor = tensor


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Reference):
            return None
        array = obj.tensor.array
        kind = getattr(sys.modules["torch"], _STORAGES[array.dtype.name])
        return ("storage", kind, obj.tensor.key, "cpu", array.size)


def pickled(value: Any, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Pickle a value under the names of the classes of PyTorch, which is not installed."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for name in _STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    exec("def _rebuild_tensor_v2(*args): return args", utils.__dict__)
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    buffer = BytesIO()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        _Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def stored(arrays: Arrays) -> dict[str, Stored]:
    return OrderedDict((name, Stored(str(number), array)) for number, (name, array) in enumerate(arrays.items()))


def write_zip(path: Path, value: Any, tensors: Mapping[str, Stored], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file as PyTorch 1.6 and later. value: content, with the tensors somewhere inside."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled(value, monkeypatch))
        for tensor in tensors.values():
            archive.writestr(f"model/data/{tensor.key}", tensor.array.tobytes())
    return path


def write_old(path: Path, tensors: Mapping[str, Stored], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file as PyTorch 1.5 and earlier."""
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    content = [*(pickle.dumps(each, 2) for each in heads), pickled(tensors, monkeypatch)]
    content.append(pickle.dumps([tensor.key for tensor in tensors.values()], 2))
    for tensor in tensors.values():
        content += [np.int64(tensor.array.size).tobytes(), tensor.array.tobytes()]
    path.write_bytes(b"".join(content))
    return path


def timm_lite0(network: keras.Model) -> dict[str, NDArray[Any]]:
    """Return the weights of EfficientNet-Lite0 under the names and in the layout of timm."""
    found: dict[str, NDArray[Any]] = {}
    for layer in network.layers:
        name = _timm_name(layer.name)
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            for part, value in zip(("weight", "bias", "running_mean", "running_var"), values, strict=True):
                found[f"{name}.{part}"] = value
            found[f"{name}.num_batches_tracked"] = np.array([7], np.int64)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            found[f"{name}.weight"] = values[0].transpose(2, 3, 0, 1)
        elif values:
            found[f"{name}.weight"] = values[0].transpose(3, 2, 0, 1)
    return found


def _timm_name(name: str) -> str:
    if not name.startswith("block"):
        return {"stem_conv": "conv_stem", "stem_bn": "bn1", "head_conv": "conv_head", "head_bn": "bn2"}.get(name, name)
    found = re.fullmatch(r"block(\d+)_(.+)", name)
    assert found is not None
    number, part = int(found[1]), found[2]
    stage = max(at for at, first in enumerate(_FIRST_BLOCKS) if first <= number)
    parts = ["expand", "dw", "project"] if stage else ["dw", "project"]  # the first stage does not expand
    convolutions = ["conv_pw", "conv_dw", "conv_pwl"] if stage else ["conv_dw", "conv_pw"]
    at = next((each for each, start in enumerate(parts) if part.startswith(start)), 0)
    layer = f"bn{at + 1}" if part.endswith("bn") else convolutions[at]
    return f"blocks.{stage}.{number - _FIRST_BLOCKS[stage]}.{layer}"


def tpu_lite0(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return the weights of EfficientNet-Lite0 under the names of the published TensorFlow checkpoint."""
    found: dict[str, NDArray[np.float32]] = {}
    for layer in network.layers:
        values = layer.get_weights()
        if not values:
            continue
        folder, part = re.sub(r"^block(\d+)_", r"blocks_\1 ", re.sub(r"^(stem|head)_", r"\1 ", layer.name)).split(" ")
        expands = folder not in ("stem", "head", "blocks_0")
        name = f"efficientnet-lite0/{folder}/{_tpu_name(part, expands)}"
        if isinstance(layer, keras.layers.BatchNormalization):
            for role, value in zip(("gamma", "beta", "moving_mean", "moving_variance"), values, strict=True):
                found[f"{name}/{role}"] = value
        else:
            found[f"{name}/{'depthwise_kernel' if 'depthwise' in name else 'kernel'}"] = values[0]
    return found


def _tpu_name(part: str, expands: bool) -> str:
    if part.endswith("bn"):
        number = {"bn": 0, "expand_bn": 0, "dw_bn": int(expands), "project_bn": 1 + int(expands)}[part]
        return f"tpu_batch_normalization_{number}" if number else "tpu_batch_normalization"
    if part == "dw_conv":
        return "depthwise_conv2d"
    return "conv2d_1" if part == "project_conv" and expands else "conv2d"
