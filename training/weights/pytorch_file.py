"""PyTorch checkpoints, read without PyTorch and without running code of the file.

A checkpoint is a pickle that refers to raw numbers. Unpickling can run any code, so only the few classes of a state
dict are allowed (https://docs.python.org/3/library/pickle.html#restricting-globals). The layouts are those of
torch.save, before and since PyTorch 1.6
(https://docs.pytorch.org/docs/stable/notes/serialization.html).
"""

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import InputError

Tensors = dict[str, NDArray[np.float32]]

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
_OLD_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a file of PyTorch 1.5 and earlier
_COUNT = struct.Struct("<q")  # in old files, before the numbers of a storage
_PICKLE_START = b"\x80"
_OLD_HEADERS = 3  # pickles before the state dict: magic number, version, properties of the system


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers in the file. dtype: of numpy, or bfloat16. count: their number."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage. offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda tensor, *_: tensor
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(
            f"it contains {module}.{name}, and only tensors are read; save the state dict: "
            "torch.save(model.state_dict(), FILE)"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, _, count, *_ = pid
        return _Storage(dtype, str(key), int(count))


def read_pytorch(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, with tensors as float32 arrays. Nested dicts stay nested.

    Raises InputError for a damaged file, and for one that contains other objects than tensors.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1)
            content = _read_zip(path) if zipfile.is_zipfile(file) else _read_old(path, start)
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises almost any type
        reason = str(error).strip() or type(error).__name__
        raise InputError(f"{path} cannot be read as a PyTorch checkpoint: {reason}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} contains a {type(content).__name__}, not a state dict; save model.state_dict()")
    return dict(content)


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if not found:
            raise InputError(f"{path} is a zip file without data.pkl, so it is not a PyTorch checkpoint")
        with archive.open(found[0]) as file:
            content = _Unpickler(file).load()
        root = found[0].removesuffix("data.pkl")
        return _resolved(content, lambda storage: archive.read(f"{root}data/{storage.key}"))


def _read_old(path: Path, start: bytes) -> Any:
    if start != _PICKLE_START:
        raise InputError(
            f"{path} is not a checkpoint; pass a state dict that torch.save has written, a .safetensors file, or a "
            "TensorFlow checkpoint"
        )
    with path.open("rb") as file:
        if _Unpickler(file).load() != _OLD_MAGIC:
            raise InputError(f"{path} is not a PyTorch checkpoint")
        for _ in range(_OLD_HEADERS - 1):
            _Unpickler(file).load()
        content = _Unpickler(file).load()
        storages = {storage.key: storage for storage in _storages(content)}
        stored = {str(key): _read_old_storage(file, storages, str(key)) for key in _Unpickler(file).load()}
    return _resolved(content, lambda storage: stored[storage.key])


def _read_old_storage(file: IO[bytes], storages: Mapping[str, _Storage], key: str) -> bytes:
    head = file.read(_COUNT.size)
    data = file.read(_COUNT.unpack(head)[0] * _item_bytes(storages[key].dtype)) if len(head) == _COUNT.size else b""
    if not data:
        raise InputError(f"{file.name} is incomplete: it ends within the numbers of its tensors")
    return data


def _storages(value: Any) -> Iterator[_Storage]:
    if isinstance(value, _Tensor):
        yield value.storage
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _storages(item)


def _resolved(value: Any, read: Callable[[_Storage], bytes]) -> Any:
    """Replace tensors in a value by arrays. read: returns the bytes of a storage."""
    if isinstance(value, _Tensor):
        return _to_array(value, read(value.storage))
    if isinstance(value, Mapping):
        return {key: _resolved(item, read) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolved(item, read) for item in value]
    return value


def _to_array(tensor: _Tensor, data: bytes) -> NDArray[np.float32]:
    numbers = _to_numbers(tensor.storage.dtype, data)
    shape, strides = tuple(map(int, tensor.shape)), tuple(map(int, tensor.strides))
    if not _fits(len(numbers), int(tensor.offset), shape, strides):
        raise InputError(f"a tensor of shape {shape} is larger than the {len(numbers)} numbers that are stored for it")
    if 0 in shape:
        return np.zeros(shape, np.float32)
    bytes_ = [stride * numbers.itemsize for stride in strides]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, bytes_, writeable=False)
    return np.array(view, np.float32)


def _fits(count: int, offset: int, shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Return whether a view stays inside the stored numbers. numpy does not check it."""
    if len(shape) != len(strides) or offset < 0 or min((*shape, *strides), default=0) < 0:
        return False
    return 0 in shape or offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) < count


def _to_numbers(dtype: str, data: bytes) -> NDArray[Any]:
    if dtype != "bfloat16":
        return np.frombuffer(data, dtype)
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)  # its bits are the upper half


def _item_bytes(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
