"""The page of the bundle format, made from the manifest's types and the bundle of the demo."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from docs.generate.markdown import code, page, paragraph, table
from docs.generate.schema_fields import SchemaField, definitions_of, fields_of
from stripwatch.worker.model.bundle import (
    BOXES_NAME,
    HEATMAPS_NAME,
    INPUT_NAME,
    NOVELTY_NAME,
    SCHEMA,
    SCORES_NAME,
    SIDE_PX_MAX,
    Manifest,
)
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.manifest_codec import MANIFEST_KEY
from stripwatch.worker.model.onnx_file.onnx_checks import DOMAINS
from stripwatch.worker.model.onnx_file.onnx_metadata import CHECKSUM_KEY

EXAMPLE = Path(__file__).parents[2] / "worker" / "bench" / "strip-mobilenet.onnx"
_HEAD = f"""# Bundle format

A bundle is one ONNX file. It holds the graph with its weights, the manifest and a checksum. `stripwatch export` writes
it, and the worker needs nothing else to run the model. [The bundle and the registry](../explanation/bundle.md) explains
why.

The manifest and the checksum are metadata of the ONNX file (`ModelProto.metadata_props`):

| key | value |
| --- | --- |
| `{MANIFEST_KEY}` | The [manifest](#manifest): a JSON object. |
| `{CHECKSUM_KEY}` | The [checksum](#checksum): 64 hexadecimal digits. |
"""
_GRAPH = f"""## Input and outputs

| name | type | shape | content |
| --- | --- | --- | --- |
| input `{INPUT_NAME}` | uint8 | batch, height, width, channels | Decoded frames as `decode` specifies, \
with 3 channels for `rgb` and 1 for `grey`. The graph contains the rest of the preprocessing. |
| output `{SCORES_NAME}` | float32 | batch, labels | Scores in the order of `labels`, 0 to 1, not calibrated. |
| output `{HEATMAPS_NAME}` | float32 | batch, rows, columns, labels | Heatmap of each label. Required if `heatmaps` \
is not null. |
| output `{NOVELTY_NAME}` | float32 | batch | Novelty score: the higher, the less a frame resembles the training \
frames. Required if `novelty` is not null. |
| output `{BOXES_NAME}` | float32 | batch, rows, columns, labels, 5 | Box that each cell of the heatmap predicts for \
each label: left, top, right and bottom edge in pixels of the model input, and the expected overlap with the defect, \
0 to 1. Required if `boxes` is not null. |

The batch size is variable; all other dimensions are fixed. Height and width are 1 to {SIDE_PX_MAX} pixels. The graph
has no other input. The worker computes heatmaps only if `grid` is present, because it cannot place a box without it.

## Operators

All operators belong to the ONNX standard, which has the domains DOMAINS. A graph with any other operator is rejected,
because custom operators are code. Weights are in the file itself; a tensor in another file is rejected.

## Checksum

The checksum is the SHA-256 of the whole file, computed with 64 zeros in place of the checksum. It covers every other
byte: graph, weights and manifest. It also identifies the bundle, as `model.sha256` in events, the label `sha256` of
`stripwatch_bundle_info`, and in the registry. The checksum detects accidental changes. It is not a signature.

## Golden frames

Golden frames are validation frames with the scores that Keras computed. By default, `stripwatch export` stores two per
label, at most twelve in all, but never fewer than one per label. A label without a frame that the model classifies
correctly by a clear margin has none. When a bundle is loaded, the self-test decodes and classifies the golden frames on
the provider in use. The bundle is rejected if a score differs by more than `score_tolerance`, if a multiclass bundle
predicts another label, or if a heatmap is not finite. If the bundle has a novelty score, the scores of the golden
frames must also agree with those of Keras to within `novelty.tolerance`, and be on the same side of
`novelty.threshold`. If the bundle predicts boxes, one box of each golden frame must agree with that of Keras to within
`boxes.tolerance_px` and `boxes.quality_tolerance`.

## Drift reference

`reference` holds the image statistics of training frames, and the distribution of the predictions for validation
frames. The worker compares the frames of each camera with them; see [Drift](../explanation/drift.md). `trained` holds
the sizes of the training frames; [`frames.untrained_size`](settings.md#framesuntrained_size) sets what happens to other
frames.

## Compatibility

- A worker reads bundles with the schema `{SCHEMA}`. It rejects any other schema with exit code 3 and a message that
  names both.
- Fields may be added to the manifest. A worker uses the default of a field that an older bundle does not have.
- A worker ignores fields that it does not know, except in these objects, where it rejects the bundle: STRICT.
- A field of `decode` or `golden` that has its default is omitted. A worker of an earlier version therefore reads every
  bundle that uses no newer field of these objects. It rejects a bundle with a novelty score: update the workers first.
"""
_READ = "## Read a bundle in Python"
READ_EXAMPLE = """import stripwatch

bundle = stripwatch.read_bundle("model.onnx")  # raises BundleError
manifest = bundle.manifest
print(manifest.name, manifest.version, bundle.sha256)
print(manifest.decode.shape, manifest.decode.colour)
for label in manifest.labels:
    print(label, manifest.thresholds[label].sure, manifest.validation.classes[label].f1)
for frame in manifest.golden:
    print(frame.name, frame.label, len(frame.encoded))
"""
_OTHER = f"""
`read_bundle` verifies the checksum, the manifest and the operators, and does not run the model. Other programs can read
the JSON from the metadata, for example with ONNX Runtime:
`session.get_modelmeta().custom_metadata_map["{MANIFEST_KEY}"]`.
"""
_MANIFEST = """## Manifest

`NAME` in a field stands for a label or, in `versions`, for a package. *If absent* is the value that a worker assumes;
a bundle without a *required* field is rejected.
"""
_EXAMPLE = """## Example

The manifest of the bundle that `stripwatch demo` runs. Long texts end in "…", and "…" as a key or entry replaces the
rest of an object or array. Numbers are rounded.
"""
_TEXT_CHARS, _ENTRIES = 80, 6
_BY_LABEL = ("thresholds", "classes", "golden")
_PLAIN_ARRAY = re.compile(r"\[[^][{}]*\]")


def bundle_format_page() -> str:
    """Return the page with the parts of a bundle, every field of its manifest and an example."""
    domains = ", ".join(code(domain) if domain else '`""` (the default)' for domain in sorted(DOMAINS))
    head, _, rest = _GRAPH.partition("DOMAINS")
    return page(
        _HEAD,
        _wrapped(f"{head}{domains}{rest}".replace("STRICT", ", ".join(map(code, strict_objects())))),
        f"{_READ}\n\n```python\n{READ_EXAMPLE}```",
        _OTHER,
        _MANIFEST,
        *_tables(),
        f"{_EXAMPLE}\n```json\n{example()}\n```",
    )


def manifest_fields() -> list[SchemaField]:
    """Return every field of the manifest, nested ones after their parent."""
    return list(fields_of(*definitions_of(Manifest)))


def strict_objects() -> list[str]:
    """Return the fields whose object may have no unknown field."""
    definition, definitions = definitions_of(Manifest)
    return list(_strict(definition, definitions))


def _strict(definition: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    for name, field in definition["properties"].items():
        found = re.search(r"'\$ref': '[^']*/(\w+)'", str(field))
        inner = definitions[found[1]] if found else {}
        if inner.get("additionalProperties") is False:
            yield name
        elif "properties" in inner:
            yield from (f"{name}.{each}" for each in _strict(inner, definitions))


def _tables() -> Iterator[str]:
    """Yield the table of the fields of the manifest itself, then one for each object that it contains."""
    fields = manifest_fields()
    names = list(dict.fromkeys(re.split(r"[.[]", field.path)[0] for field in fields))
    yield _table(field for field in fields if field.path in names)
    for name in names:
        inner = [field for field in fields if re.split(r"[.[]", field.path)[0] == name and field.path != name]
        if inner:
            yield f"### `{name}`"
            yield _table(inner)


def _table(fields: Iterable[SchemaField]) -> str:
    rows = ([code(each.path), each.kind, _absent(each), each.description] for each in fields)
    return table(["field", "type", "if absent", "description"], rows)


def _absent(field: SchemaField) -> str:
    return "required" if field.required else code(json.dumps(field.default))


def _wrapped(text: str) -> str:
    """Wrap paragraphs and list items, and leave tables as they are."""
    return "\n\n".join(block if block.startswith("|") else _wrapped_block(block) for block in text.split("\n\n"))


def _wrapped_block(block: str) -> str:
    items = re.split(r"^(?=- )", block, flags=re.MULTILINE)
    return "\n".join(paragraph(item, "  " if item.startswith("- ") else "") for item in items if item)


def example() -> str:
    """Return the manifest of the example bundle as JSON, shortened to what a reader can survey."""
    manifest = json.loads(msgspec.json.encode(read_bundle(EXAMPLE).manifest))
    text = json.dumps(_shortened(manifest), indent=2, ensure_ascii=False)
    return _PLAIN_ARRAY.sub(lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text)


def _shortened(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        kept = list(value.items())[: 1 if name in _BY_LABEL else None]
        rest = {"…": f"{len(value) - len(kept)} more"} if len(kept) < len(value) else {}
        return {key: _shortened(each, key) for key, each in kept} | rest
    if isinstance(value, list):
        first = value[: 1 if name in _BY_LABEL else _ENTRIES]
        more = [f"… {len(value) - len(first)} more"] if len(first) < len(value) else []
        return [*map(_shortened, first), *more]
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        return f"{value[: _TEXT_CHARS // 2]}…"
    return value
