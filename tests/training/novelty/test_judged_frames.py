import numpy as np
import pytest

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.novelty.judged_frames import (
    JudgedFrames,
    auroc,
    detected_share,
    mean_of_detectors,
    unknown_frames,
)

pytestmark = pytest.mark.training


def judged(novelty: list[float], scores: list[list[float]] | None = None, threshold: float = 0.5) -> JudgedFrames:
    frames = [SplitFrame(f"{at}.png", "pit", "") for at in range(len(novelty))]
    table = np.array(scores or [[0.9, 0.1]] * len(novelty), np.float32).reshape(-1, 2)
    return JudgedFrames.of(frames, np.array(novelty, np.float32), threshold, table, ["a", "b"])


def test_a_frame_at_the_threshold_is_not_novel() -> None:
    found = judged([0.4, 0.5, 0.6])
    assert found.novel.tolist() == [False, False, True]
    share = detected_share(found)
    assert (share.frames, share.detected) == (3, 1)
    assert share.low < share.share < share.high


def test_missed_frames_are_listed_with_the_most_confident_prediction_first() -> None:
    found = judged([0.1, 0.9, 0.2, 0.3], [[0.6, 0.4], [1, 0], [0.05, 0.95], [0.6, 0.4]])
    assert [(missed.frame, missed.predicted) for missed in found.missed] == [
        ("2.png", "b"),
        ("0.png", "a"),
        ("3.png", "a"),
    ]
    assert found.missed[0].margin == pytest.approx(-0.3)


def test_an_area_of_one_separates_and_one_half_is_chance() -> None:
    known = judged([0.1, 0.2, 0.3])
    assert auroc(judged([0.4, 0.9]), known) == 1.0
    assert auroc(known, known) == 0.5
    assert auroc(judged([]), known) is None
    assert unknown_frames(judged([0.4, 0.9]), known).median_margin == pytest.approx(0.15)


def test_results_of_several_models_are_averaged() -> None:
    one = judged([0.9, 0.1], [[0.8, 0.2], [0.3, 0.7]])
    other = judged([0.2, 0.2], [[0.1, 0.9], [0.6, 0.4]])
    found = mean_of_detectors([one, other])
    assert found.margins == pytest.approx([0.05, -0.35])
    assert found.predicted == ["b", "b"]
    assert found.confidence == pytest.approx([0.9, 0.7])
