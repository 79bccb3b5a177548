from typing import Any

import numpy as np
import pytest

from stripwatch.export.convert.fidelity.box_fidelity import BEST_BOX, BoxReference, best_boxes, with_best_boxes
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder

DECODER = CellBoxDecoder(0.3, 40, 80)
LABELS = 3  # the last one means "no defect"


def outputs(*best: int) -> dict[str, Any]:
    """Return the outputs for one frame per best label: its box is in cell 0, 0, that of "no defect" is everywhere."""
    n = len(best)
    scores = np.full((n, LABELS), 0.1, np.float32)
    heatmaps, values = np.full((n, 2, 2, LABELS), 0.01, np.float32), np.ones((n, 2, 2, LABELS, 5), np.float32)
    values[..., :4] = (0, 0, 80, 40)
    for frame, label in enumerate(best):
        scores[frame, label] = 0.8
        heatmaps[frame, 0, 0, label] = 0.9
        if label != LABELS - 1:
            values[frame, 0, 0, label, :4] = (8, 4, 48, 24)
    return {"scores": scores, "heatmaps": heatmaps, "cell_boxes": values, "novelty": np.zeros(n, np.float32)}


def reference(*best: int, multiclass: bool = True) -> BoxReference:
    found = outputs(*best)
    boxes = best_boxes(found, DECODER, LABELS - 1)
    return BoxReference(DECODER, LABELS - 1, multiclass, found["scores"], boxes, lambda _: found)


def test_the_best_box_is_that_of_the_best_defect_label() -> None:
    found = with_best_boxes(lambda _: outputs(1, 2), DECODER, LABELS - 1, ["novelty"])(np.zeros(0, np.uint8))
    assert set(found) == {"novelty", BEST_BOX}
    expected = np.array([[0.1, 0.1, 0.6, 0.6], [0.0, 0.0, 1.0, 1.0]], np.float32)
    np.testing.assert_allclose(found[BEST_BOX], expected, atol=1e-6)


def test_frames_without_a_defect_do_not_count() -> None:
    keras = reference(1, 2)
    moved = keras.boxes.copy()
    moved[1] = 0
    assert keras.compare(moved).agreement == 1.0
    assert keras.compare(moved).overlap == pytest.approx(1.0)
    moved[0] = (0.1, 0.1, 0.6, 0.3)  # less than half of the box
    assert keras.compare(moved).agreement == 0.0
    assert keras.compare(moved).overlap == pytest.approx(0.4, abs=1e-5)
    assert reference(2).compare(reference(2).boxes).agreement == 1.0
    assert reference(1, 2, multiclass=False).compare(moved).agreement == 0.0


def test_the_manifest_states_the_box_of_the_best_cell_and_twice_the_difference() -> None:
    candidate = outputs(1)
    candidate["cell_boxes"][0, 0, 0, 1, 2] += 1.5
    spec = reference(1).spec(np.zeros(0, np.uint8), lambda _: candidate, "fp16")
    assert (spec.threshold, spec.tolerance_px, spec.quality_tolerance) == (0.3, 3.0, 0.01)
    (golden,) = spec.golden
    assert (golden.row, golden.column, golden.label_index) == (0, 0, 1)
    assert (golden.corners_px, golden.quality) == ((8, 4, 48, 24), 1.0)
    assert reference(1).spec(np.zeros(0, np.uint8), lambda _: outputs(1), "fp32").tolerance_px == 0.05


def test_rejects_golden_boxes_that_could_not_be_verified() -> None:
    candidate = outputs(1)
    candidate["cell_boxes"][0, 0, 0, 1, 2] += 6
    with pytest.raises(ExportRejectedError, match="differs from Keras by 6 px, the limit is 5"):
        reference(1).spec(np.zeros(0, np.uint8), lambda _: candidate, "int8")
