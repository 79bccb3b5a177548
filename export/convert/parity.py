"""Proof that the ONNX file computes what Keras computes, before anything is written."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.convert.ort_cpu import Outputs, open_cpu, run_batches
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import HEATMAPS_NAME, SCORES_NAME

# Both compute in float32, but sum in another order and fold other constants: sound exports of MobileNet differ by up to
# 1.3e-5. A wrong constant or a swapped layer shows in the second digit.
SCORE_DIFFERENCE_MAX = 5e-5
HEATMAP_DIFFERENCE_MAX = 1e-3
_BATCH_SIZES = (1, 3, 16)  # one frame, and sizes that no export would have baked in by chance


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest differences found: of a score, and of a heatmap value over the largest value of all heatmaps.

    heatmap_difference: None where the model gives no heatmaps.
    """

    score_difference: float
    heatmap_difference: float | None


def prove_parity(model: bytes, frames: Pixels, keras: Outputs) -> Parity:
    """Run frames, uint8 [n, h, w, c], at three batch sizes and compare every output with what Keras gave for them.

    Raises ExportRejectedError, naming by how much, when a difference is over its limit.
    """
    session = open_cpu(model)
    worst = dict.fromkeys(keras, 0.0)
    for batch in _BATCH_SIZES:
        found = run_batches(session, frames, batch)
        for name, expected in keras.items():
            worst[name] = max(worst[name], _compare(name, found[name], expected, batch))
    return Parity(worst[SCORES_NAME], worst.get(HEATMAPS_NAME))


def _compare(name: str, onnx: NDArray[np.float32], keras: NDArray[np.float32], batch: int) -> float:
    what, scale, limit = name, 1.0, SCORE_DIFFERENCE_MAX
    if name == HEATMAPS_NAME:
        what, scale, limit = "heatmaps, over their largest value,", float(np.abs(keras).max()), HEATMAP_DIFFERENCE_MAX
    difference = float(np.abs(onnx - keras).max()) / scale
    if not difference <= limit:  # NaN fails too
        raise ExportRejectedError(
            f"the ONNX model does not compute what Keras computes: {what} differ by {difference:.2g} "
            f"at batch size {batch}, allowed is {limit:.2g}; nothing was written"
        )
    return difference
