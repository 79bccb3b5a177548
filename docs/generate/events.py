"""The page of all events, made from the schemas and the AsyncAPI document."""

from collections.abc import Iterator

from docs.generate.examples import Example, examples
from docs.generate.markdown import code, page, paragraph, table
from docs.generate.schema_fields import Json, fields_of
from stripwatch.worker.commands.schemas import EVENTS, asyncapi, schema

_HEAD = """# Events

Each record that Stripwatch writes: its key, its fields and an example. All records are
[CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md) 1.0 in
binary mode, so the attributes are record headers and the value is the event itself. The headers are described on
[Headers](headers.md), partitions and retention on [Topics](topics.md). The same definitions are in `deploy/contracts`
as JSON Schemas (2020-12) and as an AsyncAPI 3.0 document; `stripwatch schemas --out DIR` writes them.

`deploy/contracts/read_defects.py` is a complete reader of defect events.

## Rules for readers

- **Compatibility.** Fields are added to an event, never changed or removed. Read the fields you know and ignore the
  others. An *optional* field is absent from events that an earlier version wrote. A field whose value is not known is
  `null`, not absent.
- **Repeated events.** Delivery is at least once by default: after a fault a result can be published twice. Both have
  the same `ce_id`, so drop a `ce_id` that you have seen. For a coil summary, keep the highest `revision` of each `id`.
- **Exactly once.** With the setting `delivery = "exactly-once"`, set `isolation.level=read_committed` in your consumer;
  it then sees each result once, when its transaction ends. With the default `read_uncommitted`, a consumer also sees
  the results of aborted transactions. Evidence images, review frames, shadow results and coil summaries are written
  outside the transactions, so they can be repeated in both modes.
- **Order.** The results of one camera are in the order of its frames, because the camera is the key.
"""
# By message: title, and what the table and the schema do not say.
_SECTIONS: dict[str, tuple[str, str]] = {
    "result": (
        "Result",
        "One per frame that was inspected or skipped. Every frame becomes exactly one result or one [reject](#reject).",
    ),
    "defect": (
        "Defect event",
        "A copy of each result with at least one defect, with the same value and a `ce_id` that ends in `-defect`. The "
        "fields are those of a [result](#result).",
    ),
    "reject": (
        "Reject",
        "The original bytes of a frame that could not be inspected. The value is not JSON: reason, detail and origin "
        "are headers, and the headers that the camera sent follow with the prefix `original.`. `stripwatch rejects "
        "list` shows them. `stripwatch inspect`, which writes a file and no Kafka records, writes rejects as JSON with "
        "these fields:",
    ),
    "replay_mark": (
        "Replay mark",
        "A record without a value on the topic of rejects: `stripwatch rejects replay` sent the frame of a reject "
        "again. It is not a CloudEvent and not a reject; a reader that counts rejects must ignore it.",
    ),
    "evidence": (
        "Evidence image",
        "A JPEG of a frame with a defect, with boxes, class, score and heatmap drawn in. Written if `evidence.enabled` "
        "is true; the field `evidence` of the result says whether the image was admitted.",
    ),
    "review": (
        "Review frame",
        "The original bytes of a frame for a person to label: of one with verdict `unsure`, or with a defect that an "
        "anomaly model reports. Written if `review.enabled` is true. The prediction of the model is in the headers, "
        "and so is the reason.",
    ),
    "correction": (
        "Correction",
        "The original bytes of a frame whose prediction a person confirmed or corrected on the live page, on the topic "
        "of review frames. Written by `stripwatch view` if somebody may write. In addition to the headers of a review "
        "frame it has the person's decision; if a frame has several corrections, the one with the latest "
        "`stripwatch_corrected_at` counts.",
    ),
    "shadow": (
        "Shadow result",
        "The result of the shadow bundle for a share of the frames. The fields are those of a [result](#result), but "
        "it is never counted as one.",
    ),
    "coil": (
        "Coil summary",
        "Summary of a coil that ended, written by `stripwatch coils`. A summary that late frames correct is written "
        "again with a higher `revision`.",
    ),
    "acknowledgement": (
        "Acknowledgement",
        "A person acknowledged an alarm on the live page. Written by `stripwatch view` if somebody may write, and read "
        "by every page server.",
    ),
    "camera": (
        "Camera state",
        "State of a camera as the worker knows it to which the camera's partition is assigned. The worker writes it "
        "when a condition changes and every `drift.report_s` seconds, if the topic exists. The topic is compacted: "
        "keep the newest state of each key, and regard a state as outdated if it was not repeated for three times "
        "its `interval_s`. Cameras beyond `metrics.camera_labels_max` have no state.",
    ),
}
_FIELDS_OF = {
    "result": "result-1",
    "reject": "reject-1",
    "coil": "coil-1",
    "acknowledgement": "acknowledgement-1",
    "camera": "camera-1",
}


def events_page() -> str:
    """Return the page with a section for each kind of record."""
    shown, document = examples(), asyncapi()
    return page(_HEAD, *(block for kind in _SECTIONS for block in _section(kind, document, shown[kind])))


def _section(kind: str, document: Json, example: Example) -> Iterator[str]:
    title, text = _SECTIONS[kind]
    message = document["components"]["messages"][kind]
    channel = next(each for each in document["channels"].values() if kind in each["messages"])
    yield f"## {title}"
    yield paragraph(text)
    if name := _FIELDS_OF.get(kind):
        yield table(["field", "type", "description"], ([code(field[0]), *field[1:]] for field in fields(name)))
    facts = [
        ["topic", code(channel["address"])],
        ["key", message["bindings"]["kafka"]["key"]["description"]],
        ["`ce_type`", code(message["name"]) if message["name"].endswith(".v1") else "none"],
        ["value", f"`{message['contentType']}`" if kind != "replay_mark" else "empty"],
    ]
    if name:
        facts.append(["schema", f"`{EVENTS[name][0]}`, `deploy/contracts/{name}.schema.json`"])
    yield table(["", ""], facts)
    yield from _shown(example)


def _shown(example: Example) -> Iterator[str]:
    headers = "\n".join(f"{name}: {value.decode()}" for name, value in example.headers)
    yield f"Example, key `{example.key}` and headers:\n\n```text\n{headers}\n```"
    if example.body is not None:
        yield f"Value:\n\n```json\n{example.json}\n```"


def fields(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and description of each field of an event, nested ones after their parent."""
    document = schema(name)
    definitions = document["$defs"]
    for field in fields_of(definitions[document["$ref"].rpartition("/")[2]], definitions):
        yield field.path, field.kind + ("" if field.required else ", optional"), field.description
