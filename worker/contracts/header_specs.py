"""Descriptions of all record headers: those that cameras send, and those that Stripwatch writes.

The JSON Schemas, the AsyncAPI document and the reference are generated from them. RejectHeaders, ReviewHeaders and
OriginHeaders in frame_headers.py describe the headers of frame copies.
"""

from dataclasses import dataclass, field
from typing import Any

from stripwatch.worker.contracts import header_names as names
from stripwatch.worker.contracts.events import VERDICTS
from stripwatch.worker.contracts.frame_info import STRIP_DIRECTIONS

_FAULT = "counted in `stripwatch_header_faults_total`"
DECISIONS = ("confirmed", "relabelled", "not_a_defect")
_UNUSED = "No effect; the worker does not read it."
_NUMBER, _COUNT = {"pattern": "^-?[0-9]+$"}, {"pattern": "^[0-9]+$"}


@dataclass(frozen=True, slots=True)
class HeaderSpec:
    """One record header; its value is UTF-8 text.

    Attributes:
        name: Name of the header.
        form: Permitted values, as text for a reader.
        description: Meaning of the header.
        example: Example of a value.
        missing: Effect on the frame if it is absent; empty for a header that Stripwatch writes.
        malformed: Effect on the frame if it cannot be read; empty for a header that Stripwatch writes.
        constraint: Keywords of JSON Schema for the value, beyond `type: string`.
    """

    name: str
    form: str
    description: str
    example: str
    missing: str = ""
    malformed: str = ""
    constraint: dict[str, Any] = field(default_factory=dict)


FRAME_HEADERS = (
    HeaderSpec(names.SPECVERSION, "text", "Version of CloudEvents.", "1.0", _UNUSED, _UNUSED, {"const": "1.0"}),
    HeaderSpec(
        names.ID,
        "text",
        "Id that the sender gives the frame. Results have ids of their own, made from the record's position.",
        "top-1-000123",
        _UNUSED,
        _UNUSED,
    ),
    HeaderSpec(
        names.SOURCE,
        "URI reference, at most 2,000 characters",
        "`/site/area/line/camera`, percent-encoded, or any other URI whose path ends with the camera. Events carry it "
        "unchanged as `ce_source`, and its parts percent-decoded as `frame.line` and `frame.camera`. The record's key, "
        "if there is one, takes precedence as the camera.",
        "/plant/hot-rolling/line-1/top-1",
        "The line is null. The camera is the record's key or, without a key, topic and partition.",
        "Treated as missing if the camera cannot be read from it. A trailing slash, a query or a fragment is ignored: "
        f"write `?` and `#` in a name as `%3F` and `%23`. Both are {_FAULT}.",
    ),
    HeaderSpec(
        names.TYPE,
        "text",
        "CloudEvents type of the record.",
        "stripwatch.frame.v1",
        _UNUSED,
        _UNUSED,
        {"const": "stripwatch.frame.v1"},
    ),
    HeaderSpec(
        names.TIME,
        "RFC 3339 with an offset from UTC",
        "Moment of exposure.",
        "2026-11-23T02:00:00.123Z",
        "The record's time is used instead, so ages do not include the time between exposure and sending. If that time "
        "is not plausible either, the time of arrival is used.",
        f"Treated as missing, and {_FAULT}. A time before 2000 or a day or more ahead is malformed: it is in "
        "seconds or microseconds, or the clock was never set.",
        {"format": "date-time"},
    ),
    HeaderSpec(
        names.SUBJECT,
        "text, at most 200 characters",
        "Coil id.",
        "C4711",
        "`frame.coil` is null, and the frame is counted for a coil without an id.",
        f"Treated as missing, and {_FAULT}.",
    ),
    HeaderSpec(
        names.CONTENT_TYPE,
        "media type",
        "Type of the value: `image/jpeg`, `image/png`, `image/bmp`, `image/tiff` or `image/webp`, or "
        "`application/octet-stream` for a raw buffer. The worker recognizes image files by their content.",
        "image/jpeg",
        _UNUSED,
        _UNUSED,
    ),
    HeaderSpec(
        names.STRIP_POSITION_MM,
        "integer from -10^12 to 10^12",
        "Start of the frame on the coil in millimetres: its end nearer to the head, whichever way the strip runs.",
        "120000",
        "Events and coil summaries have no positions on the strip.",
        f"Treated as missing, and {_FAULT}.",
        _NUMBER,
    ),
    HeaderSpec(
        names.STRIP_DIRECTION,
        "`forward` or `reverse`",
        "Direction in which the strip ran during the exposure. A line-scan camera's image is mirrored if it is "
        "`reverse`.",
        "forward",
        "`forward` is assumed. A coil whose positions fall has the position fault `reversed`.",
        f"Treated as missing, and {_FAULT}.",
        {"enum": list(STRIP_DIRECTIONS)},
    ),
    HeaderSpec(
        names.BLOCK_ID,
        "integer from 0 to 2^53 - 1",
        "The camera's own frame count. JSON readers change larger numbers.",
        "123",
        "`frame.block_id` is null.",
        f"Treated as missing, and {_FAULT}.",
        _COUNT,
    ),
    HeaderSpec(
        names.PIXEL_FORMAT,
        "GenICam pixel format name",
        "The value is a raw buffer of this pixel format, and `ce_widthpx` and `ce_heightpx` are required; absent for "
        "an image file.",
        "Mono12p",
        "The value is decoded as an image file.",
        "The frame is rejected as `unsupported_format`. Names are case-sensitive.",
    ),
    HeaderSpec(
        names.WIDTH_PX,
        "integer",
        "Width of a raw buffer in pixels; required with `ce_pixelformat`.",
        "1600",
        "A raw buffer is rejected as `undecodable`; no effect on an image file.",
        "A raw buffer is rejected as `undecodable`; no effect on an image file.",
        _COUNT,
    ),
    HeaderSpec(
        names.HEIGHT_PX,
        "integer",
        "Height of a raw buffer in pixels; required with `ce_pixelformat`.",
        "256",
        "A raw buffer is rejected as `undecodable`; no effect on an image file.",
        "A raw buffer is rejected as `undecodable`; no effect on an image file.",
        _COUNT,
    ),
    HeaderSpec(
        names.STRIDE_BYTES,
        "integer",
        "Bytes from the start of one row of a raw buffer to the start of the next.",
        "2400",
        "Rows follow each other directly. Required if a row ends within a byte.",
        "A raw buffer is rejected as `undecodable`; no effect on an image file.",
        _COUNT,
    ),
    HeaderSpec(
        names.TRACEPARENT,
        "W3C trace context",
        "Trace that the frame belongs to; passed through to every event.",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Events have no trace context.",
        f"Treated as missing, and {_FAULT}.",
    ),
    HeaderSpec(
        names.REPLAYS,
        "integer",
        "Number of times that the frame was sent again. Only `stripwatch rejects replay` writes it.",
        "1",
        "The frame counts as sent for the first time.",
        "`stripwatch rejects` cannot read a reject of the frame.",
        _COUNT,
    ),
    HeaderSpec(
        names.REPLAY_OF,
        "text, at most 200 characters",
        "Id of the first reject of a frame that was sent again. Only `stripwatch rejects replay` writes it.",
        "inspection.frames-2-41-a401c305",
        "`frame.replay_of` is null.",
        f"Treated as missing, and {_FAULT}.",
    ),
)

EVENT_HEADERS = (
    HeaderSpec(names.SPECVERSION, "`1.0`", "Version of CloudEvents.", "1.0", constraint={"const": "1.0"}),
    HeaderSpec(
        names.ID,
        "text",
        "Id of the event, the same if the event is repeated: drop an id that you have seen. A defect, evidence, review "
        "or shadow record has the id of the result with an ending such as `-defect`; that of a correction includes its "
        "time. A corrected coil summary has the coil's id with the revision as its ending; keep the highest revision "
        "of each id in the body.",
        "inspection.frames-2-41-a401c305",
    ),
    HeaderSpec(
        names.SOURCE,
        "URI reference",
        "`ce_source` of the frame, unchanged; made from the line and the camera if the frame has none. Of a coil "
        "summary: the line.",
        "/plant/hot-rolling/line-1/top-1",
    ),
    HeaderSpec(names.TYPE, "text", "Kind and version of the event.", "stripwatch.result.v1"),
    HeaderSpec(
        names.TIME,
        "RFC 3339, UTC",
        "Moment of exposure of the frame; of a coil summary, of its last frame.",
        "2026-11-23T02:00:00.123Z",
        constraint={"format": "date-time"},
    ),
    HeaderSpec(names.CONTENT_TYPE, "media type", "Type of the record's value.", "application/json"),
    HeaderSpec(names.SUBJECT, "text", "Coil id; absent where it is not known.", "C4711"),
    HeaderSpec(
        names.STRIP_POSITION_MM,
        "integer",
        "Start of the frame on the coil in millimetres: its end nearer to the head. Absent where it is not known, and "
        "in coil summaries.",
        "120000",
        constraint=_NUMBER,
    ),
    HeaderSpec(
        names.STRIP_DIRECTION,
        "`forward` or `reverse`",
        "Direction in which the strip ran during the exposure. Absent where it is not known, and in coil summaries.",
        "forward",
        constraint={"enum": list(STRIP_DIRECTIONS)},
    ),
    HeaderSpec(
        names.TRACEPARENT,
        "W3C trace context",
        "Trace context of the frame, unchanged; absent where the frame has none, and in coil summaries.",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
)
EVENT_HEADERS_REQUIRED = (names.SPECVERSION, names.ID, names.SOURCE, names.TYPE, names.TIME, names.CONTENT_TYPE)

FRAME_COPY_HEADERS = (
    HeaderSpec(
        names.KEY,
        "bytes",
        "Key of the frame's record; absent where it had none, or one over 1,024 bytes.",
        "top-1",
    ),
    HeaderSpec(names.KEY_DROPPED, "`1`", "The key was too large to keep.", "1"),
    HeaderSpec(
        names.HEADERS_DROPPED,
        "`1`",
        "The headers of the frame were too many (over 64) or too large (over 16,384 bytes) to keep.",
        "1",
    ),
)
ORIGINAL_HEADER = HeaderSpec(
    names.ORIGINAL_PREFIX,
    "bytes",
    "Prefix of each header that the camera sent: `original.ce_time` has the value of `ce_time`, unchanged.",
    "original.ce_time",
)

REPLAY_MARK_HEADERS = (
    HeaderSpec(names.REPLAYED, "text", "`ce_id` of the frame's first reject.", "inspection.frames-2-41-a401c305"),
)

CORRECTION_HEADERS = (
    HeaderSpec(
        names.CORRECTION,
        "`confirmed`, `relabelled` or `not_a_defect`",
        "Decision of a person about the frame: the prediction is right, the frame shows another class, or it shows no "
        "defect.",
        "relabelled",
        constraint={"enum": list(DECISIONS)},
    ),
    HeaderSpec(
        names.CORRECTED_LABEL,
        "text, at most 200 characters",
        "True label of the frame; absent for `not_a_defect` if the bundle has no label that means so.",
        "scratch",
    ),
    HeaderSpec(names.CORRECTED_BY, "text, at most 60 characters", "Name of the person.", "Ada Lovelace"),
    HeaderSpec(
        names.CORRECTED_AT,
        "RFC 3339, UTC",
        "Time of the decision by the clock of the page server. The latest decision about a frame counts.",
        "2026-11-23T02:05:00.123Z",
        constraint={"format": "date-time"},
    ),
    HeaderSpec(
        names.ORIGINAL_VERDICT,
        "`clean`, `unsure` or `defect`",
        "Verdict of the worker about the frame.",
        "defect",
        constraint={"enum": list(VERDICTS)},
    ),
)
CORRECTION_HEADERS_OPTIONAL = (names.CORRECTED_LABEL,)
