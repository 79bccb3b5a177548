"""The frame rate that a model must reach, and the processor time per frame that it allows."""

from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.contracts.line.camera_plan import parse_camera_plan

# Processor time of a worker per frame for everything but decoding and inference, such as reading from Kafka and
# publishing the result (docs/explanation/benchmarks.md, "Expectations for the first run on a GPU").
OTHER_MS = 0.6
UTILISATION = 0.7


@dataclass(frozen=True, slots=True)
class Requirement:
    """Frames per second that must be reached with some cores.

    utilisation: largest share of the cores that is used, so that a worker can catch up after an interruption. other_ms:
    processor time of a worker per frame besides decoding and inference. frame_px: pixels of a camera's frame; None for
    frames like those of the data set. cameras: their number; None if only the rate was given.
    """

    frames_per_second: float
    cores: int
    utilisation: float
    other_ms: float
    frame_px: int | None = None
    cameras: int | None = None

    @property
    def frame_ms_max(self) -> float:
        """Return the processor time per frame, in ms, up to which the rate is reached."""
        return 1000 * self.cores * self.utilisation / self.frames_per_second

    def decode_factor(self, data_px: float) -> float:
        """Return the factor by which decoding a camera's frame takes longer than a frame of the data set.

        data_px: mean number of pixels of the data set's frames. Decoding time is taken as proportional to pixels.
        """
        return 1.0 if self.frame_px is None else self.frame_px / data_px

    def frame_ms(self, decode_ms: float, inference_ms: float, data_px: float) -> float:
        """Return the processor time of a camera's frame in a worker, in ms."""
        return decode_ms * self.decode_factor(data_px) + inference_ms + self.other_ms


def parse_requirement(
    cameras: str | None,
    frames_per_second: float | None,
    cores: int | None = None,
    utilisation: float = UTILISATION,
    other_ms: float = OTHER_MS,
) -> Requirement | None:
    """Return the requirement, or None if neither cameras nor a rate is given.

    cameras: such as "12 x 30 fps 256x1600". cores: None for those of this machine. Raises SettingsError if both are
    given, the text is invalid, or something else is given without them.
    """
    if cameras is None and frames_per_second is None:
        _require_defaults(cores, utilisation, other_ms)
        return None
    cores = cores or usable_cores()
    if cameras is not None and frames_per_second is not None:
        raise SettingsError("--cameras and --frames-per-second state the same thing; omit one of them")
    if frames_per_second is not None:
        return Requirement(frames_per_second, cores, utilisation, other_ms)
    assert cameras is not None
    plan = parse_camera_plan(cameras, "--cameras")
    height, width = (int(side) for side in plan.shape.split("x"))
    return Requirement(plan.fps, cores, utilisation, other_ms, height * width, plan.cameras)


def _require_defaults(cores: int | None, utilisation: float, other_ms: float) -> None:
    """Raise SettingsError for options that have no effect without a rate, so that nobody believes they had one."""
    given = {
        "--cores": cores is not None,
        "--utilisation": utilisation != UTILISATION,
        "--other-ms": other_ms != OTHER_MS,
    }
    unused = [option for option, is_given in given.items() if is_given]
    if unused:
        raise SettingsError(
            f"{' and '.join(unused)} {'has' if len(unused) == 1 else 'have'} no effect without --cameras or "
            "--frames-per-second; add one of them"
        )
