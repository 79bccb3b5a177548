"""The checksum of a bundle, and metadata read without the onnx package, against the onnx package."""

import hashlib

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.onnx_metadata import (
    CHECKSUM_KEY,
    NO_CHECKSUM,
    add_checksum,
    graph_sha256,
    read_metadata,
    verify_checksum,
)
from tests.tiny import build_model


def unsealed(**metadata: str) -> bytes:
    return bytes(build_model(metadata={**metadata, CHECKSUM_KEY: NO_CHECKSUM}).SerializeToString())


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5))
def test_metadata_are_those_that_onnx_wrote(metadata: dict[str, str]) -> None:
    model = build_model(metadata=metadata).SerializeToString()
    assert read_metadata(model) == metadata


def test_a_sealed_file_still_loads_and_states_its_digest() -> None:
    sealed = add_checksum(unsealed(note="x"))
    stated = verify_checksum(sealed)
    assert stated == hashlib.sha256(unsealed(note="x")).hexdigest()
    onnx.checker.check_model(onnx.load_model_from_string(sealed))


def test_the_digest_of_the_graph_is_that_of_the_graph_alone() -> None:
    graph = hashlib.sha256(build_model().graph.SerializeToString()).hexdigest()
    assert graph_sha256(add_checksum(unsealed(note="x"))) == graph_sha256(unsealed()) == graph
    with pytest.raises(BundleError, match="not an ONNX file"):
        graph_sha256(b"")


SEALED = add_checksum(unsealed(note="a note"))


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_seen(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    with pytest.raises(BundleError):
        verify_checksum(bytes(changed))


@given(st.integers(0, len(SEALED) - 1))
def test_any_cut_is_seen(size: int) -> None:
    with pytest.raises(BundleError):
        verify_checksum(SEALED[:size])


@given(st.binary(max_size=200))
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        read_metadata(content)


def test_a_plain_onnx_file_has_no_contract() -> None:
    model = build_model()
    helper.set_model_props(model, {"author": "somebody"})
    with pytest.raises(BundleError, match="without a Stripwatch contract"):
        verify_checksum(model.SerializeToString())
