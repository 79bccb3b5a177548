"""What has become of a frame on its way: decoded, then predicted; or refused at either step."""

from dataclasses import dataclass

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
    """What the model said of one frame. scores: in the order of the labels.

    queue_s: decoded and waiting for the device. inference_s: of the whole batch.
    """

    frame: Frame
    width_px: int
    height_px: int
    scores: tuple[float, ...]
    decode_s: float
    queue_s: float
    inference_s: float


Outcome = Prediction | Refusal
