"""Reject models with custom operators, which are code, or with weights in other files.

ONNX Runtime opens any file that a tensor names. It rejects operators that are not registered, but has operators of its
own that load files, such as EPContext. The field numbers are those of onnx.proto, see onnx_metadata.py.
"""

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.onnx_file.onnx_metadata import bytes_tag, fields, text_of, varint, varint_tag

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})  # domains of the ONNX standard
_DEPTH_MAX = 32
# The relevant fields of each message, by field number.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_CHILDREN = {
    message: {bytes_tag(number): child for number, child in children.items()} for message, children in _MESSAGES.items()
}
_NODE_OPERATOR, _NODE_DOMAIN = bytes_tag(4), bytes_tag(7)
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = bytes_tag(8), bytes_tag(13), varint_tag(14)


def check_graph(model: bytes) -> None:
    """Check the graph of an ONNX file. Raises BundleError that names the operator or the tensor."""
    _check(model, "model", 0, len(model), 0)


def _check(model: bytes, message: str, start: int, end: int, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise BundleError(f"its graph is nested more than {_DEPTH_MAX} messages deep")
    found = list(fields(model, start, end))
    if message == "node":
        _check_node(model, found)
    if message == "tensor":
        _check_tensor(model, found)
    for tag, (child_start, child_end) in found:
        if child := _CHILDREN[message].get(tag):
            _check(model, child, child_start, child_end, depth + 1)


def _check_node(model: bytes, found: list[tuple[int, tuple[int, int]]]) -> None:
    for tag, span in found:
        if tag == _NODE_DOMAIN and (domain := text_of(model, span)) not in DOMAINS:
            operator = next((text_of(model, span) for tag, span in found if tag == _NODE_OPERATOR), "")
            raise BundleError(f"its operator {operator!r} of domain {domain!r} is not part of the ONNX standard")


def _check_tensor(model: bytes, found: list[tuple[int, tuple[int, int]]]) -> None:
    for tag, span in found:
        if tag == _TENSOR_EXTERNAL or (tag == _TENSOR_LOCATION and varint(model, *span)[0] != 0):
            name = next((text_of(model, span) for tag, span in found if tag == _TENSOR_NAME), "")
            raise BundleError(f"its tensor {name!r} is stored in another file; a bundle must be one file")
