"""The tables of the settings: topics, cameras and thresholds."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stripwatch.worker.contracts.topics import COILS, DEFECTS, EVIDENCE, FRAMES, REJECTS, RESULTS, REVIEW, SHADOW


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Topics(_Section):
    frames: str = Field(default=FRAMES, min_length=1, description="Frames are read from here.")
    results: str = Field(default=RESULTS, min_length=1, description="A result for every frame that is not rejected.")
    defects: str = Field(default=DEFECTS, min_length=1, description="The results with a defect once more.")
    rejects: str = Field(default=REJECTS, min_length=1, description="Frames that could not be inspected.")
    shadow: str = Field(default=SHADOW, min_length=1, description="What the shadow says; needed where one is set.")
    evidence: str = Field(
        default=EVIDENCE, min_length=1, description="Pictures of defects, by the id of their result; where switched on."
    )
    review: str = Field(
        default=REVIEW, min_length=1, description="Frames that a person should look at; where switched on."
    )
    coils: str = Field(
        default=COILS, min_length=1, description="A summary of each coil, written by `stripwatch coils`."
    )

    @model_validator(mode="after")
    def _frames_alone(self) -> Self:
        """Frames that were written back to where they come from would go round for ever."""
        for name in type(self).model_fields:
            if name != "frames" and getattr(self, name) == self.frames:
                raise ValueError(f"frames and {name} are one topic, {self.frames!r}")
        return self


class Camera(_Section):
    mm_per_px: float | None = Field(
        default=None, gt=0, description="Millimetres of strip a pixel shows, along the strip."
    )
    side: Literal["top", "bottom"] | None = Field(default=None, description="Side of the strip.")
    lane_offset_mm: float | None = Field(
        default=None, description="Left edge of the image from the left edge of the strip."
    )


class ThresholdOverride(_Section):
    sure: float = Field(ge=0, le=1, description="From this score on the label is taken as a fact.")
    unsure: float | None = Field(default=None, ge=0, le=1, description="From this score on a person should look.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.unsure is not None and self.unsure > self.sure:
            raise ValueError("unsure is above sure")
        return self
