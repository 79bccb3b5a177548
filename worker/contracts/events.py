"""What downstream reads: result, defect and reject events. Fields may be added, never changed (DESIGN section 3)."""

from enum import StrEnum
from typing import Literal

import msgspec

RESULT_SCHEMA = "stripwatch.result/1"
REJECT_SCHEMA = "stripwatch.reject/1"


Verdict = Literal["clean", "unsure", "defect"]
StripDirection = Literal["forward", "reverse"]


class FrameFlag(StrEnum):
    """Why the verdict of a frame is unsure whatever its scores are. The values are labels of a metric.

    DAMAGED: the image file is damaged, and the settings say to inspect such files nevertheless.
    BIT_DEPTH: the samples use fewer bits than they are stored in, and nothing states how many; or more than stated;
        or 8 bits, and the model was trained on more.
    SIZE: width, height or aspect ratio is outside the range of the frames that the model was trained on.
    SCALE: the camera's millimetres per pixel differ from those that the model was trained on.
    PROGRESSIVE: a progressive JPEG file, in which damage can hide.
    SECOND_IMAGE: the record holds another image behind this one. It was not inspected, and which of them the headers
        are about is not known.
    """

    DAMAGED = "damaged"
    BIT_DEPTH = "bit_depth"
    SIZE = "size"
    SCALE = "scale"
    PROGRESSIVE = "progressive"
    SECOND_IMAGE = "second_image"


class Box(msgspec.Struct, frozen=True):
    """In pixels of the source image, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int


class ModelInfo(msgspec.Struct, frozen=True):
    """The model that made a result. thresholds: "settings" where the plant has overridden those of the bundle.

    provider: ONNX Runtime's name of what it runs on, as CPUExecutionProvider.
    """

    name: str
    version: str
    sha256: str
    thresholds: Literal["bundle", "settings"]
    provider: str | None = None


class StripSpan(msgspec.Struct, frozen=True, gc=False):
    """Millimetres along the coil."""

    start: int
    end: int


class Defect(msgspec.Struct, frozen=True):
    """box_px is null where the place on the frame is not known.

    strip_mm is that of the box, or of the whole frame while there is no box; null without mm_per_px or position.
    """

    label: str
    score: float
    box_px: Box | None
    strip_mm: StripSpan | None


class FrameInfo(msgspec.Struct, frozen=True):
    """Which frame this is about. From Kafka topic, partition and offset are set; from a folder, file is.

    strip_mm: what the frame shows of the strip; null without mm_per_px or position.
    block_id: the camera's own count of its frames, as ce_blockid states it; null where it does not, or over 2**53 - 1.
    replay_of: of a rejected frame that was sent again, the id of its first reject, which this event replaces.
    strip_direction: how the strip ran while the frame was taken, as ce_stripdirection states it; null where it is not
    there.
    """

    camera: str
    line: str | None
    coil: str | None
    captured_at: str
    strip_position_mm: int | None
    side: str | None
    lane_offset_mm: float | None
    width_px: int | None
    height_px: int | None
    topic: str | None
    partition: int | None
    offset: int | None
    file: str | None
    strip_mm: StripSpan | None = None
    replay_of: str | None = None
    block_id: int | None = None
    strip_direction: StripDirection | None = None


class TimingMs(msgspec.Struct, frozen=True):
    """decode and inference: at work (inference: the whole batch). queue: decoded and waiting. total: in the worker."""

    decode: float
    queue: float
    inference: float
    total: float


class Result(msgspec.Struct, frozen=True):
    """One for every frame that is not rejected. A defect event is the same bytes, where defects is not empty.

    evidence: whether a picture was admitted, under this event's id; null without defects, or where none are made.
    flags: why the verdict is unsure whatever the scores are; empty for an ordinary frame.
    """

    schema: str
    id: str
    state: Literal["inspected", "skipped"]
    verdict: Verdict | None
    label: str | None
    score: float | None
    scores: dict[str, float]
    defects: list[Defect]
    frame: FrameInfo
    model: ModelInfo
    timing_ms: TimingMs
    evidence: bool | None = None
    flags: tuple[FrameFlag, ...] = ()


class Reject(msgspec.Struct, frozen=True):
    """A frame that could not be inspected, as `inspect` writes it; on Kafka the same stands in headers."""

    schema: str
    id: str
    reason: str
    detail: str
    frame: FrameInfo
