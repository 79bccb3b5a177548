"""The seal of a bundle, and metadata read without the onnx package, against the onnx package."""

import hashlib

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.onnx_metadata import SEAL_KEY, UNSEALED, check_seal, graph_sha256, read_metadata, seal
from tests.tiny import build_model


def unsealed(**metadata: str) -> bytes:
    return bytes(build_model(metadata={**metadata, SEAL_KEY: UNSEALED}).SerializeToString())


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5))
def test_metadata_are_those_that_onnx_wrote(metadata: dict[str, str]) -> None:
    model = build_model(metadata=metadata).SerializeToString()
    assert read_metadata(model) == metadata


def test_a_sealed_file_still_loads_and_states_its_digest() -> None:
    sealed = seal(unsealed(note="x"))
    stated = check_seal(sealed)
    assert stated == hashlib.sha256(unsealed(note="x")).hexdigest()
    onnx.checker.check_model(onnx.load_model_from_string(sealed))


def test_the_digest_of_the_graph_is_that_of_the_graph_alone() -> None:
    graph = hashlib.sha256(build_model().graph.SerializeToString()).hexdigest()
    assert graph_sha256(seal(unsealed(note="x"))) == graph_sha256(unsealed()) == graph
    with pytest.raises(BundleError, match="no ONNX file"):
        graph_sha256(b"")


SEALED = seal(unsealed(note="a note"))


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_seen(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    with pytest.raises(BundleError):
        check_seal(bytes(changed))


@given(st.integers(0, len(SEALED) - 1))
def test_any_cut_is_seen(size: int) -> None:
    with pytest.raises(BundleError):
        check_seal(SEALED[:size])


@given(st.binary(max_size=200))
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        read_metadata(content)


def test_a_plain_onnx_file_has_no_contract() -> None:
    model = build_model()
    helper.set_model_props(model, {"author": "somebody"})
    with pytest.raises(BundleError, match="without a Stripwatch contract"):
        check_seal(model.SerializeToString())
