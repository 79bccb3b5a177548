"""`stripwatch schemas`: what is on Kafka, as JSON Schemas and one AsyncAPI 3 document, made from the code itself."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from stripwatch.worker.coils.coil import COIL_SCHEMA, CoilSummary
from stripwatch.worker.common.console import print_summary
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.version import __version__
from stripwatch.worker.contracts import header_names, topics
from stripwatch.worker.contracts.events import REJECT_SCHEMA, RESULT_SCHEMA, Reject, Result
from stripwatch.worker.contracts.frame_headers import (
    JSON,
    OriginHeaders,
    RejectHeaders,
    ReviewHeaders,
    event_type,
)
from stripwatch.worker.contracts.header_names import ORIGINAL_PREFIX, OWN_PREFIX, REPLAYED
from stripwatch.worker.images.image_files import FORMATS
from stripwatch.worker.images.raw_header import PIXEL_FORMATS

Json = dict[str, Any]
EVENTS: dict[str, tuple[str, type]] = {
    "result-1": (RESULT_SCHEMA, Result),
    "reject-1": (REJECT_SCHEMA, Reject),
    "coil-1": (COIL_SCHEMA, CoilSummary),
}
_TEXT: Json = {"type": "string"}
_CLOUDEVENT: Json = {
    header_names.SPECVERSION: {"const": "1.0"},
    header_names.ID: _TEXT
    | {
        "description": "The same for a repeat of the same event: a reader drops it. A corrected summary of a coil has "
        "a ce_id of its own, and the id of the first one in its body: a reader keeps the highest revision of each."
    },
    header_names.SOURCE: _TEXT
    | {
        "description": "/site/area/line/camera, percent-encoded, or any other URI; of a coil /site/area/line. What the "
        "camera sent comes out unchanged. Camera and line in events are percent-decoded."
    },
    header_names.TYPE: _TEXT,
    header_names.TIME: _TEXT
    | {"format": "date-time", "description": "When the frame was captured; of a coil its last frame."},
    header_names.SUBJECT: _TEXT | {"description": "Coil id; absent where it is not known."},
    header_names.STRIP_POSITION_MM: _TEXT
    | {
        "pattern": "^-?[0-9]+$",
        "description": "Start of the frame on the coil: its end nearer the head, whichever way the strip runs. At most "
        "10**12 either way.",
    },
    header_names.STRIP_DIRECTION: _TEXT
    | {"enum": ["forward", "reverse"], "description": "How the strip ran while the frame was taken."},
    header_names.CONTENT_TYPE: _TEXT,
    header_names.TRACEPARENT: _TEXT | {"description": "W3C trace context, passed through."},
}
_NUMBER: Json = _TEXT | {"pattern": "^-?[0-9]+$"}
_KEPT: Json = {
    header_names.KEY: _TEXT | {"description": "Key of the frame; absent where it had none, or one that was too large."},
    header_names.HEADERS_DROPPED: _TEXT,
    header_names.KEY_DROPPED: _TEXT,
}
_COUNT: Json = _TEXT | {"pattern": "^[0-9]+$"}
_FRAME: Json = {
    header_names.BLOCK_ID: _COUNT | {"description": "The camera's own count of its frames, up to 2**53 - 1."},
    header_names.PIXEL_FORMAT: _TEXT
    | {
        "enum": list(PIXEL_FORMATS),
        "description": "The value is a raw buffer of this GenICam pixel format, and ce_widthpx and ce_heightpx are "
        "required; absent for an image file.",
    },
    header_names.WIDTH_PX: _COUNT,
    header_names.HEIGHT_PX: _COUNT,
    header_names.STRIDE_BYTES: _COUNT
    | {"description": "From row to row of a raw buffer; absent where no bytes lie between."},
}
_COPIES: dict[str, type[msgspec.Struct]] = {"reject": RejectHeaders, "review": ReviewHeaders}
_IMAGE, _BYTES = "image/jpeg", "application/octet-stream"


class _Message(NamedTuple):
    """key: whose id is the record's key. payload: None where the bytes are no event of ours."""

    kind: str
    topic: str
    key: str
    content_type: str
    payload: type | None
    text: str

    @property
    def ce_type(self) -> str:
        return event_type(self.kind)


_MESSAGES = (
    _Message("frame", topics.FRAMES, "camera", _IMAGE, None, f"An image file ({FORMATS}), or a raw buffer."),
    _Message("result", topics.RESULTS, "camera", JSON, Result, "One for every frame that is not rejected."),
    _Message("defect", topics.DEFECTS, "camera", JSON, Result, "A result with a defect, once more."),
    _Message("reject", topics.REJECTS, "camera", _BYTES, None, "The bytes that could not be inspected."),
    _Message("evidence", topics.EVIDENCE, "event", _IMAGE, None, "A defect as a picture, boxes and heatmap drawn in."),
    _Message("review", topics.REVIEW, "camera", _IMAGE, None, "The original bytes of a frame with verdict unsure."),
    _Message("shadow", topics.SHADOW, "camera", JSON, Result, "What a second model says of a share of the frames."),
    _Message("coil", topics.COILS, "line", JSON, CoilSummary, "A coil that has ended."),
)

_REPLAY_MARK: Json = {
    "name": "stripwatch.replay-mark",
    "summary": "'stripwatch rejects replay' sent the frame of a reject again. This mark has no body; it is neither a "
    "reject nor a CloudEvent. Do not count it as a reject.",
    "contentType": _BYTES,
    "headers": {
        "type": "object",
        "properties": {REPLAYED: _TEXT | {"description": "ce_id of the frame's first reject."}},
        "required": [REPLAYED],
    },
    "payload": {"type": "string", "maxLength": 0},
    "bindings": {"kafka": {"key": _TEXT | {"description": "camera id"}, "bindingVersion": "0.5.0"}},
}


def schemas(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go, over those that are there.")],
) -> None:
    """Write what is on Kafka as JSON Schemas and one AsyncAPI 3 document, made from the code.

    Example: stripwatch schemas --out deploy/contracts
    """
    print_summary({"out": str(out), "files": write_schemas(out)})


def write_schemas(out: Path) -> list[str]:
    """Write every file of the contract into a folder, over what is there. Their names. Raises InputError."""
    files = {f"{name}.schema.json": schema(name) for name in EVENTS} | {"asyncapi.json": asyncapi()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, document in files.items():
            (out / name).write_text(as_text(document))
    except OSError as error:
        raise InputError(f"cannot write contracts to {out}: {error.strerror}") from error
    return sorted(files)


def as_text(document: Json) -> str:
    return json.dumps(document, indent=2) + "\n"


def schema(name: str) -> Json:
    """The JSON Schema (2020-12) of one kind of event."""
    stated, kind = EVENTS[name]
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    definitions[kind.__name__]["properties"]["schema"] = {"const": stated}
    return (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": stated}
        | reference
        | {"$defs": definitions}
    )


def asyncapi() -> Json:
    """One AsyncAPI 3.0 document: topics by their usual names, messages with their headers, keys and payloads."""
    kinds = [kind for _, kind in EVENTS.values() if kind is not Reject]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for stated, kind in EVENTS.values():
        if kind.__name__ in schemas:
            schemas[kind.__name__]["properties"]["schema"] = {"const": stated}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stripwatch",
            "version": __version__,
            "description": "Frames of moving steel strip in; results, defects, rejects, pictures and coils out. "
            "Records are CloudEvents 1.0 in binary mode. Fields may be added to an event, never changed: read what "
            "you know, pass over the rest. Unless the worker is told otherwise, delivery is at least once: drop a "
            "ce_id seen before.",
        },
        "defaultContentType": JSON,
        "channels": {message.kind: _channel(message) for message in _MESSAGES},
        "operations": dict(map(_operation, _MESSAGES)) | {"send_replay_mark": _send("reject", "replay_mark")},
        "components": {
            "messages": {message.kind: _message(message) for message in _MESSAGES} | {"replay_mark": _REPLAY_MARK},
            "schemas": schemas,
        },
    }


def _channel(message: _Message) -> Json:
    kinds = [message.kind, "replay_mark"] if message.kind == "reject" else [message.kind]
    messages = {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds}
    return {"address": message.topic, "description": message.text, "messages": messages}


def _operation(message: _Message) -> tuple[str, Json]:
    if message.kind == "frame":
        return "receive_frame", {"action": "receive", "channel": {"$ref": "#/channels/frame"}}
    return f"send_{message.kind}", _send(message.kind, message.kind)


def _send(channel: str, message: str) -> Json:
    """message: the one of the channel's messages that this operation sends."""
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
    """A camera need not send any header; what we send is complete."""
    properties = _CLOUDEVENT | {header_names.TYPE: {"const": message.ce_type}}
    if message.kind == "frame":
        return {"type": "object", "properties": properties | _FRAME}
    required = [
        header_names.SPECVERSION,
        header_names.ID,
        header_names.SOURCE,
        header_names.TYPE,
        header_names.TIME,
        header_names.CONTENT_TYPE,
    ]
    own = _COPIES.get(message.kind)
    if own is None:
        return {"type": "object", "properties": properties, "required": required}
    stated = _own_headers(own) | _own_headers(OriginHeaders)
    return {
        "type": "object",
        "properties": properties | stated | _KEPT,
        "patternProperties": {f"^{re.escape(ORIGINAL_PREFIX)}": _TEXT},
        "required": [*required, *stated],
    }


def _own_headers(kind: type[msgspec.Struct]) -> Json:
    """The headers of `frame_copy_headers`: everything on Kafka is text."""
    (_, definitions) = msgspec.json.schema_components([kind])
    fields: Json = definitions[kind.__name__]["properties"]
    return {
        OWN_PREFIX + name: (_NUMBER if field["type"] == "integer" else _TEXT)
        | {key: value for key, value in field.items() if key == "description"}
        for name, field in fields.items()
    }
