"""Samples of a decoded image, in the depth and colour of the file or raw buffer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import FrameFlag

SampleValues = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Samples:
    """A decoded image before it is converted to the input of a model.

    Attributes:
        values: Array of shape [height, width] for grey or [height, width, 3] in the order RGB; uint8, or uint16 for
            samples of more than 8 bits. uint16 values range from 0 to 2**bits - 1, also if the file stores them in the
            upper bits.
        bits: Significant bits of uint16 values if the file or the raw buffer declares them, else None. Not used for
            uint8.
        flags: Findings of the decoder, such as damage that the settings tolerate.
    """

    values: SampleValues
    bits: int | None = None
    flags: tuple[FrameFlag, ...] = ()
