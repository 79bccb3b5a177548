"""Events that downstream systems read: results, defects and rejects. Fields are added, never changed or removed.

The description of a field is part of its JSON Schema and of the reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import DescribedEnum, list_values
from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.frame_info import FrameInfo, StripSpan

RESULT_SCHEMA = "stripwatch.result/1"
REJECT_SCHEMA = "stripwatch.reject/1"

State = Literal["inspected", "skipped"]
Verdict = Literal["clean", "unsure", "defect"]
ThresholdSource = Literal["bundle", "settings"]
ModelTask = Literal["anomaly"]

STATES: dict[str, str] = {
    "inspected": "The model classified the frame.",
    "skipped": "The frame was older than `deadline_ms` and was not inspected.",
}
VERDICTS: dict[str, str] = {
    "clean": "The model found no defect.",
    "unsure": "The model cannot decide, for the reason in `reason`; a person should look at the frame.",
    "defect": "At least one defect was found.",
}
THRESHOLD_SOURCES: dict[str, str] = {
    "bundle": "The thresholds are those of the bundle.",
    "settings": "The settings `thresholds` or `novelty` override at least one of them.",
}
MODEL_TASKS: dict[str, str] = {
    "anomaly": "The model was trained on clean frames only. It finds whatever differs from them, without naming it.",
}


class FrameFlag(DescribedEnum):
    """Reason why the verdict of a frame is unsure regardless of its scores. The values are metric labels."""

    DAMAGED = "damaged", "The image file is damaged and `frames.damaged` is flag, so it was decoded as far as possible."
    BIT_DEPTH = (
        "bit_depth",
        "The samples use fewer bits than they are stored in and nothing states how many, or more than stated; or they "
        "have 8 bits and the model was trained on more.",
    )
    SIZE = "size", "Width, height or aspect ratio is outside the range of the frames that the model was trained on."
    SCALE = "scale", "The camera's millimetres per pixel differ from those that the model was trained on."
    PROGRESSIVE = "progressive", "The image is a progressive JPEG file, in which damage can go unnoticed."
    SECOND_IMAGE = (
        "second_image",
        "A second image follows in the record. It was not inspected, and the headers may belong to either.",
    )


class UnsureReason(DescribedEnum):
    """Reason for the verdict unsure. If several apply, the first one in this order is stated."""

    FLAG = "flag", "The frame has flags, so that the scores say little."
    NOVEL = "novel", "The frame shows something unlike the training frames: `novelty` exceeds its threshold."
    SCORE = "score", "The scores are too low for a decision."


class Box(msgspec.Struct, frozen=True):
    """Rectangle in pixels of the source image, whose origin is the upper left corner."""

    x: Annotated[int, Meta(description="Left edge, in pixels.")]
    y: Annotated[int, Meta(description="Top edge, in pixels.")]
    width: Annotated[int, Meta(description="Width, in pixels. Images are taken with the strip along their width.")]
    height: Annotated[int, Meta(description="Height, in pixels.")]


class ModelInfo(msgspec.Struct, frozen=True):
    """Model that made a result."""

    name: Annotated[str, Meta(description="Name of the bundle.")]
    version: Annotated[str, Meta(description="Version of the bundle.")]
    sha256: Annotated[str, Meta(description="SHA-256 of the bundle's graph and manifest, in hexadecimal digits.")]
    thresholds: Annotated[
        ThresholdSource,
        Meta(description=f"Origin of the decision thresholds. {list_values(THRESHOLD_SOURCES)}"),
    ]
    provider: Annotated[
        str | None,
        Meta(
            description="ONNX Runtime execution provider that ran the model, such as CPUExecutionProvider; null where "
            "it is not known."
        ),
    ] = None
    no_defect: Annotated[
        str | None,
        Meta(
            description='Label that means "no defect"; null if the bundle has none, and in events of versions before '
            "this field existed."
        ),
    ] = None
    task: Annotated[
        ModelTask | None,
        Meta(
            description=f"What the model was trained for, if it is not a classifier. {list_values(MODEL_TASKS)} Null "
            "for a classifier, and in events of versions before this field existed."
        ),
    ] = None
    novelty_threshold: Annotated[
        float | None,
        Meta(
            description="Novelty score above which a frame is novel; null if the bundle has no novelty score, if "
            "`novelty.verdict` is ignore, and in events of versions before this field existed."
        ),
    ] = None


class Defect(msgspec.Struct, frozen=True):
    """One defect on a frame."""

    label: Annotated[str, Meta(description="Class of the defect: one of the bundle's labels.")]
    score: Annotated[float, Meta(description="Calibrated score of the class, 0 to 1, rounded to six places.")]
    box_px: Annotated[
        Box | None,
        Meta(
            description="Location on the frame; null where it is not known: the bundle has no heatmaps, or the heatmap "
            "of this frame locates nothing."
        ),
    ]
    strip_mm: Annotated[
        StripSpan | None,
        Meta(
            description="Location on the coil: that of the box, or of the whole frame if there is no box. Null without "
            "`ce_strippositionmm` or the setting `cameras.ID.mm_per_px`."
        ),
    ]
    width_mm: Annotated[
        float | None,
        Meta(
            description="Extent of the box across the strip, in millimetres, rounded to 0.1; null without a box or the "
            "setting `cameras.ID.mm_per_px_across` or `mm_per_px`."
        ),
    ] = None
    left_edge_mm: Annotated[
        float | None,
        Meta(
            description="Distance from the left edge of the strip to the box, in millimetres, rounded to 0.1; negative "
            "if the box reaches beyond the edge. Null where `width_mm` is, or without `cameras.ID.lane_offset_mm`."
        ),
    ] = None
    right_edge_mm: Annotated[
        float | None,
        Meta(
            description="Distance from the box to the right edge of the strip, like `left_edge_mm`; null where that "
            "is, or without `cameras.ID.strip_width_mm`."
        ),
    ] = None


class Candidate(msgspec.Struct, frozen=True):
    """Location that made the model think of a defect."""

    label: Annotated[str, Meta(description="Class that the model thinks of: one of the bundle's labels.")]
    score: Annotated[float, Meta(description="Calibrated score of the class, 0 to 1, rounded to six places.")]
    box_px: Annotated[Box, Meta(description="Location on the frame.")]


class TimingMs(msgspec.Struct, frozen=True):
    """Time that the frame spent in the stages of the worker, in milliseconds."""

    decode: Annotated[float, Meta(description="Decoding time, in milliseconds.")]
    queue: Annotated[float, Meta(description="Time in the queue between decoding and inference, in milliseconds.")]
    inference: Annotated[
        float, Meta(description="Inference time of the whole batch, in milliseconds; 0 for a skipped frame.")
    ]
    total: Annotated[
        float, Meta(description="Time from the arrival of the frame in the worker to this event, in milliseconds.")
    ]


class Result(msgspec.Struct, frozen=True):
    """Result of a frame that was not rejected. A defect event is the same document for a frame with a defect."""

    schema: Annotated[str, Meta(description="Name and version of this schema.")]
    id: Annotated[
        str,
        Meta(
            description="Id of the frame's result. It depends only on the frame's record on Kafka, so a repeated "
            "result of the same record has the same id."
        ),
    ]
    state: Annotated[State, Meta(description=f"What happened to the frame. {list_values(STATES)}")]
    verdict: Annotated[
        Verdict | None,
        Meta(description=f"Decision about the frame; null for a skipped frame. {list_values(VERDICTS)}"),
    ]
    label: Annotated[
        str | None,
        Meta(
            description='Label with the highest score, which may be the one that means "no defect"; null for a '
            "skipped frame."
        ),
    ]
    score: Annotated[
        float | None,
        Meta(description="Calibrated score of `label`, 0 to 1, rounded to six places; null for a skipped frame."),
    ]
    scores: Annotated[
        dict[str, float],
        Meta(description="Calibrated score of each label, 0 to 1, rounded to six places; empty for a skipped frame."),
    ]
    defects: Annotated[
        list[Defect],
        Meta(
            description="Defects on the frame: one entry for each box of a class that reaches its threshold, or one "
            "without a box, best class first. Empty unless the verdict is `defect`."
        ),
    ]
    frame: Annotated[FrameInfo, Meta(description="The frame that was inspected.")]
    model: Annotated[
        ModelInfo,
        Meta(description="The model that made the result; for a skipped frame, the one that was running."),
    ]
    timing_ms: Annotated[TimingMs, Meta(description="Time that the frame spent in the worker.")]
    evidence: Annotated[
        bool | None,
        Meta(
            description="Whether an evidence image was admitted for this frame; its record has `id` as key. Null "
            "without defects, or if evidence is switched off."
        ),
    ] = None
    flags: Annotated[
        tuple[FrameFlag, ...],
        Meta(
            description="Reasons why the verdict is `unsure` whatever the scores are; empty for an ordinary frame. "
            + list_values({flag.value: flag.description for flag in FrameFlag})
        ),
    ] = ()
    reason: Annotated[
        UnsureReason | None,
        Meta(
            description="Why the verdict is `unsure`; null for any other verdict, and in events of versions before "
            "this field existed. If several reasons apply, the first one in this order. "
            + list_values({reason.value: reason.description for reason in UnsureReason})
        ),
    ] = None
    novelty: Annotated[
        float | None,
        Meta(
            description="Novelty score, rounded to six significant digits: the higher, the less the frame resembles "
            "the training frames. Its scale depends on the bundle. Null if the bundle has no novelty score, and for a "
            "skipped frame."
        ),
    ] = None
    candidates: Annotated[
        tuple[Candidate, ...],
        Meta(
            description="On a frame with the verdict `unsure`: the boxes of the predicted class, and of each defect "
            "class that reaches its `unsure` threshold, best class first, at most 16. They show a person where to "
            "look and are not defects. Empty for any other verdict, if the bundle has no heatmaps, and in events of "
            "versions before this field existed."
        ),
    ] = ()


class Reject(msgspec.Struct, frozen=True):
    """Frame that could not be inspected, as `stripwatch inspect` writes it; on Kafka the headers hold the same."""

    schema: Annotated[str, Meta(description="Name and version of this schema.")]
    id: Annotated[str, Meta(description="Id of the reject, which depends only on the frame's record or file.")]
    reason: Annotated[
        str,
        Meta(
            description="Why the frame could not be inspected. "
            + list_values({reason.value: reason.description for reason in RejectReason})
        ),
    ]
    detail: Annotated[str, Meta(description="Sentence for a person: what exactly is wrong with the frame.")]
    frame: Annotated[FrameInfo, Meta(description="The frame that was rejected.")]
