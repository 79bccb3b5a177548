"""The checksum of a bundle, and its metadata compared with those read by the onnx package."""

import hashlib

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.onnx_file.onnx_metadata import (
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
def test_reads_the_metadata_written_by_onnx(metadata: dict[str, str]) -> None:
    model = build_model(metadata=metadata).SerializeToString()
    assert read_metadata(model) == metadata


def test_a_file_with_a_checksum_still_loads() -> None:
    sealed = add_checksum(unsealed(note="x"))
    stated = verify_checksum(sealed)
    assert stated == hashlib.sha256(unsealed(note="x")).hexdigest()
    onnx.checker.check_model(onnx.load_model_from_string(sealed))


def test_the_digest_of_the_graph_ignores_metadata() -> None:
    graph = hashlib.sha256(build_model().graph.SerializeToString()).hexdigest()
    assert graph_sha256(add_checksum(unsealed(note="x"))) == graph_sha256(unsealed()) == graph
    with pytest.raises(BundleError, match="not an ONNX file"):
        graph_sha256(b"")


SEALED = add_checksum(unsealed(note="a note"))


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_detects_any_changed_byte(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    with pytest.raises(BundleError):
        verify_checksum(bytes(changed))


@given(st.integers(0, len(SEALED) - 1))
def test_detects_any_truncation(size: int) -> None:
    with pytest.raises(BundleError):
        verify_checksum(SEALED[:size])


@given(st.binary(max_size=200))
def test_rejects_other_files(content: bytes) -> None:
    with pytest.raises(BundleError):
        read_metadata(content)


def test_rejects_a_plain_onnx_file() -> None:
    model = build_model()
    helper.set_model_props(model, {"author": "somebody"})
    with pytest.raises(BundleError, match="without a Stripwatch manifest"):
        verify_checksum(model.SerializeToString())
