"""What has become of a frame on its way: decoded, then predicted; or refused at either step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.decode import Image
from worker.errors import FrameRejected
from worker.frame import Frame


@dataclass(frozen=True, slots=True)
class Decoded:
    """decode_s: at work. finished_s: of the monotonic clock."""

    frame: Frame
    image: Image
    decode_s: float
    finished_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    frame: Frame
    error: FrameRejected


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of one frame. scores: in the order of the labels. heatmaps: float32 [h, w, labels].

    queue_s: decoded and waiting for the device. inference_s: of the whole batch.
    """

    frame: Frame
    width_px: int
    height_px: int
    scores: tuple[float, ...]
    decode_s: float
    queue_s: float
    inference_s: float
    heatmaps: NDArray[np.float32] | None = None


Outcome = Prediction | Refusal
