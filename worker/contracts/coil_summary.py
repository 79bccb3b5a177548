"""Summary of a coil, as `stripwatch coils` publishes it. Fields are added, never changed or removed.

The description of a field is part of its JSON Schema and of the reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame_info import StripSpan

COIL_SCHEMA = "stripwatch.coil/1"

Severity = Literal["minor", "major", "critical"]
CoilState = Literal["ok", "warning", "alarm"]
AlarmRule = Literal["critical", "defects", "rejected", "uncovered", "unsure"]
LimitRule = Literal[AlarmRule, "novel"]
LimitUnit = Literal["frames", "frames_per_100_m", "percent_of_frames", "percent_of_strip"]

Ended = Literal["next-coil", "silence", "limit"]

ENDED: dict[str, str] = {
    "next-coil": "The line started its next coil.",
    "silence": "No frame of the coil arrived for a while.",
    "limit": "The coil reached the maximum number of frames, or too many coils were open.",
}
LIMIT_RULES: dict[str, str] = {
    "critical": "Frames with a defect of a critical class.",
    "defects": "Frames with a defect of the class, per 100 m of inspected strip, or in percent of the inspected frames "
    "without strip positions.",
    "rejected": "Percentage of the frames that were rejected.",
    "uncovered": "Percentage of the length that no inspected frame shows.",
    "unsure": "Percentage of the inspected frames with the verdict `unsure`.",
    "novel": "Percentage of the inspected frames that are novel; never more than a warning.",
}
POSITION_FAULTS: dict[str, str] = {
    "outlier": "Frames whose position cannot be right, so that it is not used.",
    "reset": "Number of times that the encoder was set to another value, counted once however many cameras show it; "
    "the positions after it continue those before it.",
    "jump": "Number of times that positions went ahead by up to 1 km faster than any strip runs; counted as a gap.",
    "reversed": "Frames whose position is lower than the one before although no header says that the strip runs in "
    "reverse; their boxes may be mirrored.",
    "still": "Frames of a camera that states one position from its first to its last frame (100 frames or more).",
}


class FrameCounts(msgspec.Struct, frozen=True):
    """Frames by state. Each frame is counted once, however often its result is repeated."""

    inspected: Annotated[int, Meta(description="Number of frames that were inspected.")]
    skipped: Annotated[int, Meta(description="Number of frames that were skipped because they were too old.")]
    rejected: Annotated[int, Meta(description="Number of frames that could not be inspected.")]


class CameraSummary(msgspec.Struct, frozen=True):
    """One camera's part of a coil. An expected camera that sent nothing is listed with no frames."""

    frames: Annotated[FrameCounts, Meta(description="Frames of this camera.")]
    uncovered_mm: Annotated[
        int | None,
        Meta(
            description="Length of the coil that no inspected frame of this camera shows, in millimetres; null where "
            "the camera's scale or the coil's length is not known."
        ),
    ]
    position_faults: Annotated[
        dict[str, int],
        Meta(description="Position faults of this camera, by kind, as in the coil's `position_faults`."),
    ] = {}
    delay_ms_min: Annotated[
        int | None,
        Meta(
            description="Shortest time from the capture of a frame to its result within a day, in milliseconds: how "
            "far the camera's clock is behind. Null where no frame arrived."
        ),
    ] = None


class OffsetSpan(msgspec.Struct, frozen=True):
    """Range of records in a partition."""

    first: Annotated[int, Meta(description="Offset of the first record.")]
    last: Annotated[int, Meta(description="Offset of the last record.")]


class PixelSpan(msgspec.Struct, frozen=True, gc=False):
    """Rows of an image. They lie across the strip."""

    start: Annotated[int, Meta(description="First row, in pixels from the upper edge of the image.")]
    end: Annotated[int, Meta(description="Row after the last one, in pixels from the upper edge of the image.")]


class StripDefect(msgspec.Struct, frozen=True, gc=False):
    """Defect of the strip, joined from the frames of one camera that show parts of it."""

    label: Annotated[str, Meta(description="Class of the defect.")]
    camera: Annotated[str, Meta(description="Camera that saw it.")]
    score: Annotated[float, Meta(description="Best score of its parts, 0 to 1.")]
    strip_mm: Annotated[StripSpan, Meta(description="Location along the coil.")]
    across_px: Annotated[
        PixelSpan | None,
        Meta(description="Location across the strip, as rows of the image; null where it is not known."),
    ]
    parts: Annotated[
        int, Meta(description="Number of boxes that were joined, or of frames where the defect has no box.")
    ]
    event_id: Annotated[str, Meta(description="Id of the result with the best score.")]
    side: Annotated[
        str | None, Meta(description="Side of the strip that the camera faces, `top` or `bottom`; null if not set.")
    ] = None
    width_mm: Annotated[
        float | None,
        Meta(description="Extent across the strip of the part with the best score, as `width_mm` of its result."),
    ] = None
    left_edge_mm: Annotated[
        float | None,
        Meta(description="Distance of that part from the left edge of the strip, as `left_edge_mm` of its result."),
    ] = None
    right_edge_mm: Annotated[
        float | None,
        Meta(description="Distance of that part from the right edge of the strip, as `right_edge_mm` of its result."),
    ] = None


class ExceededLimit(msgspec.Struct, frozen=True):
    """Limit of the settings that a coil exceeds or nearly reaches."""

    rule: Annotated[LimitRule, Meta(description=f"Kind of the limit. {list_values(LIMIT_RULES)}")]
    label: Annotated[str | None, Meta(description="Class that the limit is for; null for limits of the whole coil.")]
    state: Annotated[CoilState, Meta(description="`alarm`, or `warning` near a limit and for minor classes.")]
    value: Annotated[float, Meta(description="Value of the coil, in `unit`.")]
    limit: Annotated[float, Meta(description="Limit from the settings, in `unit`.")]
    unit: Annotated[LimitUnit, Meta(description="Unit of `value` and `limit`.")]


class CoilSummary(msgspec.Struct, frozen=True):
    """Summary of a coil, or of a part of it if a pause split it."""

    schema: Annotated[str, Meta(description="Name and version of this schema.")]
    id: Annotated[
        str,
        Meta(
            description="Id of the coil, made from line, coil and first frame. Corrected summaries of the same coil "
            "have the same id."
        ),
    ]
    line: Annotated[str | None, Meta(description="Line of the coil's cameras; null where they state none.")]
    coil: Annotated[str | None, Meta(description="Coil id from `ce_subject`; null for frames without one.")]
    ended: Annotated[
        Ended | None,
        Meta(description=f"Why the coil ended; null while it is running. {list_values(ENDED)}"),
    ]
    first_captured_at: Annotated[
        str, Meta(description="Capture time of the first frame, RFC 3339 in UTC with milliseconds.")
    ]
    last_captured_at: Annotated[
        str, Meta(description="Capture time of the last frame, RFC 3339 in UTC with milliseconds.")
    ]
    strip_mm: Annotated[
        StripSpan | None,
        Meta(description="Lowest to highest position that any frame shows; null where no position is known."),
    ]
    length_mm: Annotated[int | None, Meta(description="Length of `strip_mm` in millimetres; null where `strip_mm` is.")]
    uncovered_mm: Annotated[
        int | None,
        Meta(
            description="Part of `length_mm` that no inspected frame of any camera shows, in millimetres; null where "
            "the frames' positions or scale are not known."
        ),
    ]
    gaps: Annotated[
        list[StripSpan],
        Meta(description="Stretches that make up `uncovered_mm`, the longest first; at most 200 of `gaps_total`."),
    ]
    frames: Annotated[FrameCounts, Meta(description="Frames of all cameras.")]
    verdicts: Annotated[
        dict[str, int], Meta(description="Number of inspected frames by verdict; a verdict without frames is absent.")
    ]
    defects: Annotated[
        dict[str, int],
        Meta(description="Number of strip defects by class, including defects without a location on the strip."),
    ]
    worst: Annotated[
        StripDefect | None,
        Meta(
            description="Most serious strip defect: that of the most severe class, then with the best score, then the "
            "longest; null without strip defects."
        ),
    ]
    cameras: Annotated[
        dict[str, CameraSummary],
        Meta(description="Summary of each camera, by its name; cameras beyond the first 256 are counted as `other`."),
    ]
    strip_defects: Annotated[
        list[StripDefect],
        Meta(
            description="Strip defects by location: the first 1,000 of `strip_defects_total`, or fewer if the summary "
            "would be too large for a record."
        ),
    ]
    flagged: Annotated[
        int,
        Meta(
            description="Number of inspected frames with a flag: their verdict is `unsure` whatever their scores are."
        ),
    ] = 0
    flags: Annotated[
        dict[str, int],
        Meta(
            description="Number of inspected frames by flag; a flag without frames is absent. "
            + list_values({flag.value: flag.description for flag in FrameFlag})
        ),
    ] = {}
    gaps_total: Annotated[int, Meta(description="Number of gaps, including those that `gaps` leaves out.")] = 0
    partly_uncovered_mm: Annotated[
        int | None,
        Meta(
            description="Length that at least one camera does not show, silent cameras included, in millimetres; null "
            "where the frames' positions or scale are not known."
        ),
    ] = None
    cameras_silent: Annotated[
        list[str],
        Meta(
            description="Cameras that sent nothing, although the settings assign them to this line or they saw its "
            "earlier coils."
        ),
    ] = []
    position_faults: Annotated[
        dict[str, int],
        Meta(
            description="Positions that cannot be right, by kind; a kind without faults is absent. "
            + list_values(POSITION_FAULTS)
        ),
    ] = {}
    revision: Annotated[
        int,
        Meta(
            description="1 for the first summary of a coil, increased each time that late frames correct it: keep the "
            "highest revision of each id."
        ),
    ] = 1
    supplement: Annotated[
        bool,
        Meta(
            description="True if this is not the whole coil but frames of it that arrived when it could no longer be "
            "corrected: add them to the coil."
        ),
    ] = False
    strip_defects_total: Annotated[
        int, Meta(description="Number of strip defects, including those that `strip_defects` leaves out.")
    ] = 0
    offsets: Annotated[
        dict[str, OffsetSpan],
        Meta(
            description="Records that hold the results and rejects of the coil's frames, by `TOPIC-PARTITION`. Records "
            "of other coils lie between them."
        ),
    ] = {}
    replaced_rejects: Annotated[
        int,
        Meta(
            description="Of a supplement: frames that were rejected, sent again and are counted here. Subtract them "
            "from the coil's rejected frames."
        ),
    ] = 0
    defect_frames: Annotated[
        dict[str, int],
        Meta(
            description="Number of frames with at least one defect of a class, by class. A defect that several frames "
            "show is one strip defect, but several frames."
        ),
    ] = {}
    state: Annotated[
        CoilState | None,
        Meta(description="State by the limits in the settings of `stripwatch coils`; null in older summaries."),
    ] = None
    exceeded: Annotated[
        list[ExceededLimit],
        Meta(description="Reasons for the state, the most serious first; empty if the state is `ok`."),
    ] = []
    severities: Annotated[
        dict[str, Severity],
        Meta(description="Severity of each class in `defects` and `defect_frames`, from the settings."),
    ] = {}
    without_limit: Annotated[
        list[str],
        Meta(
            description="Classes in `defect_frames` for which the settings have no limit. `state` says nothing about "
            "them."
        ),
    ] = []
    novel: Annotated[
        int,
        Meta(
            description="Number of inspected frames that are novel: the model was not trained on such frames, so that "
            "their verdict is `unsure`."
        ),
    ] = 0
