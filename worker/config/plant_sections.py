"""Sections of the settings that describe a plant: its cameras, coils and decision thresholds."""

from typing import Literal, Self

from pydantic import Field, model_validator

from stripwatch.worker.config.sections import Section


class Camera(Section):
    """Settings per camera. ID is the camera id from the frame's headers, for example `[cameras.top-1]`."""

    mm_per_px: float | None = Field(default=None, gt=0, description="Scale along the strip in millimetres per pixel.")
    mm_per_px_across: float | None = Field(
        default=None,
        gt=0,
        description="Scale across the strip in millimetres per pixel, if it differs from mm_per_px, as with a "
        "line-scan camera. Unset: mm_per_px.",
    )
    side: Literal["top", "bottom"] | None = Field(default=None, description="Side of the strip that the camera faces.")
    lane_offset_mm: float | None = Field(
        default=None,
        description="Distance in millimetres from the left edge of the strip to the edge of the image that is nearer "
        "to it (see left_edge).",
    )
    left_edge: Literal["upper", "lower"] = Field(
        default="upper",
        description="Edge of the image that is nearer to the left edge of the strip. lower: the camera is mounted the "
        "other way round, or faces the bottom of the strip.",
    )
    strip_width_mm: float | None = Field(
        default=None,
        gt=0,
        description="Width of the strip in millimetres, from which events give the distance of a defect from the right "
        "edge. Leave it unset if the width changes from coil to coil.",
    )
    line: str | None = Field(
        default=None,
        description="Line whose coils the camera sees, as events name it (`/site/area/line`); coil summaries list "
        "such cameras that sent nothing. If no camera names a line, the cameras that saw its earlier "
        "coils are expected.",
    )
    head_edge: Literal["left", "right"] = Field(
        default="left",
        description="Edge of the image that is nearer to the head of the strip while the strip runs forward. "
        "right: the camera is mounted the other way round.",
    )
    scan: Literal["line", "area"] = Field(
        default="line",
        description="Sensor type. line: the image is built column by column while the strip passes, so a frame "
        "with ce_stripdirection reverse is mirrored; area: the image is taken at once and is never "
        "mirrored.",
    )


class CoilsSettings(Section):
    """How the frames of a coil are joined by `stripwatch coils`, `report` and `view`."""

    gap_tolerance_mm: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="Maximum distance in millimetres between two frames that leaves no gap and joins their "
        "defects. Rounding alone causes distances of 1 mm.",
    )
    strip_speed_mps_max: float = Field(
        default=50,
        gt=0,
        le=1000,
        description="Maximum strip speed in metres per second. A position that would require a higher speed "
        "(beyond 10 m) is treated as wrong, or as an encoder reset.",
    )


class ThresholdOverride(Section):
    """Thresholds that replace those of the bundle, per label: `[thresholds.scratch]`. Events state that thresholds were
    overridden.
    """

    sure: float = Field(ge=0, le=1, description="Score from which the label counts as certain.")
    unsure: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Score from which a defect label makes the frame unsure. Unset: the threshold of the bundle, "
        "but at most `sure`.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.unsure is not None and self.unsure > self.sure:
            raise ValueError("unsure must not be above sure")
        return self
