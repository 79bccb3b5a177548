"""Sections of the settings for the people at the line: severity of classes, and limits for the state of a coil."""

from typing import Annotated

from pydantic import Field

from stripwatch.worker.config.sections import Section
from stripwatch.worker.contracts.coil_summary import Severity

Percent = Annotated[float, Field(ge=0, le=100)]
DefectFrames = Annotated[float, Field(ge=0, le=1_000_000)]


class LimitsSettings(Section):
    """Limits that turn the figures of a coil into its state: ok, warning or alarm."""

    defect_frames_per_100_m: dict[str, DefectFrames] = Field(
        default_factory=dict,
        description="Maximum number of frames with a defect of a class per 100 m of inspected strip, by label, for "
        "example `scratch = 5`. Without strip positions the same number applies per 100 inspected frames. A label "
        "that is not listed has no limit.",
    )
    rejected_percent: Percent = Field(
        default=5, description="Maximum percentage of a coil's frames that are rejected. 100: no limit."
    )
    uncovered_percent: Percent = Field(
        default=5,
        description="Maximum percentage of a coil's length that no inspected frame shows. 100: no limit.",
    )
    unsure_percent: Percent = Field(
        default=20, description="Maximum percentage of a coil's inspected frames that are unsure. 100: no limit."
    )
    warning_at: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Fraction of a limit above which the state is a warning. Above the limit itself it is an alarm, or "
        "a warning for a minor class. 1: no warning below a limit.",
    )
    critical_alarm: bool = Field(
        default=True,
        description="Whether the first frame with a defect of a critical class is an alarm.",
    )
    unlisted_severity: Severity = Field(
        default="major", description="Severity of the classes that `[severity]` does not list."
    )
    strip_m_min: float = Field(
        default=20,
        gt=0,
        le=10_000,
        description="Length in metres below which a coil counts as this long, so that one defect at its head does not "
        "exceed a limit per 100 m or a percentage of the strip.",
    )
    frames_min: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Number of frames below which a coil counts as having this many, so that one frame at its head "
        "does not exceed a percentage of the frames.",
    )


class ViewSettings(Section):
    """The live page, `stripwatch view`."""
