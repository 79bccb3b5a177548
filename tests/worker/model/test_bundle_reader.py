from pathlib import Path

import msgspec
import pytest
from onnx import helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.manifest_codec import MANIFEST_KEY, encode_manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import CHECKSUM_KEY, NO_CHECKSUM, add_checksum
from tests.tiny import build_model, tiny_contract, write_bundle


def test_reads_a_bundle_as_it_was_written(tmp_path: Path) -> None:
    manifest = tiny_contract()
    bundle = read_bundle(write_bundle(tmp_path / "a.onnx", manifest))
    assert bundle.manifest == manifest
    assert len(bundle.sha256) == 64


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"missing\.onnx"):
        read_bundle(tmp_path / "missing.onnx")


def test_rejects_a_plain_onnx_file_and_a_truncated_one(tmp_path: Path) -> None:
    plain = tmp_path / "plain.onnx"
    plain.write_bytes(build_model().SerializeToString())
    with pytest.raises(BundleError, match=r"plain\.onnx.*without a Stripwatch manifest"):
        read_bundle(plain)
    whole = write_bundle(tmp_path / "whole.onnx").read_bytes()
    plain.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="truncated"):
        read_bundle(plain)


def test_rejects_a_changed_byte(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.onnx")
    content = bytearray(path.read_bytes())
    at = content.index(b"weights") + 1
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="content was changed"):
        read_bundle(path)


def test_names_the_schema_of_a_later_manifest(tmp_path: Path) -> None:
    path = tmp_path / "later.onnx"
    model = build_model()
    helper.set_model_props(model, {MANIFEST_KEY: '{"schema": "stripwatch.bundle/2"}', CHECKSUM_KEY: NO_CHECKSUM})
    path.write_bytes(add_checksum(model.SerializeToString()))
    with pytest.raises(BundleError, match=r"'stripwatch\.bundle/2'.*reads 'stripwatch\.bundle/1'"):
        read_bundle(path)


def test_a_file_with_ten_thousand_labels_is_refused(tmp_path: Path) -> None:
    fields = msgspec.json.decode(encode_manifest(tiny_contract())[MANIFEST_KEY])
    fields["labels"] = [f"label {number}" for number in range(10_000)]
    model, path = build_model(), tmp_path / "many.onnx"
    helper.set_model_props(model, {MANIFEST_KEY: msgspec.json.encode(fields).decode(), CHECKSUM_KEY: NO_CHECKSUM})
    path.write_bytes(add_checksum(model.SerializeToString()))
    with pytest.raises(BundleError, match=r"many\.onnx is not a valid bundle: .* 10000 labels; 1 to 1000 are allowed"):
        read_bundle(path)
