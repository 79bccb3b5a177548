"""Settings `drift.*`: thresholds of the camera conditions, and the windows of the means."""

from pydantic import Field

from stripwatch.worker.config.sections import Section


class DriftSettings(Section):
    """Camera monitoring: thresholds of the camera conditions, and windows of the drift metrics."""

    measure_ms: float = Field(
        default=200,
        ge=0,
        le=60_000,
        description="Minimum interval in milliseconds between measurements of brightness, contrast and sharpness "
        "per camera. 0: measure every frame.",
    )
    measured_frames: int = Field(
        default=50,
        ge=1,
        le=100_000,
        description="Window of the per-camera means of brightness, contrast and sharpness, in measured frames "
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
    dark_ratio: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Fraction of the bundle's reference brightness below which a camera is reported as dark.",
    )
    dark_brightness: float = Field(
        default=10,
        ge=0,
        le=255,
        description="Mean grey value (0 to 255) below which a camera is reported as dark if the bundle has no "
        "reference.",
    )
    bright_ratio: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Fraction of the reference's distance from white (255 minus its brightness) below which a camera "
        "is reported as bright. 0: never with a reference.",
    )
    bright_brightness: float = Field(
        default=245,
        ge=0,
        le=255,
        description="Mean grey value (0 to 255) above which a camera is reported as bright if the bundle has no "
        "reference.",
    )
    blurred_ratio: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Fraction of the bundle's reference sharpness below which a camera is reported as blurred. Not "
        "reported if the bundle has no reference.",
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
        description="Maximum distance of brightness, contrast or sharpness from the bundle's reference, in standard "
        "deviations of the reference. Beyond it a camera is reported as drifting.",
    )
    reject_share_max: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Maximum share of rejects among a camera's frames of the last rejects.window_s seconds. Above it, "
        "and with five rejects or more, the camera is reported as rejecting. 1: never.",
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
