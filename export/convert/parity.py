"""Parity check between the converted ONNX model and Keras, run before any file is written."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.convert.fidelity.novelty_fidelity import spread
from stripwatch.export.convert.ort_cpu import Outputs, open_cpu, run_batches
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, NOVELTY_NAME, SCORES_NAME

# Both compute in float32, but sum in a different order and fold different constants: correct exports of MobileNet
# differ by up to 1.3e-5. A wrong constant or a swapped layer changes the second digit.
SCORE_DIFFERENCE_MAX = 5e-5
HEATMAP_DIFFERENCE_MAX = 1e-3
NOVELTY_DIFFERENCE_MAX = 0.01
_BATCH_SIZES = (1, 3, 16)  # a single frame, and sizes that an export would not contain as a constant by chance


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences between the ONNX model and Keras.

    score_difference: absolute. heatmap_difference: relative to the largest absolute value of all heatmaps; None if the
    model has no heatmaps. novelty_difference: in standard deviations of the novelty scores; None if it has none.
    box_difference: relative to the largest value of all predicted boxes, which is about the size of the model input;
    None if the model predicts no boxes.
    """

    score_difference: float
    heatmap_difference: float | None
    novelty_difference: float | None = None
    box_difference: float | None = None


def check_parity(model: bytes, frames: Pixels, keras: Outputs) -> Parity:
    """Run the ONNX model at three batch sizes and compare every output with that of Keras.

    frames: uint8 [n, h, w, c]. keras: the Keras outputs for these frames. Raises ExportRejectedError if a difference
    exceeds its limit.
    """
    session = open_cpu(model)
    worst = dict.fromkeys(keras, 0.0)
    for batch in _BATCH_SIZES:
        outputs = run_batches(session, frames, batch)
        for name, expected in keras.items():
            worst[name] = max(worst[name], _compare(name, outputs[name], expected, batch))
    return Parity(worst[SCORES_NAME], worst.get(HEATMAPS_NAME), worst.get(NOVELTY_NAME), worst.get(BOXES_NAME))


def _compare(name: str, onnx: NDArray[np.float32], keras: NDArray[np.float32], batch: int) -> float:
    quantity, scale, limit = name, 1.0, SCORE_DIFFERENCE_MAX
    if name == HEATMAPS_NAME:
        quantity, scale = "heatmaps relative to their maximum", float(np.abs(keras).max())
        limit = HEATMAP_DIFFERENCE_MAX
    if name == BOXES_NAME:
        quantity, scale = "predicted boxes relative to their maximum", float(np.abs(keras).max())
        limit = HEATMAP_DIFFERENCE_MAX
    if name == NOVELTY_NAME:
        quantity, scale = "novelty scores in standard deviations", spread(keras)
        limit = NOVELTY_DIFFERENCE_MAX
    difference = float(np.abs(onnx - keras).max()) / scale
    if not difference <= limit:  # NaN fails too
        raise ExportRejectedError(
            f"the ONNX model does not match Keras: {quantity} differ by {difference:.2g} at batch size {batch}, the "
            f"limit is {limit:.2g}; nothing was written"
        )
    return difference
