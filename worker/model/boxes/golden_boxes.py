"""Self-test of the boxes of a bundle: the boxes of the golden frames must be those of the trained model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.contracts.model.model_record import BoxSpec
from stripwatch.worker.model.boxes.cell_boxes import VALUES

Floats = NDArray[np.float32]


def check_box_spec(spec: BoxSpec, labels: int, golden: int) -> None:
    """Check the rules that the types cannot express. Raises BundleError.

    labels, golden: number of labels and of golden frames of the bundle.
    """
    if not 0 < spec.threshold < 1:
        raise BundleError(f"its threshold for predicted boxes is {spec.threshold:g}; it must be between 0 and 1")
    if not (0 < spec.tolerance_px < np.inf and 0 < spec.quality_tolerance <= 1):
        raise BundleError("the tolerances of its predicted boxes must be finite numbers above 0")
    if len(spec.golden) != golden:
        raise BundleError(f"it has {len(spec.golden)} golden boxes for {golden} golden frames")
    for box in spec.golden:
        if not 0 <= box.label_index < labels or min(box.row, box.column) < 0:
            raise BundleError("a golden box has a cell or label that does not exist")


def check_box_shape(shape: Sequence[int | str | None], labels: int, heatmaps: Sequence[int | str | None]) -> None:
    """Check the shape of the output with the boxes. Raises BundleError.

    heatmaps: shape of the heatmaps, [batch, h, w, labels].
    """
    expected = [*heatmaps[1:3], labels, VALUES]
    if list(shape[1:]) != expected:
        raise BundleError(f"its predicted boxes have the shape {list(shape)}, expected [batch, *{expected}]")


def verify_golden_boxes(spec: BoxSpec, names: Sequence[str], values: Floats) -> None:
    """Compare one box of each golden frame with the one that Keras predicted. Raises BundleError.

    names: of the golden frames. values: output of the model for them, [n, h, w, labels, 5].
    """
    for name, box, found in zip(names, spec.golden, values, strict=True):
        if box.row >= found.shape[0] or box.column >= found.shape[1]:
            raise BundleError(
                f"the golden box of {name!r} is in row {box.row}, column {box.column}, which do not exist"
            )
        cell = found[box.row, box.column, box.label_index]
        moved = float(np.abs(cell[:4] - np.array(box.corners_px, np.float32)).max())
        quality = abs(float(cell[4]) - box.quality)
        if not (moved <= spec.tolerance_px and quality <= spec.quality_tolerance):  # NaN fails too
            raise BundleError(
                f"the predicted box of golden frame {name!r} differs by {moved:.2g} px and {quality:.2g} of quality, "
                f"allowed are {spec.tolerance_px:.2g} px and {spec.quality_tolerance:.2g}"
            )
