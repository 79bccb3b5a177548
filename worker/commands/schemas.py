"""`stripwatch schemas`: generates JSON Schemas and an AsyncAPI 3 document of all Kafka records from the code."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.common.version import __version__
from stripwatch.worker.contracts import header_names, topics
from stripwatch.worker.contracts.coil_summary import COIL_SCHEMA, CoilSummary
from stripwatch.worker.contracts.events import REJECT_SCHEMA, RESULT_SCHEMA, Reject, Result
from stripwatch.worker.contracts.frame_headers import (
    JSON,
    OriginHeaders,
    RejectHeaders,
    ReviewHeaders,
    event_type,
)
from stripwatch.worker.contracts.header_names import ORIGINAL_PREFIX, OWN_PREFIX
from stripwatch.worker.contracts.header_specs import (
    CORRECTION_HEADERS,
    CORRECTION_HEADERS_OPTIONAL,
    EVENT_HEADERS,
    EVENT_HEADERS_REQUIRED,
    FRAME_COPY_HEADERS,
    FRAME_HEADERS,
    ORIGINAL_HEADER,
    REPLAY_MARK_HEADERS,
    HeaderSpec,
)
from stripwatch.worker.contracts.line.acknowledgement import ACKNOWLEDGEMENT_SCHEMA, Acknowledgement
from stripwatch.worker.contracts.line.camera_state import CAMERA_SCHEMA, CameraState
from stripwatch.worker.images.image_files import FORMATS
from stripwatch.worker.images.raw_header import PIXEL_FORMATS

Json = dict[str, Any]
EVENTS: dict[str, tuple[str, type]] = {
    "result-1": (RESULT_SCHEMA, Result),
    "reject-1": (REJECT_SCHEMA, Reject),
    "coil-1": (COIL_SCHEMA, CoilSummary),
    "acknowledgement-1": (ACKNOWLEDGEMENT_SCHEMA, Acknowledgement),
    "camera-1": (CAMERA_SCHEMA, CameraState),
}
_TEXT: Json = {"type": "string"}
_NUMBER: Json = _TEXT | {"pattern": "^-?[0-9]+$"}
_COPIES: dict[str, type[msgspec.Struct]] = {
    "reject": RejectHeaders,
    "review": ReviewHeaders,
    "correction": ReviewHeaders,
}
_IMAGE, _BYTES = "image/jpeg", "application/octet-stream"


class _Message(NamedTuple):
    """One kind of record. key: the entity whose id is the record key. payload: None if the value is not an event."""

    kind: str
    topic: str
    key: str
    content_type: str
    payload: type | None
    text: str

    @property
    def ce_type(self) -> str:
        return event_type(self.kind)


def _header_properties(headers: Iterable[HeaderSpec]) -> Json:
    return {header.name: _TEXT | header.constraint | {"description": header.description} for header in headers}


_MESSAGES = (
    _Message("frame", topics.FRAMES, "camera", _IMAGE, None, f"An image file ({FORMATS}), or a raw buffer."),
    _Message(
        "result",
        topics.RESULTS,
        "camera",
        JSON,
        Result,
        "The result of a frame: one for every frame that is not rejected.",
    ),
    _Message("defect", topics.DEFECTS, "camera", JSON, Result, "A copy of each result with a defect."),
    _Message(
        "reject", topics.REJECTS, "camera", _BYTES, None, "The original bytes of a frame that could not be inspected."
    ),
    _Message("evidence", topics.EVIDENCE, "event", _IMAGE, None, "A picture of a defect with its boxes and heatmap."),
    _Message("review", topics.REVIEW, "camera", _IMAGE, None, "The original bytes of a frame for a person to label."),
    _Message(
        "shadow", topics.SHADOW, "camera", JSON, Result, "The result of the shadow model for a share of the frames."
    ),
    _Message("coil", topics.COILS, "line", JSON, CoilSummary, "The summary of a coil that has ended."),
    _Message(
        "acknowledgement",
        topics.ACKNOWLEDGEMENTS,
        "alarm",
        JSON,
        Acknowledgement,
        "A person acknowledged an alarm on the live page.",
    ),
    _Message(
        "camera",
        topics.CAMERAS,
        "camera",
        JSON,
        CameraState,
        "The state of a camera as its worker knows it, repeated regularly. The topic is compacted.",
    ),
)

# Sent to the channel of another message.
_CORRECTION = _Message(
    "correction",
    topics.REVIEW,
    "camera",
    _IMAGE,
    None,
    "The original bytes of a frame whose prediction a person confirmed or corrected on the live page.",
)
_GUESTS = {"reject": "replay_mark", "review": "correction"}

_REPLAY_MARK: Json = {
    "name": "stripwatch.replay-mark",
    "summary": "Marks a rejected frame that 'stripwatch rejects replay' sent again. A mark has no body and is neither "
    "a reject nor a CloudEvent. Do not count it as a reject.",
    "contentType": _BYTES,
    "headers": {
        "type": "object",
        "properties": _header_properties(REPLAY_MARK_HEADERS),
        "required": [header.name for header in REPLAY_MARK_HEADERS],
    },
    "payload": {"type": "string", "maxLength": 0},
    "bindings": {"kafka": {"key": _TEXT | {"description": "camera id"}, "bindingVersion": "0.5.0"}},
}


def schemas(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder. Existing files are overwritten.")],
) -> None:
    """Write JSON Schemas and an AsyncAPI 3 document of all Kafka records, generated from the code.

    Example: stripwatch schemas --out deploy/contracts
    """
    print_summary({"out": str(out), "files": write_schemas(out)})


def write_schemas(out: Path) -> list[str]:
    """Write all schema files into a folder, overwriting existing ones. Return their names. Raises InputError."""
    files = {f"{name}.schema.json": schema(name) for name in EVENTS} | {"asyncapi.json": asyncapi()}
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is not a folder; --out must name a folder")
    make_folder(out)
    try:
        for name, document in files.items():
            (out / name).write_text(as_text(document))
    except OSError as error:
        raise InputError(f"cannot write schemas to {out}: {error.strerror}") from error
    return sorted(files)


def as_text(document: Json) -> str:
    return json.dumps(document, indent=2) + "\n"


def schema(name: str) -> Json:
    """Return the JSON Schema (2020-12) of one kind of event."""
    stated, kind = EVENTS[name]
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    _pin(definitions[kind.__name__], stated)
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": stated}
        | reference
        | {"$defs": definitions}
    )


def _pin(definition: Json, stated: str) -> None:
    """Allow only this value for the field `schema`."""
    described = definition["properties"]["schema"]
    definition["properties"]["schema"] = {"description": described["description"], "const": stated}


def asyncapi() -> Json:
    """Return the AsyncAPI 3.0 document: topics by their default names, messages with headers, keys and payloads."""
    kinds = [kind for _, kind in EVENTS.values() if kind is not Reject]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for stated, kind in EVENTS.values():
        if kind.__name__ in schemas:
            _pin(schemas[kind.__name__], stated)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stripwatch",
            "version": __version__,
            "description": "Frames of a moving steel strip in; results, defects, rejects, pictures and coils out. "
            "Records are CloudEvents 1.0 in binary mode. Fields may be added to an event, but are never changed: "
            "ignore fields you do not know. Delivery is at least once by default: drop events whose ce_id you have "
            "already seen.",
        },
        "defaultContentType": JSON,
        "channels": {message.kind: _channel(message) for message in _MESSAGES},
        "operations": dict(map(_operation, _MESSAGES))
        | {f"send_{guest}": _send(channel, guest) for channel, guest in _GUESTS.items()},
        "components": {
            "messages": {message.kind: _message(message) for message in (*_MESSAGES, _CORRECTION)}
            | {"replay_mark": _REPLAY_MARK},
            "schemas": schemas,
        },
    }


def _channel(message: _Message) -> Json:
    kinds = [message.kind, *([_GUESTS[message.kind]] if message.kind in _GUESTS else [])]
    messages = {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds}
    return {"address": message.topic, "description": message.text, "messages": messages}


def _operation(message: _Message) -> tuple[str, Json]:
    if message.kind == "frame":
        return "receive_frame", {"action": "receive", "channel": {"$ref": "#/channels/frame"}}
    return f"send_{message.kind}", _send(message.kind, message.kind)


def _send(channel: str, message: str) -> Json:
    """Return a send operation. message: the message of the channel that it sends."""
    at = f"#/channels/{channel}"
    return {"action": "send", "channel": {"$ref": at}, "messages": [{"$ref": f"{at}/messages/{message}"}]}


def _message(message: _Message) -> Json:
    key = _TEXT | {"description": f"{message.key} id"}
    stated: Json = {
        "name": message.ce_type,
        "summary": message.text,
        "contentType": message.content_type,
        "headers": _headers(message),
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }
    if message.payload:
        stated["payload"] = {"$ref": f"#/components/schemas/{message.payload.__name__}"}
    return stated


def _headers(message: _Message) -> Json:
    """Return the header schema. No header of a camera's frame is required; ours have all but the optional ones."""
    if message.kind == "frame":
        properties = _header_properties(FRAME_HEADERS)
        properties[header_names.PIXEL_FORMAT]["enum"] = list(PIXEL_FORMATS)
        return {"type": "object", "properties": properties}
    properties = _header_properties(EVENT_HEADERS)
    properties[header_names.TYPE]["const"] = message.ce_type
    required = list(EVENT_HEADERS_REQUIRED)
    own = _COPIES.get(message.kind)
    if own is None:
        return {"type": "object", "properties": properties, "required": required}
    stated = _own_headers(own) | _own_headers(OriginHeaders)
    optional = _header_properties(FRAME_COPY_HEADERS)
    optional |= {name: stated.pop(name) for name in optional_headers(own)}
    if message.kind == "correction":
        decided = _header_properties(CORRECTION_HEADERS)
        optional |= {name: decided.pop(name) for name in CORRECTION_HEADERS_OPTIONAL}
        stated |= decided
    return {
        "type": "object",
        "properties": properties | stated | optional,
        "patternProperties": {f"^{re.escape(ORIGINAL_PREFIX)}": _TEXT | {"description": ORIGINAL_HEADER.description}},
        "required": [*required, *stated],
    }


def _own_headers(kind: type[msgspec.Struct]) -> Json:
    """Return the schemas of the headers written by `frame_copy_headers`. On Kafka, all of them are text."""
    (_, definitions) = msgspec.json.schema_components([kind])
    fields: Json = definitions[kind.__name__]["properties"]
    return {
        OWN_PREFIX + name: (_NUMBER if field.get("type") == "integer" else _TEXT)
        | {key: value for key, value in field.items() if key == "description"}
        for name, field in fields.items()
    }


def optional_headers(kind: type[msgspec.Struct]) -> list[str]:
    """Return the names of the headers that `frame_copy_headers` leaves out if their field is None."""
    return [OWN_PREFIX + field.name for field in msgspec.structs.fields(kind) if not field.required]
