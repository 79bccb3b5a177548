"""Sections of the settings of the shadow, novel frames, evidence images, review frames and drift."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from stripwatch.worker.config.sections import Section


class ShadowSettings(Section):
    """A candidate bundle that inspects a share of the frames for comparison with the running bundle."""

    bundle: Path | None = Field(
        default=None,
        description="Shadow bundle: a candidate that inspects a share of the frames and is only compared with the "
        "running bundle. Unset: no shadow.",
    )
    share: float = Field(
        default=0.1, gt=0, le=1, description="Fraction of the frames that the shadow inspects, above 0 and up to 1."
    )


class NoveltySettings(Section):
    """Frames unlike those that the model was trained on. Only for a bundle with a novelty score."""

    verdict: Literal["unsure", "ignore"] = Field(
        default="unsure",
        description="Treatment of a frame whose novelty score is above the threshold. unsure: publish verdict `unsure` "
        "with the reason `novel`; ignore: publish the score, but decide as if there were none.",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Novelty score above which a frame is novel, above 0. Higher: fewer novel frames. Unset: the "
        "threshold of the bundle. The scale of the score differs between bundles, so check this value with each new "
        "bundle. It does not apply to the shadow.",
    )


class EvidenceSettings(Section):
    """Annotated pictures of defects on a separate topic. Evidence images never delay results."""

    enabled: bool = Field(
        default=False,
        description="Publish an evidence image of each frame with a defect, with boxes and heatmap drawn in.",
    )
    per_minute_max: float = Field(
        default=60,
        gt=0,
        le=60_000,
        description="Maximum average number of evidence images per minute, per camera and worker. Also the largest "
        "burst.",
    )
    bytes_max: int = Field(
        default=300_000,
        ge=10_000,
        le=16_000_000,
        description="Maximum size of an evidence image in bytes. A larger image is first compressed more, then "
        "scaled down.",
    )
    side_px_max: int = Field(
        default=1600, ge=64, le=8192, description="Maximum width and height of an evidence image in pixels."
    )
    quality: int = Field(default=85, ge=30, le=100, description="JPEG quality of evidence images.")


class ReviewSettings(Section):
    """Frames for a person to label, on a separate topic. Review frames never delay results."""

    enabled: bool = Field(
        default=False,
        description="Publish frames with verdict `unsure`, and defects of an anomaly model, to a separate topic for a "
        "person to label.",
    )
    per_hour_max: float = Field(
        default=60,
        gt=0,
        le=3_600_000,
        description="Maximum average number of review frames per hour, per camera, best class and worker. Also the "
        "largest burst. Novel frames do not count.",
    )
    novel_per_hour_max: float = Field(
        default=120,
        gt=0,
        le=3_600_000,
        description="Maximum average number of novel frames, or of defects of an anomaly model, per hour, per camera "
        "and worker. Also the largest burst. It should exceed the false alarms to expect: frames per hour times the "
        "false-alarm rate of the bundle.",
    )


class DriftSettings(Section):
    """Camera monitoring: thresholds of the camera conditions, and windows of the drift metrics."""

    measure_ms: float = Field(
        default=200,
        ge=0,
        le=60_000,
        description="Minimum interval in milliseconds between measurements of brightness, contrast, sharpness and "
        "noise per camera. 0: measure every frame.",
    )
    measured_frames: int = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Window of the per-camera means of brightness, contrast, sharpness and noise, in measured frames "
        "(approximate).",
    )
    scored_frames: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Window of the per-camera mean scores, in results (approximate).",
    )
    silent_s: float = Field(
        default=30,
        gt=0,
        le=86_400,
        description="Time in seconds without a frame after which a camera that has sent frames before is reported "
        "as silent.",
    )
    model_limits: bool = Field(
        default=True,
        description="Report a camera as dark, bright, of low contrast, noisy or blurred where the model of the bundle "
        "begins to fail, as its stress test found. false: only use the ratios below.",
    )
    dark_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the bundle's reference brightness below which a camera is reported as dark. Unset: "
        "where the model begins to fail, or 0.3 if the bundle does not state it.",
    )
    dark_brightness: float = Field(
        default=10,
        ge=0,
        le=255,
        description="Mean grey value (0 to 255) below which a camera is reported as dark if the bundle has no "
        "reference.",
    )
    bright_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the reference's distance from white (255 minus its brightness) below which a camera "
        "is reported as bright. 0: never with a reference. Unset: where the model begins to fail, or 0.3 if the bundle "
        "does not state it.",
    )
    bright_brightness: float = Field(
        default=245,
        ge=0,
        le=255,
        description="Mean grey value (0 to 255) above which a camera is reported as bright if the bundle has no "
        "reference.",
    )
    low_contrast_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the bundle's reference contrast below which a camera is reported as of low contrast. "
        "Unset: where the model begins to fail; not reported if the bundle does not state it.",
    )
    noisy_ratio: float | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Multiple of the bundle's reference noise above which a camera is reported as noisy. Unset: where "
        "the model begins to fail; not reported if the bundle does not state it.",
    )
    blurred_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the bundle's reference sharpness below which a camera is reported as blurred. Unset: "
        "where the model begins to fail, or 0.5 if the bundle does not state it. Not reported if the bundle has no "
        "reference.",
    )
    frozen_frames: int = Field(
        default=10,
        ge=2,
        le=1_000_000,
        description="Number of identical consecutive frames after which a camera is reported as frozen.",
    )
    distance_max: float = Field(
        default=3,
        gt=0,
        le=1000,
        description="Maximum distance of brightness, contrast, sharpness or noise from the bundle's reference, in "
        "standard deviations of the reference. Beyond it a camera is reported as drifting.",
    )
    reject_share_max: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Maximum share of rejects among a camera's frames of the last rejects.window_s seconds. Above it, "
        "and with five rejects or more, the camera is reported as rejecting. 1: never.",
    )
    colour_interval_frames: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Number of frames of a camera of which one is also decoded in colour. That costs about as much as "
        "decoding it in grey, so 100 adds about 1 % to the time for decoding. A camera of which three of the newest 20 "
        "such frames have colour is reported as coloured. 0: never. Only for a bundle that decodes to grey and was "
        "trained on images without colour. Frames of one channel cost nothing.",
    )
    novel_window_s: float = Field(
        default=600,
        ge=10,
        le=86_400,
        description="Window in seconds over which the novel frames of a camera are counted.",
    )
    novel_factor: float = Field(
        default=5,
        ge=1,
        le=1_000,
        description="Multiple of the bundle's false-alarm rate from which on the share of novel frames counts as too "
        "high; half of the frames beyond that rate are always enough. The camera is then reported as novel, if ten "
        "frames or more are novel and chance can be excluded.",
    )
    report_s: float = Field(
        default=10,
        ge=1,
        le=3600,
        description="Interval in seconds at which the state of each camera is repeated on topics.cameras. A changed "
        "condition is published at once.",
    )
