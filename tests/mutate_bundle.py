"""Bundles with a correct checksum but wrong bytes, a wrong graph or a wrong manifest."""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.manifest_codec import MANIFEST_KEY
from stripwatch.worker.model.onnx_file.onnx_metadata import CHECKSUM_KEY, NO_CHECKSUM, add_checksum

_NUMBERS = (0, 1, -1, 7, 2**31, -(2**63), 2**40, 1e308, 1e-308, 0.5)
_TEXTS = ("", "\x00", "é", "x" * 5000, "NaN", "../a", "[" * 2000)
_OTHERS: tuple[Any, ...] = (None, True, [], {}, [[]], [[[]]], {"a": {}})


def mutate_bundle(bundle: bytes, rng: np.random.Generator) -> bytes:
    """Return a bundle after one to three mutations, with a correct checksum if one can be written."""
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(4)
        try:
            bundle = (_bytes, _graph, _manifest, _name)[kind](bundle, rng)
        except Exception:  # too damaged already for this kind of mutation
            bundle = _bytes(bundle, rng)
    try:
        return add_checksum(bundle)
    except BundleError:
        return bundle


def _bytes(bundle: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(bundle)
    start = int(rng.integers(0, max(1, len(data))))
    size = int(rng.choice([1, 1, 2, 8, 200]))
    what = rng.integers(4)
    if what == 0 and data:
        data[start] ^= 1 << int(rng.integers(8))
    elif what == 1:
        data[start : start + size] = rng.bytes(size)
    elif what == 2:
        del data[start : start + size]
    else:
        data[start:start] = data[start : start + size]
    return bytes(data)


def _name(bundle: bytes, rng: np.random.Generator) -> bytes:
    """Make a name of the graph invalid UTF-8, in one place or everywhere."""
    name = (b"frames", b"scores", b"heatmaps", b"novelty", b"logits", b"batch")[rng.integers(6)]
    wrong = b"\xff" * len(name)
    return bundle.replace(name, wrong, -1 if rng.random() < 0.5 else int(rng.integers(1, 4)))


def _graph(bundle: bytes, rng: np.random.Generator) -> bytes:
    model = onnx.load_from_string(bundle)
    graph = model.graph
    what = rng.integers(8)
    if what == 0:
        tensor = _pick(graph.initializer, rng)
        tensor.dims[:] = [int(rng.choice([0, -1, 1, 5, 2**31, 2**62])) for _ in range(rng.integers(0, 5))]
    elif what == 1:
        _pick(graph.initializer, rng).data_type = int(rng.integers(0, 30))
    elif what == 2:
        node = _pick(graph.node, rng)
        node.op_type = str(rng.choice(["Loop", "If", "Cast", "Reshape", "Softmax", "Pad", "Expand", ""]))
    elif what == 3:
        node = _pick(graph.node, rng)
        names = [name for other in graph.node for name in (*other.input, *other.output)]
        (node.input or node.output)[0] = str(rng.choice([*names, "", "nobody"]))
    elif what == 4:
        value = _pick([*graph.input, *graph.output], rng)
        dims = value.type.tensor_type.shape.dim
        if dims:
            _pick(dims, rng).dim_value = int(rng.choice([0, 1, 2, 3, 7, 2**40, -1]))
    elif what == 5:
        _pick([*graph.input, *graph.output], rng).type.tensor_type.elem_type = int(rng.integers(0, 20))
    elif what == 6:
        attributes = [attribute for node in graph.node for attribute in node.attribute]
        attribute = _pick(attributes, rng)
        attribute.i = int(rng.choice([-100, -1, 0, 1, 99, 2**62]))
        if attribute.ints:
            attribute.ints[:] = [int(rng.choice([-9, -1, 0, 1, 2, 9, 2**62])) for _ in range(rng.integers(0, 4))]
    else:
        tensor = _pick(graph.initializer, rng)
        if tensor.data_type == TensorProto.FLOAT and tensor.raw_data:
            values = np.frombuffer(tensor.raw_data, np.float32).copy()
            values[rng.integers(values.size)] = rng.choice(np.array([np.nan, np.inf, 1e38, 0, -5], np.float32))
            tensor.raw_data = values.tobytes()
    return bytes(model.SerializeToString())


def _manifest(bundle: bytes, rng: np.random.Generator) -> bytes:
    model = onnx.load_from_string(bundle)
    for entry in model.metadata_props:
        if entry.key == MANIFEST_KEY:
            entry.value = _changed_json(entry.value, rng)
        elif entry.key == CHECKSUM_KEY:
            entry.value = NO_CHECKSUM
    return bytes(model.SerializeToString())


def _changed_json(text: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.1:
        return "[" * 100_000
    document: Any = json.loads(text)
    places: list[tuple[Any, Any]] = []
    _collect(document, places)
    holder, key = places[rng.integers(len(places))]
    kinds = (_NUMBERS, _TEXTS, _OTHERS)[rng.integers(3)]
    if rng.random() < 0.15 and isinstance(holder, dict):
        del holder[key]
    elif rng.random() < 0.15 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = kinds[rng.integers(len(kinds))]
    return json.dumps(document)


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        places.append((node, key))
        _collect(node[key], places)


def _pick(items: Any, rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]
