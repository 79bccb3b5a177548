"""The page of all record headers, made from the descriptions in worker/contracts."""

from collections.abc import Iterable
from typing import Any

import msgspec

from docs.generate.examples import examples
from docs.generate.markdown import code, page, table
from stripwatch.worker.contracts.frame_headers import OriginHeaders, RejectHeaders, ReviewHeaders
from stripwatch.worker.contracts.header_names import ORIGINAL_PREFIX, OWN_PREFIX
from stripwatch.worker.contracts.header_specs import (
    CORRECTION_HEADERS,
    EVENT_HEADERS,
    EVENT_HEADERS_REQUIRED,
    FRAME_COPY_HEADERS,
    FRAME_HEADERS,
    ORIGINAL_HEADER,
    REPLAY_MARK_HEADERS,
    HeaderSpec,
)
from stripwatch.worker.images.raw_header import PIXEL_FORMATS

_HEAD = """# Headers

The record headers on Kafka. Values are UTF-8 text unless stated otherwise; numbers are written
in decimal digits.

## Headers of a frame

A camera sends these headers with each frame on `inspection.frames`. They follow the CloudEvents Kafka binding in binary
mode. An image file needs none of them: a frame without headers is inspected, and its camera is the record's key or,
without a key, its topic and partition. A raw buffer needs `ce_pixelformat`, `ce_widthpx` and `ce_heightpx`.
`deploy/contracts/send_frames.py` is a complete sender.

A malformed header is treated as missing, and the frame is still inspected. The exceptions are the headers that describe
a raw buffer: if one of them is malformed, a raw buffer is rejected. The metric `stripwatch_header_faults_total` counts
malformed headers by name; its label is `key` for a malformed key and `timestamp` for a record time that is not
plausible. A text is malformed if it is not UTF-8, has control characters, or is longer than 200 characters. An empty
header counts as missing. If a name occurs twice, the last one is used.

Send CloudEvents in binary mode only. A frame in structured mode (`application/cloudevents+json`) is rejected as
`unsupported_format`, because its image is text within JSON.

The record's **key** is the camera id: frames with one key stay in one partition and in order. Without a key, the camera
is the last part of `ce_source`.
"""
_EXAMPLE = "Example of a frame's headers:"
_EFFECTS = "### Effect of a missing or malformed header"
_PIXELS = """### Pixel formats of raw buffers

Names are those of the GenICam Pixel Format Naming Convention; see [Frame formats](frame-formats.md) for rows and
padding.
"""
_EVENTS = """## Headers of every event

These headers are on results, defect events, rejects, evidence images, review frames, corrections, shadow results
and coil summaries.
"""
_COPIES = """## Headers of rejects, review frames and corrections

A reject, a review frame and a correction hold the original bytes of a frame. In addition to the headers above, they
state where the frame came from, and carry its key and its headers unchanged.
"""
_REJECTS, _REVIEWS = "### On rejects only", "### On review frames and corrections only"
_CORRECTIONS = """### On corrections only

A correction is a review frame with the decision of a person, from the live page. Its `ce_type` is
`stripwatch.correction.v1`, and it is on the topic of review frames.
"""
_MARKS = """## Header of a replay mark

The only header of the record that `stripwatch rejects replay` writes to the topic of rejects for each frame that it
sent again.
"""


def headers_page() -> str:
    """Return the page with the headers of frames, events, frame copies and replay marks."""
    sent = "\n".join(f"{name}: {value.decode()}" for name, value in examples()["frame"].headers)
    return page(
        _HEAD,
        table(["header", "value", "meaning"], _rows(FRAME_HEADERS)),
        _EFFECTS,
        table(
            ["header", "missing", "malformed"],
            ([code(each.name), each.missing, each.malformed] for each in FRAME_HEADERS),
        ),
        f"{_EXAMPLE}\n\n```text\n{sent}\n```",
        _PIXELS,
        table(["format", "bits per sample", "bits per pixel", "colours"], _pixel_formats()),
        _EVENTS,
        table(["header", "value", "meaning", "always present"], _event_rows()),
        _COPIES,
        table(["header", "value", "meaning"], _own(OriginHeaders)),
        table(["header", "value", "meaning"], _rows([*FRAME_COPY_HEADERS, _original()])),
        _REJECTS,
        table(["header", "value", "meaning"], _own(RejectHeaders)),
        _REVIEWS,
        table(["header", "value", "meaning"], _own(ReviewHeaders)),
        _CORRECTIONS,
        table(["header", "value", "meaning"], _rows(CORRECTION_HEADERS)),
        _MARKS,
        table(["header", "value", "meaning"], _rows(REPLAY_MARK_HEADERS)),
    )


def _rows(headers: Iterable[HeaderSpec]) -> list[list[str]]:
    return [[code(each.name), f"{each.form}<br>e.g. {code(each.example)}", each.description] for each in headers]


def _event_rows() -> list[list[str]]:
    return [[*row, "yes" if row[0].strip("`") in EVENT_HEADERS_REQUIRED else "no"] for row in _rows(EVENT_HEADERS)]


def _original() -> HeaderSpec:
    return HeaderSpec(
        f"{ORIGINAL_PREFIX}NAME", ORIGINAL_HEADER.form, ORIGINAL_HEADER.description, ORIGINAL_HEADER.example
    )


def _own(kind: type[msgspec.Struct]) -> list[list[str]]:
    _, definitions = msgspec.json.schema_components([kind])
    fields: dict[str, Any] = definitions[kind.__name__]["properties"]
    return [[code(OWN_PREFIX + name), _form(field), field["description"]] for name, field in fields.items()]


def _form(field: dict[str, Any]) -> str:
    """Return the form of a header's value. A header whose field may be null is absent then."""
    forms = {"string": "text", "integer": "integer", "number": "number"}
    (kind,) = {each["type"] for each in field.get("anyOf", [field])} - {"null"}
    return f"{forms[kind]}, optional" if "anyOf" in field else forms[kind]


def _pixel_formats() -> list[list[str]]:
    return [
        [code(name), str(each.bits), str(each.bits_per_pixel), each.colours or "grey"]
        for name, each in PIXEL_FORMATS.items()
    ]
