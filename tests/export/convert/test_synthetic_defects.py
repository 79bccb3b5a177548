from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.export.convert.synthetic_defects import keep_similar, paste_part, synthetic_golden
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

    def predict(_: Pixels) -> Pixels:
        raise AssertionError("no frame to score")

    assert synthetic_golden(validation, [], 0, predict) == []


def golden(name: str, level: int, score: float) -> GoldenFrame:
    encoded = cv2.imencode(".png", np.full((8, 8), level, np.uint8))[1].tobytes()
    return GoldenFrame(name, "anomaly", encoded, [score, 1 - score])


@pytest.mark.parametrize(
    ("limit", "kept", "largest"), [(0.1, ["near"], 0.05), (None, ["near", "far"], 0.3), (0, [], 0)]
)
def test_keeps_synthetic_frames_that_the_exported_model_scores_like_keras(
    limit: float | None, kept: list[str], largest: float
) -> None:
    def exported(pixels: Pixels) -> Scores:  # the score is the brightness
        level = float(pixels[0, 0, 0, 0]) / 100
        return np.array([[level, 1 - level]], np.float32)

    frames = [golden("near", 80, 0.85), golden("far", 60, 0.9)]
    found, difference = keep_similar(frames, DecodeSpec(8, 8), exported, limit)
    assert [frame.name for frame in found] == kept
    assert difference == pytest.approx(largest)
