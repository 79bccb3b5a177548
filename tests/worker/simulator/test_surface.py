import numpy as np
import pytest

from stripwatch.worker.simulator import surface


def test_noise_has_mean_0_and_standard_deviation_1() -> None:
    noise = surface.white_noise((200, 300), np.random.default_rng(1))
    assert noise.dtype == np.float32
    assert noise.shape == (200, 300)
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(1, abs=0.02)


def test_rolling_texture_changes_less_along_the_strip_than_across() -> None:
    texture = surface.rolled_texture((200, 400), np.random.default_rng(1))
    along, across = np.abs(np.diff(texture, axis=1)).mean(), np.abs(np.diff(texture, axis=0)).mean()
    assert along < 0.7 * across


@pytest.mark.parametrize("at_top", [True, False])
def test_no_strip_beyond_the_edge(at_top: bool) -> None:
    brightness = np.ones((50, 80), np.float32)
    edge = surface.Edge(at_top, np.full(80, 10, np.float32))
    surface.cut_at_edge(brightness, edge, np.random.default_rng(1))
    rows = brightness if at_top else brightness[::-1]
    assert (rows[:9] < 0).all()
    assert (rows[10:] == 1).all()


def test_edge_at_the_border_leaves_the_frame_unchanged() -> None:
    brightness = np.ones((50, 80), np.float32)
    surface.cut_at_edge(brightness, surface.Edge(True, np.zeros(80, np.float32)), np.random.default_rng(1))
    assert (brightness == 1).all()


def test_exposure_varies_from_frame_to_frame() -> None:
    flat, even = np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)
    means = [surface.expose(flat, even, np.random.default_rng(seed)).mean() for seed in range(50)]
    assert max(means) - min(means) > 60
