"""Compare our reader of ONNX files with the onnx package: it finds nothing that ours misses."""

from collections.abc import Iterator
from random import Random

import onnx
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.onnx_file.onnx_checks import DOMAINS, check_graph
from stripwatch.worker.model.onnx_file.onnx_metadata import bytes_tag, read_metadata, varint_tag
from tests.tiny import build_model

RARE = {"domain", "external_data", "data_location"}  # otherwise no generated model would be free of them
SEEDS = st.integers(0, 2**32 - 1).map(Random)
TEXTS = ("", "x", "ä", "ai.onnx", "ai.onnx.ml", "com.microsoft", "location")


@settings(max_examples=300)
@given(SEEDS)
def test_rejects_a_generated_model_exactly_if_onnx_finds_a_reason(random: Random) -> None:
    model = ModelProto(ir_version=10)
    model.graph.SetInParent()
    fill(model, random, depth=7)
    judge(model.SerializeToString(), model)


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 4))
def test_changed_bytes_hide_nothing(random: Random, changes: int) -> None:
    model = build_model(metadata={"a": "1", "b": "2"}, heatmaps=True)
    fill(model, random, depth=4)
    changed = bytearray(model.SerializeToString())
    for _ in range(changes):
        at, size = random.randrange(len(changed)), random.choice((1, 1, 2, 8))
        if random.random() < 0.5:
            changed[at] ^= 1 << random.randrange(8)
        else:
            changed[at:at] = changed[at - size : at]
    try:
        read_back = onnx.load_model_from_string(bytes(changed))
    except DecodeError:
        return
    judge(bytes(changed), read_back, other_refusals=True)


def judge(encoded: bytes, model: ModelProto, other_refusals: bool = False) -> None:
    """Compare both readers. other_refusals: ours may also reject bytes that onnx accepts."""
    keys = [pair.key for pair in model.metadata_props]
    reasons = [*reasons_against(model), *(["keys"] if len(set(keys)) < len(keys) else [])]
    try:
        check_graph(encoded)
        metadata = read_metadata(encoded)
    except BundleError:
        assert reasons or other_refusals
        return
    assert reasons == []
    assert metadata == {pair.key: pair.value for pair in model.metadata_props}


def reasons_against(message: Message) -> Iterator[str]:
    """Search by reflection, which covers every field that the installed version of onnx knows."""
    if isinstance(message, NodeProto) and message.domain not in DOMAINS:
        yield f"operator of {message.domain!r}"
    if isinstance(message, TensorProto) and (message.external_data or message.data_location == TensorProto.EXTERNAL):
        yield f"tensor {message.name!r} elsewhere"
    for field, value in message.ListFields():
        if field.message_type:
            for child in value if field.is_repeated else [value]:
                yield from reasons_against(child)


def fill(message: Message, random: Random, depth: int) -> None:
    """Set some of the fields of any message, and of those inside it."""
    for field in message.DESCRIPTOR.fields:
        likely = 0.05 if field.name in RARE else 0.45 if field.message_type else 0.25
        if random.random() > likely or (field.message_type and depth == 0):
            continue
        values = getattr(message, field.name)
        if field.message_type:
            child = values.add() if field.is_repeated else values
            child.SetInParent()
            fill(child, random, depth - 1)
        elif field.is_repeated:
            values.append(scalar(field, random))
        else:
            setattr(message, field.name, scalar(field, random))


def scalar(field: FieldDescriptor, random: Random) -> object:
    if field.enum_type:
        return random.choice(field.enum_type.values).number
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = random.choice(TEXTS)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return random.choice((0.0, -1.5))
    return random.choice((0, 1, 300))


def number(value: int) -> bytes:
    """Encode a number as a varint."""
    parts = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


def field(tag: int, content: bytes) -> bytes:
    return number(tag) + number(len(content)) + content


@pytest.mark.parametrize("tag", [bytes_tag(13), bytes_tag(13) | 1 << 32, bytes_tag(13) | 1 << 34])
def test_rejects_tags_with_bits_that_onnx_runtime_drops(tag: int) -> None:
    """ONNX Runtime 1.32 opened the file that a model named in such a field."""
    entry = field(bytes_tag(1), b"location") + field(bytes_tag(2), b"weights.bin")
    location = number(varint_tag(14) | tag & ~0xFFFFFFFF) + number(TensorProto.EXTERNAL)
    tensor = field(bytes_tag(8), b"w") + field(tag, entry) + location
    encoded = build_model().SerializeToString() + field(bytes_tag(7), field(bytes_tag(5), tensor))
    with pytest.raises(BundleError, match=r"is stored in another file|not an ONNX file"):
        check_graph(encoded)


def test_rejects_a_duplicate_key_as_onnx_does() -> None:
    model = build_model(metadata={"a": "1", "b": "2"})
    model.metadata_props[1].key = "a"
    with pytest.raises(onnx.checker.ValidationError, match="duplicate keys"):
        onnx.checker.check_model(model)
    with pytest.raises(BundleError, match="its metadata contains 'a' twice"):
        read_metadata(model.SerializeToString())


def test_ignores_a_number_in_place_of_a_text() -> None:
    pair = field(bytes_tag(1), b"a") + field(bytes_tag(2), b"1") + number(2 << 3 | 5) + b"evil"
    encoded = build_model().SerializeToString() + field(bytes_tag(14), pair)
    stated = {each.key: each.value for each in onnx.load_model_from_string(encoded).metadata_props}
    assert stated["a"] == "1"
    assert read_metadata(encoded) == stated
