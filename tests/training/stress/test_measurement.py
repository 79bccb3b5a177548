import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.progress import Progress

from stripwatch.export.results.stress_results import StressChange, StressPoint, is_reliable
from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.stress.changes import CHANGES
from stripwatch.training.stress.measurement import (
    StressedModel,
    choose_frames,
    estimate_s,
    measure_stress,
    say_duration,
)
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.image_statistics import FrameStatistics
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.verdict import DecisionPolicy

BY_NAME = {change.name: change for change in CHANGES}
SPEC = DecodeSpec(16, 16, colour="grey")
STATISTICS = FrameStatistics(100.0, 10.0, 0.1)


def grey_frames(root: Path, *levels: int) -> list[SplitFrame]:
    """Frames of one grey level each; below 128 they are labelled "pits"."""
    frames = []
    for level in levels:
        encoded = cv2.imencode(".png", np.full((32, 32), level, np.uint8))[1].tobytes()
        (root / f"{level}.png").write_bytes(encoded)
        label = "pits" if level < 128 else "clean"
        frames.append(SplitFrame(f"{level}.png", label, hashlib.sha256(encoded).hexdigest()))
    return frames


def model(sure: float = 0.6, novelty_threshold: float | None = None) -> StressedModel:
    """A model that calls dark frames "pits", the more certain the darker; frames below 16 are novel."""

    def predict(pixels: Pixels) -> tuple[np.ndarray, np.ndarray | None]:
        means = pixels.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        novelty = np.where(means < 16 / 255, 2, 0).astype(np.float32)
        return np.stack([means, 1 - means], axis=1), novelty

    thresholds = (Threshold(sure, 0.5), Threshold(sure, 0.5))
    policy = DecisionPolicy(("clean", "pits"), "clean", True, thresholds, False, 1.0, novelty_threshold)
    return StressedModel(predict, policy, SPEC)


def counts(point: StressPoint) -> tuple[int, int, int, int, int]:
    return point.right, point.certain_right, point.confidently_wrong, point.unsure, point.novel


def test_counts_verdicts(tmp_path: Path) -> None:
    frames = grey_frames(tmp_path, 40, 120, 140, 220)  # 120 and 140 are unsure
    with Progress(disable=True) as progress:
        found = measure_stress(model(), tmp_path, frames, progress, [BY_NAME["darker"]])
    assert counts(found.unchanged) == (4, 2, 0, 2, 0)
    by_strength = {point.strength: counts(point) for point in found.changes[0].points}
    # At 0.6, the frames become 24, 72, 84 and 132: "clean" at 140 turns into certain pits, at 220 it is unsure.
    assert by_strength[0.6] == (3, 2, 1, 1, 0)
    assert by_strength[0.2] == (2, 2, 2, 0, 0)


def test_novel_frames_are_unsure(tmp_path: Path) -> None:
    frames = grey_frames(tmp_path, 40, 220)
    with Progress(disable=True) as progress:
        found = measure_stress(model(novelty_threshold=1.0), tmp_path, frames, progress, [BY_NAME["darker"]])
    # At 0.2 the frame of 40 becomes 8, which is novel and unsure, although its label is right.
    assert counts(found.changes[0].points[-1]) == (1, 0, 1, 1, 1)


def test_reports_statistics_as_the_model_receives_them(tmp_path: Path) -> None:
    frames = grey_frames(tmp_path, 100, 200)
    with Progress(disable=True) as progress:
        found = measure_stress(model(), tmp_path, frames, progress, [BY_NAME["darker"]])
    assert found.unchanged.statistics.brightness == 150
    assert [each.statistics.brightness for each in found.changes[0].points] == [120, 90, 60, 30]


def test_limits_of_a_change(tmp_path: Path) -> None:
    frames = grey_frames(tmp_path, 20, 30, 40, 240, 250)
    with Progress(disable=True) as progress:
        found = measure_stress(model(), tmp_path, frames, progress, [BY_NAME["darker"], BY_NAME["rotated by 180°"]])
    darker, turned = found.changes
    assert (darker.reliable_to, darker.fails_at) == (0.8, 0.6)
    assert (turned.reliable_to, turned.fails_at) == (1, None)


@pytest.mark.parametrize(
    ("certain_right", "confidently_wrong", "reliable"),
    [(90, 2, True), (89, 0, False), (90, 3, False), (98, 2, True)],
)
def test_reliable(certain_right: int, confidently_wrong: int, reliable: bool) -> None:
    unchanged = StressPoint(0, 100, 100, 100, 0, 0, STATISTICS)
    assert is_reliable(StressPoint(1, 100, 100, certain_right, confidently_wrong, 0, STATISTICS), unchanged) is reliable


def test_limits_are_relative_to_a_model_with_errors() -> None:
    unchanged = StressPoint(0, 100, 80, 60, 10, 0, STATISTICS)
    assert is_reliable(StressPoint(1, 100, 80, 54, 10, 0, STATISTICS), unchanged)
    assert not is_reliable(StressPoint(1, 100, 80, 60, 11, 0, STATISTICS), unchanged)


def test_fails_at_the_mildest_strength() -> None:
    unchanged = StressPoint(0, 100, 100, 100, 0, 0, STATISTICS)
    failing = [StressPoint(each, 100, 50, 50, 50, 0, STATISTICS) for each in (4, 8)]
    found = StressChange.of("noise", "grey levels", failing, unchanged)
    assert (found.reliable_to, found.fails_at) == (None, 4)


def test_chosen_frames_are_spread_over_the_labels() -> None:
    frames = [SplitFrame(f"{at:03}.png", "pits" if at < 30 else "clean", f"{at:064x}") for at in range(100)]
    chosen = choose_frames(frames, 20)
    assert len(set(chosen)) == 20
    assert sum(frame.label == "pits" for frame in chosen) == 6
    assert len(choose_frames(frames, 500)) == 100
    assert choose_frames([], 10) == []


def test_the_duration_is_estimated_from_a_trial(tmp_path: Path) -> None:
    frames = grey_frames(tmp_path, *range(10, 90, 2))
    clock = iter([0.0, 3.2, 10.0, 10.0 + 0.05 * 4 * len(CHANGES)])  # 0.1 s to predict a frame, 0.05 s to change one
    settings = 1 + sum(len(change.strengths) for change in CHANGES)
    found = estimate_s(model(), tmp_path, frames, lambda: next(clock))
    assert found == pytest.approx(len(frames) * settings * 0.15)
    assert estimate_s(model(), tmp_path, []) == 0


def test_states_the_duration_and_how_to_omit_the_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say_duration(model(), tmp_path, grey_frames(tmp_path, 100, 200), models=5)
    shown = capsys.readouterr().err
    settings = 1 + sum(len(change.strengths) for change in CHANGES)
    assert f"stress test: {5 * 2 * settings} predictions, about" in shown
    assert "--stress-frames 0 omits it" in shown
