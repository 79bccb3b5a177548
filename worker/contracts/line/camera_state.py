"""State of a camera as its worker knows it. Fields are added, never changed or removed.

A worker repeats the state every `interval_s` seconds. A state that was not repeated is outdated: its worker has stopped
or lost the partition, or cannot reach Kafka. Workers publish no tombstones.

The description of a field is part of its JSON Schema and of the reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values
from stripwatch.worker.contracts.camera_source import make_source
from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.contracts.frame_headers import Headers, cloudevent_headers

CAMERA_SCHEMA = "stripwatch.camera/1"

Condition = Literal[
    "silent",
    "rejecting",
    "frozen",
    "dark",
    "bright",
    "low_contrast",
    "noisy",
    "blurred",
    "untrained_size",
    "novel",
    "coloured",
    "misnamed",
    "drifting",
]

# The most serious condition comes first.
CONDITIONS: dict[str, str] = {
    "silent": "The camera sends no frames.",
    "rejecting": "Many of the camera's frames cannot be inspected.",
    "frozen": "The camera sends the same image again and again.",
    "dark": "The images are much darker than expected, or so dark that the model is not reliable.",
    "bright": "The images are much brighter than expected, or so bright that the model is not reliable.",
    "low_contrast": "The images have so little contrast that the model is not reliable.",
    "noisy": "The images are so noisy that the model is not reliable.",
    "blurred": "The images are much less sharp than the training frames, or so blurred that the model is not reliable.",
    "untrained_size": "The frames differ in size or scale from the training frames.",
    "novel": "Many frames show something that the model was not trained on: far more than the false alarms to expect.",
    "coloured": "Frames have colour, which the model does not see, because its training images had none.",
    "misnamed": "The settings name this camera with different upper and lower case, so they are not used.",
    "drifting": "The images differ from the training frames by more than the permitted distance.",
}


class HeldCondition(msgspec.Struct, frozen=True):
    """Condition of a camera that needs attention."""

    name: Annotated[Condition, Meta(description=f"Condition. {list_values(CONDITIONS)}")]
    since: Annotated[
        str,
        Meta(
            description="Time at which the worker first noticed it, RFC 3339 in UTC with milliseconds. A worker that "
            "takes over the camera starts again."
        ),
    ]
    detail: Annotated[
        str | None,
        Meta(
            description="Value of the image statistic, its limit, and where the limit comes from: a stress test of "
            "this model, or a setting. Null for conditions that do not depend on an image statistic, and in states of "
            "versions before this field existed."
        ),
    ] = None


class NewestFrame(msgspec.Struct, frozen=True):
    """Newest frame of a camera that its worker has seen. Replayed frames do not count."""

    captured_at: Annotated[str, Meta(description="Moment of exposure, RFC 3339 in UTC with milliseconds.")]
    topic: Annotated[str, Meta(description="Kafka topic of the frame.")]
    partition: Annotated[int, Meta(description="Kafka partition of the frame.")]
    offset: Annotated[
        int,
        Meta(
            description="Kafka offset of the frame. If two workers report the same camera and partition during a "
            "rebalance, the state with the higher offset is the current one."
        ),
    ]


class NoveltyCounts(msgspec.Struct, frozen=True):
    """Novel frames of a camera, which the model was not trained on."""

    window_s: Annotated[float, Meta(description="Length of the window in which the frames are counted, in seconds.")]
    frames: Annotated[
        int,
        Meta(
            description="Number of frames in the window whose novelty score was compared with the threshold; without "
            "flagged frames and replays."
        ),
    ]
    novel: Annotated[int, Meta(description="Number of those frames that are novel.")]
    expected_share: Annotated[
        float, Meta(description="Share of novel frames to expect if the camera shows nothing new, 0 to 1.")
    ]


class ColourCounts(msgspec.Struct, frozen=True):
    """Colour of a camera's frames, which a model that decodes to grey does not see."""

    checked: Annotated[int, Meta(description="Number of the newest frames that were also decoded in colour, up to 20.")]
    coloured: Annotated[int, Meta(description="Number of those frames that have colour.")]
    largest: Annotated[
        int,
        Meta(
            description="Largest colour of those frames: difference between two channels of a block of 8x8 pixels, 0 "
            "to 255. From 8 on, a frame counts as coloured."
        ),
    ]


class CameraState(msgspec.Struct, frozen=True):
    """State of a camera, published by the worker to which the camera's partition is assigned."""

    schema: Annotated[str, Meta(description="Name and version of this schema.")]
    camera: Annotated[str, Meta(description="Camera, as in the events of its frames.")]
    line: Annotated[str | None, Meta(description="Line of the camera; null where its frames state none.")]
    stated_at: Annotated[str, Meta(description="Time of this state, RFC 3339 in UTC with milliseconds.")]
    interval_s: Annotated[
        float, Meta(description="Interval at which the worker repeats the state, in seconds; changes are sent at once.")
    ]
    conditions: Annotated[
        list[HeldCondition],
        Meta(description="Conditions that hold, the most serious first; empty for a camera without a known fault."),
    ]
    unchecked: Annotated[
        list[Condition],
        Meta(
            description="Conditions that the worker cannot check: too few frames were measured, the camera is silent, "
            "or the bundle has no reference. `novel` and `coloured` are never listed: they cannot be checked where "
            "`novelty` and `colour` are null. Nor are `noisy` and `low_contrast`, which need a bundle with "
            "`camera_limits`, or a setting."
        ),
    ]
    since: Annotated[
        str, Meta(description="Time since which exactly these conditions have held, RFC 3339 in UTC with milliseconds.")
    ]
    statistics: Annotated[
        dict[str, float],
        Meta(
            description="Mean of each image statistic over the newest measured frames: `brightness` and `contrast` in "
            "grey values (0 to 255), `sharpness`, the mean difference of neighbouring pixels divided by the "
            "brightness, and `noise`, the standard deviation of noise in grey levels, to which rough steel adds. Empty "
            "without enough frames."
        ),
    ]
    distances: Annotated[
        dict[str, float],
        Meta(
            description="Distance of each statistic from the bundle's reference, in standard deviations of the "
            "reference; empty without a reference."
        ),
    ]
    scores: Annotated[
        dict[str, float],
        Meta(description="Mean `confidence` and share of `unsure` verdicts over the newest results, 0 to 1."),
    ]
    window_s: Annotated[float, Meta(description="Length of the window in which frames and rejects are counted, in s.")]
    frames: Annotated[
        int, Meta(description="Number of frames in the window that have a result or a reject; without replays.")
    ]
    rejects: Annotated[
        dict[str, int],
        Meta(description="Number of rejected frames in the window by reason; a reason without rejects is absent."),
    ]
    frame: Annotated[NewestFrame, Meta(description="Newest frame that the worker has seen.")]
    model: Annotated[ModelInfo, Meta(description="Model that inspected the newest frame, or would have.")]
    worker: Annotated[str, Meta(description="Name of the worker: its `instance_id`.")]
    novelty: Annotated[
        NoveltyCounts | None,
        Meta(
            description="Recent novel frames; null if the bundle has no novelty score, if `novelty.verdict` is ignore, "
            "if the camera is silent, and in states of versions before this field existed."
        ),
    ] = None
    colour: Annotated[
        ColourCounts | None,
        Meta(
            description="Colour of the newest frames; null if the model sees colour or its bundle does not state that "
            "the training images had none, if `drift.colour_interval_frames` is 0, if the camera is silent, and in "
            "states of versions before this field existed."
        ),
    ] = None


def camera_state_headers(state: CameraState, source: str | None = None) -> Headers:
    """Return the CloudEvents headers of a state. source: `ce_source` of the camera's frames, if they state one."""
    source = source or make_source(state.line, state.camera)
    identity = f"{source}-{state.stated_at}-{state.worker}"
    return cloudevent_headers(identity, source, "camera", state.stated_at, None)
