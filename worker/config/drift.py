"""The settings `drift.*`: when a camera is silent, dark, blurred or frozen, and over how many frames means are."""

from pydantic import BaseModel, ConfigDict, Field


class DriftSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    measure_ms: float = Field(
        default=200,
        ge=0,
        le=60_000,
        description="Brightness, contrast and sharpness: one frame of a camera in this time.",
    )
    measured_frames: int = Field(
        default=50, ge=1, le=100_000, description="Window of the means of a camera, in measured frames (approximate)."
    )
    scored_frames: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Window of the mean scores of a camera, in results (approximate).",
    )
    silent_s: float = Field(
        default=30, gt=0, le=86_400, description="A camera that was seen and sends nothing for so long is silent."
    )
    dark_ratio: float = Field(
        default=0.3, ge=0, le=1, description="Dark: brightness below this share of the bundle's reference."
    )
    dark_brightness: float = Field(
        default=10, ge=0, le=255, description="Dark, without a reference: brightness below this grey value of 0 to 255."
    )
    blurred_ratio: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Blurred: sharpness below this share of the reference; not reported without one.",
    )
    frozen_frames: int = Field(
        default=10, ge=2, le=1_000_000, description="Frozen: the same file this many times in a row."
    )
