"""The page of the bundle format describes every field of the manifest, and its example is a real manifest."""

import json
import re
import shutil
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from docs.generate import bundle_format
from docs.generate.bundle_format import EXAMPLE, READ_EXAMPLE, bundle_format_page, manifest_fields, strict_objects
from docs.generate.schema_fields import SchemaField
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.manifest_codec import MANIFEST_KEY, decode_manifest, encode_manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import read_metadata
from tests.tiny import tiny_contract

UNITS = re.compile(r"0 to 1|[Nn]umber of|pixel|in the unit of|above 0|between 0 and 1|operator set|Seed|bits|logits")
LINES_MAX = 12


@pytest.mark.parametrize("field", manifest_fields(), ids=lambda field: field.path)
def test_a_field_is_a_row_with_a_description_and_its_unit(field: SchemaField) -> None:
    (row,) = re.findall(
        rf"^\| `{re.escape(field.path)}` \| (.*) \| (.*) \| (.*) \|$", bundle_format_page(), re.MULTILINE
    )
    assert all(row)
    assert len(field.description) > 10
    assert field.description.endswith(".")
    if field.kind.startswith(("number", "integer", "array of 2 numbers")) or "array of integer" in field.kind:
        assert UNITS.search(field.description) or "Factor" in field.description


def test_every_type_in_the_manifest_is_reached() -> None:
    _, definitions = msgspec.json.schema_components([Manifest])
    named = {name for definition in definitions.values() for name in definition.get("properties", {})}
    assert named == {field.path.rpartition(".")[2] for field in manifest_fields()}


def test_an_added_field_without_a_description_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(Manifest, frozen=True):
        added: int = 3

    monkeypatch.setattr(bundle_format, "Manifest", Plain)
    with pytest.raises(KeyError, match="description"):
        manifest_fields()


def test_an_added_field_appears_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    class Described(Manifest, frozen=True):
        added: Annotated[int, msgspec.Meta(description="Number of new things.")] = 3

    monkeypatch.setattr(bundle_format, "Manifest", Described)
    assert "| `added` | integer | `3` | Number of new things. |" in bundle_format_page()


def test_an_unknown_field_is_rejected_in_the_listed_objects_and_ignored_elsewhere() -> None:
    listed = strict_objects()
    manifest = read_bundle(EXAMPLE).manifest
    for path in ("thresholds", "decode", "golden", "grid", "reference", "reference.classes", "trained", "validation"):
        changed = json.loads(encode_manifest(manifest)[MANIFEST_KEY])
        inner = changed
        for name in path.split("."):
            inner = inner[name]
        if path.endswith(("thresholds", "classes")):
            inner = next(iter(inner.values()))
        if path == "golden":
            inner = inner[0]
        inner["unknown"] = 1
        metadata = {MANIFEST_KEY: json.dumps(changed)}
        if path in listed:
            with pytest.raises(BundleError, match="unknown"):
                decode_manifest(metadata)
        else:
            assert decode_manifest(metadata) == manifest


def test_the_example_has_every_field_of_a_manifest() -> None:
    shown = json.loads(bundle_format.example())
    assert set(shown) == set(json.loads(encode_manifest(tiny_contract())[MANIFEST_KEY]))
    stored = json.loads(read_metadata(EXAMPLE.read_bytes())[MANIFEST_KEY])
    for name in ("name", "labels", "decode", "provenance", "grid"):
        assert shown[name] == stored[name]


def test_the_code_of_the_page_reads_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    assert f"```python\n{READ_EXAMPLE}```" in bundle_format_page()
    exec(compile(READ_EXAMPLE, "bundle-format.md", "exec"), {})
    bundle = read_bundle(EXAMPLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"strip-mobilenet 1 {bundle.sha256}", "(160, 160, 3) rgb"]
    assert len(lines) == 2 + len(bundle.manifest.labels) + len(bundle.manifest.golden)
    assert len(READ_EXAMPLE.splitlines()) <= LINES_MAX
