"""States of a frame in the pipeline: decoded and then predicted, or skipped, or rejected.

Each holds the model that was current when the frame was read.
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
    """A decoded frame.

    decode_s: seconds spent decoding. finished_s: monotonic time of its end. statistics, colour: only for frames that
    `DecodePool` samples.
    """

    frame: Frame
    model: LoadedModel
    image: Image
    decode_s: float
    finished_s: float
    statistics: FrameStatistics | None = None
    colour: int | None = None
    reservation: Reservation | None = None

    def release(self) -> None:
        """Release the memory reserved for the pixels, once the model has run."""
        if self.reservation is not None:
            self.reservation.release()


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    frame: Frame
    model: LoadedModel
    error: FrameRejected


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame that missed its deadline. Its size is unknown if it was late before it was decoded."""

    frame: Frame
    model: LoadedModel
    width_px: int | None = None
    height_px: int | None = None
    decode_s: float = 0.0
    queue_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Output of the model for one frame.

    scores: in the order of the labels. heatmaps: float32 [h, w, labels]. queue_s: seconds decoded and waiting for the
    device. inference_s: seconds for the whole batch. novelty: novelty score; None if the model has none. cell_boxes:
    predicted boxes, float32 [h, w, labels, 5]; None if the model predicts none.
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
    novelty: float | None = None
    colour: int | None = None
    cell_boxes: NDArray[np.float32] | None = None


DecodedFrame = Decoded | Skipped | RejectedFrame  # input of a batch
FrameOutcome = Prediction | Skipped | RejectedFrame
