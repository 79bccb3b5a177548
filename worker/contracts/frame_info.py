"""Identity and location of a frame, as events state them.

The description of a field is part of the JSON Schema of the events and of the reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values

StripDirection = Literal["forward", "reverse"]

STRIP_DIRECTIONS: dict[str, str] = {
    "forward": "The strip ran head first.",
    "reverse": "The strip ran tail first.",
}


class StripSpan(msgspec.Struct, frozen=True, gc=False):
    """Stretch of the coil, counted from its head."""

    start: Annotated[int, Meta(description="End of the stretch that is nearer to the head, in millimetres.")]
    end: Annotated[int, Meta(description="End of the stretch that is nearer to the tail, in millimetres.")]


class FrameInfo(msgspec.Struct, frozen=True):
    """Identity and location of the frame that an event is about."""

    camera: Annotated[
        str,
        Meta(
            description="Camera: the record's key, else the last part of `ce_source` (percent-decoded), else topic and "
            "partition. From `stripwatch inspect`: the folder of the file."
        ),
    ]
    line: Annotated[
        str | None,
        Meta(
            description="`ce_source` without its last part, percent-decoded, such as `/plant/hot-rolling/line-1`; "
            "null where `ce_source` names none."
        ),
    ]
    coil: Annotated[str | None, Meta(description="Coil id from `ce_subject`; null where it is missing or malformed.")]
    captured_at: Annotated[
        str,
        Meta(
            description="Moment of exposure, RFC 3339 in UTC with milliseconds: `ce_time`, else the record's time, "
            "else the time of arrival. From `stripwatch inspect`: the modification time of the file, or the time of "
            "the inspection if that is before 2000 or in the future."
        ),
    ]
    strip_position_mm: Annotated[
        int | None,
        Meta(
            description="Start of the frame on the coil in millimetres, from `ce_strippositionmm`: its end nearer to "
            "the head, whichever way the strip ran. Null where the header is missing or malformed."
        ),
    ]
    side: Annotated[
        str | None,
        Meta(description="Side of the strip, `top` or `bottom`, from `cameras.ID.side`; null where it is not set."),
    ]
    lane_offset_mm: Annotated[
        float | None,
        Meta(
            description="Distance from the left edge of the strip to the edge of the image that is nearer to it, in "
            "millimetres, from `cameras.ID.lane_offset_mm`; null where it is not set."
        ),
    ]
    width_px: Annotated[
        int | None,
        Meta(
            description="Width of the source image in pixels; null if it was not read: in rejects, and in frames "
            "skipped before they were decoded."
        ),
    ]
    height_px: Annotated[
        int | None, Meta(description="Height of the source image in pixels; null where `width_px` is.")
    ]
    topic: Annotated[
        str | None, Meta(description="Kafka topic of the frame; null from `stripwatch inspect`, which reads files.")
    ]
    partition: Annotated[int | None, Meta(description="Kafka partition of the frame; null where `topic` is.")]
    offset: Annotated[int | None, Meta(description="Kafka offset of the frame; null where `topic` is.")]
    file: Annotated[
        str | None,
        Meta(
            description="Path of the file below the folder that `stripwatch inspect` reads; null for a frame from "
            "Kafka."
        ),
    ]
    strip_mm: Annotated[
        StripSpan | None,
        Meta(
            description="Stretch of the coil that the frame shows; null without `ce_strippositionmm`, the setting "
            "`cameras.ID.mm_per_px` or `width_px`."
        ),
    ] = None
    replay_of: Annotated[
        str | None,
        Meta(
            description="Id of the first reject of this frame, if `stripwatch rejects replay` sent it again: this "
            "event replaces that reject. Null for any other frame."
        ),
    ] = None
    block_id: Annotated[
        int | None,
        Meta(
            description="The camera's own frame count, from `ce_blockid`, 0 to 2**53 - 1; null where the header is "
            "missing or malformed."
        ),
    ] = None
    strip_direction: Annotated[
        StripDirection | None,
        Meta(
            description="Direction in which the strip ran during the exposure, from `ce_stripdirection`; null where "
            f"the header is missing or malformed. {list_values(STRIP_DIRECTIONS)}"
        ),
    ] = None
