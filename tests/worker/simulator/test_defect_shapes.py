import numpy as np
import pytest

from stripwatch.worker.simulator.defect_shapes import DEFECTS, DISTRACTORS, NOVEL_DEFECTS, Painter


@pytest.mark.parametrize("painter", [*DEFECTS.values(), *NOVEL_DEFECTS.values(), *DISTRACTORS])
@pytest.mark.parametrize("size", [64, 200, 256])
def test_mark_is_finite_and_fits_the_frame(painter: Painter, size: int) -> None:
    for seed in range(20):
        mark = painter(size, np.random.default_rng(seed))
        assert mark.dtype == np.float32
        assert np.isfinite(mark).all()
        assert np.abs(mark).max() > 0.03
        assert mark.shape[0] <= size


@pytest.mark.parametrize("kind", ["inclusion", "patch", "pits", "scratch"])
def test_polarity_varies(kind: str) -> None:
    means = [DEFECTS[kind](200, np.random.default_rng(seed)).mean() for seed in range(40)]
    assert min(means) < 0 < max(means)


def test_edge_cracks_are_dark_and_start_at_the_edge() -> None:
    for seed in range(20):
        crack = DEFECTS["edge_crack"](200, np.random.default_rng(seed))
        assert crack.max() <= 0
        assert crack[0].min() < -0.1
        assert crack[-1].min() == 0
