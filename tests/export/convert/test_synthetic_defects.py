from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.export.convert.synthetic_defects import SyntheticDefects, paste_part
from stripwatch.export.convert.validation_scores import ScoredValidation, Scores
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.model.bundle import GoldenFrame
from tests.export.runs.records import RUN

pytestmark = pytest.mark.training


@pytest.mark.parametrize("shape", [(64, 64), (40, 200, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_part_of_the_frame_differs_and_the_rest_stays(shape: tuple[int, ...], kind: type) -> None:
    pixels: Pixels = np.random.default_rng(1).integers(60, 120, shape).astype(kind)
    changed = paste_part(pixels, np.random.default_rng(2))
    assert changed.shape == shape
    assert changed.dtype == kind
    different = (changed != pixels).reshape(shape[0], shape[1], -1).any(axis=-1)
    rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 0.1 * min(shape[:2]) < min(height, width)
    assert max(height, width) <= 0.5 * min(shape[:2])
    assert different[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9


def test_without_clean_frames_there_are_no_synthetic_defects() -> None:
    validation = ScoredValidation(RUN, Path("/data"), np.array([[0.1, 0.9]], np.float32))
    made = SyntheticDefects.make(validation, [], 0, predictor([]))
    assert made.frames == []
    assert not made.clear.any()
    assert made.compare(predictor([]), 0.02, 1).violations == []


def defects(*scores: float) -> SyntheticDefects:
    """Frames whose score of an anomaly, by Keras, is given."""
    encoded = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    frames = [
        GoldenFrame(f"synthetic/{at}.png", "anomaly", encoded, [score, 1 - score]) for at, score in enumerate(scores)
    ]
    return SyntheticDefects(frames, 0, DecodeSpec(8, 8))


def predictor(scores: Sequence[float]) -> Callable[[Pixels], Scores]:
    left = list(scores)

    def predict(pixels: Pixels) -> Scores:
        batch = [left.pop(0) for _ in pixels]
        return np.array([(score, 1 - score) for score in batch], np.float32)

    return predict


def test_the_clearest_defects_that_the_export_reproduces_become_golden_frames() -> None:
    found = defects(0.6, 0.9, 0.51, 0.8, 0.7).compare(predictor([0.6, 0.95, 0.51, 0.81, 0.7]), 0.02, 1)
    assert [frame.name for frame in found.frames] == ["synthetic/3.png", "synthetic/4.png"]
    assert found.difference == pytest.approx(0.01, abs=1e-6)
    assert found.violations == []


def test_an_export_that_misses_defects_of_keras_violates_the_agreement() -> None:
    found = defects(*[0.9] * 9, 0.6, 0.51).compare(predictor([*[0.9] * 9, 0.4, 0.49]), 0.02, 0.98)
    assert found.violations == ["agreement with Keras on 10 synthetic defects is 0.9000, the minimum is 0.98"]


def test_an_export_that_reproduces_no_clear_defect_is_rejected() -> None:
    found = defects(0.9, 0.4).compare(predictor([0.8, 0.4]), 0.025, 0.98)
    assert found.frames == []
    assert found.violations == ["score difference of every synthetic defect is over 0.025, the limit of golden frames"]


def test_a_model_that_finds_no_defect_clearly_has_none_among_its_golden_frames() -> None:
    made = defects(0.55, 0.3)
    assert not made.clear.any()
    found = made.compare(predictor([0.55, 0.3]), 0.02, 1)
    assert (found.frames, found.violations) == ([], [])
