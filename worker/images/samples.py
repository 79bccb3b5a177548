"""The samples that a decoder hands on: still of the depth and the colour of the file or the raw buffer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import FrameFlag

SampleValues = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Samples:
    """A decoded image before it becomes what a model takes.

    values: [height, width] of a grey image or [height, width, 3] in the order RGB; uint8, or uint16 for samples of more
        than 8 bits. Those are numbers from 0 to 2**bits - 1: in the low bits, whatever the file does with them.
    bits: significant bits of uint16 values where the file or the raw buffer declares them; None where it does not.
        Without meaning for uint8.
    flags: what the decoder noticed, such as damage that the settings tolerate.
    """

    values: SampleValues
    bits: int | None = None
    flags: tuple[FrameFlag, ...] = ()
