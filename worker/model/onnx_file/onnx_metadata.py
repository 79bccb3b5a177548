"""Read the metadata of an ONNX file and write its checksum, without loading the model and without the onnx package.

An ONNX file is one protobuf message, ModelProto; its metadata is field 14, repeated pairs of strings
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). This module parses only the top level of the message;
onnx_checks.py parses the nested messages.
"""

import hashlib
from collections.abc import Iterator

from stripwatch.worker.common.errors import BundleError

CHECKSUM_KEY = "stripwatch.sha256"
NO_CHECKSUM = "0" * 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TAG_MAX = 2**32 - 1
Span = tuple[int, int]


def varint_tag(number: int) -> int:
    return number << 3 | _VARINT


def bytes_tag(number: int) -> int:
    """Return the tag of a string or message field. The same number with another encoding is a different field."""
    return number << 3 | _BYTES


_IR_VERSION, _GRAPH, _METADATA = varint_tag(1), bytes_tag(7), bytes_tag(14)
_KEY, _VALUE = bytes_tag(1), bytes_tag(2)


def read_metadata(model: bytes) -> dict[str, str]:
    """Return the metadata of an ONNX file. Raises BundleError if the bytes are not a complete ONNX file."""
    return {key: text_of(model, span) for key, span in _metadata_spans(model).items()}


def add_checksum(model: bytes) -> bytes:
    """Return the file with its sha256 in place of the NO_CHECKSUM value of CHECKSUM_KEY.

    The digest is computed with 64 zeros in place of the checksum, so it covers every other byte.
    """
    start, end = _checksum_span(model)
    return model[:start] + _digest(model, (start, end)).encode() + model[end:]


def verify_checksum(model: bytes) -> str:
    """Return the sha256 stated in the file. Raises BundleError if any byte of the file was changed."""
    span = _checksum_span(model)
    stated, found = text_of(model, span), _digest(model, span)
    if stated != found:
        raise BundleError(
            f"its content was changed after the export (sha256 {found[:12]}… instead of {stated[:12]}…); "
            "copy or export it again"
        )
    return stated


def graph_sha256(model: bytes) -> str:
    """Return the sha256 of the graph without the metadata. It is the same for files that differ only in metadata."""
    spans = [span for tag, span in fields(model, 0, len(model)) if tag == _GRAPH]
    if len(spans) != 1:
        raise BundleError("it is not an ONNX file")
    start, end = spans[0]
    return hashlib.sha256(memoryview(model)[start:end]).hexdigest()


def _digest(model: bytes, checksum_span: Span) -> str:
    digest = hashlib.sha256(memoryview(model)[: checksum_span[0]])
    digest.update(NO_CHECKSUM.encode())
    digest.update(memoryview(model)[checksum_span[1] :])
    return digest.hexdigest()


def _checksum_span(model: bytes) -> Span:
    start, end = _metadata_spans(model).get(CHECKSUM_KEY, (0, 0))
    if end - start != len(NO_CHECKSUM):
        raise BundleError("it is an ONNX file without a Stripwatch manifest")
    return start, end


def _metadata_spans(model: bytes) -> dict[str, Span]:
    """Return the span of the value of each metadata key."""
    spans: dict[str, Span] = {}
    tags_seen: set[int] = set()
    for tag, (start, end) in fields(model, 0, len(model)):
        tags_seen.add(tag)
        if tag == _METADATA:
            pair = dict(fields(model, start, end))
            key = text_of(model, pair.get(_KEY, (0, 0)))
            if key in spans:
                raise BundleError(f"its metadata contains {key!r} twice")
            spans[key] = pair.get(_VALUE, (0, 0))
    if not {_IR_VERSION, _GRAPH} <= tags_seen:
        raise BundleError("it is not an ONNX file")
    return spans


def fields(model: bytes, start: int, end: int) -> Iterator[tuple[int, Span]]:
    """Yield tag (number and encoding) and span of each field of the protobuf message in model[start:end].

    Tags above 32 bits are rejected: the protobuf library of ONNX Runtime drops the upper bits and would read a field
    that is unknown here.
    """
    at = start
    while at < end:
        tag, at = varint(model, at, end)
        kind = tag & 7
        if not 8 <= tag <= _TAG_MAX:
            raise BundleError("it is not an ONNX file")
        if kind == _VARINT:
            _, field_end = varint(model, at, end)
        elif kind == _BYTES:
            size, at = varint(model, at, end)
            field_end = at + size
        elif kind in (_FIXED32, _FIXED64):
            field_end = at + (4 if kind == _FIXED32 else 8)
        else:
            raise BundleError("it is not an ONNX file")
        if field_end > end:
            raise BundleError("it is truncated, or not an ONNX file")
        yield tag, (at, field_end)
        at = field_end


def varint(model: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = model[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BundleError("it is truncated, or not an ONNX file")


def text_of(model: bytes, span: Span) -> str:
    try:
        return model[span[0] : span[1]].decode()
    except UnicodeDecodeError as error:
        raise BundleError("its metadata is not UTF-8") from error
