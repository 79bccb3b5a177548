"""What has become of a frame on its way: decoded, then predicted; or skipped; or refused at either step.

Each knows the model that the frame was given when it came in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.image_statistics import FrameStatistics
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.pipeline.inspect.decode_budget import Reservation


@dataclass(frozen=True, slots=True)
class Decoded:
    """decode_s: at work. finished_s: of the monotonic clock. statistics: where it was this frame's turn."""

    frame: Frame
    model: LoadedModel
    image: Image
    decode_s: float
    finished_s: float
    statistics: FrameStatistics | None = None
    reservation: Reservation | None = None

    def release(self) -> None:
        """Give back the memory that is counted for the pixels, once the model has seen them."""
        if self.reservation is not None:
            self.reservation.release()


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    frame: Frame
    model: LoadedModel
    error: FrameRejected


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame over its deadline. Where it was late before it was decoded, its size is not known."""

    frame: Frame
    model: LoadedModel
    width_px: int | None = None
    height_px: int | None = None
    decode_s: float = 0.0
    queue_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of one frame. scores: in the order of the labels. heatmaps: float32 [h, w, labels].

    queue_s: decoded and waiting for the device. inference_s: of the whole batch.
    """

    frame: Frame
    model: LoadedModel
    width_px: int
    height_px: int
    scores: tuple[float, ...]
    decode_s: float
    queue_s: float
    inference_s: float
    heatmaps: NDArray[np.float32] | None = None
    flags: tuple[FrameFlag, ...] = ()
    statistics: FrameStatistics | None = None


DecodedFrame = Decoded | Skipped | RejectedFrame  # for the batch
FrameOutcome = Prediction | Skipped | RejectedFrame
