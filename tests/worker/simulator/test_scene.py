import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stripwatch.worker.contracts.events import Box
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.simulator.scene import CLEAN, KINDS, encode_jpeg, frame_seed, render
from stripwatch.worker.simulator.surface import Shape

SHAPES: tuple[Shape, ...] = ((200, 200), (256, 1600))
DEFECTS = [kind for kind in KINDS if kind != CLEAN]
BLUR_PX = 5  # the lens blur spreads a defect this far beyond its box


def changed_pixels(kind: str, shape: Shape, seed: int) -> Pixels:
    """Return 1 where the frame differs from the clean frame of the same seed, else 0."""
    return np.asarray(render(kind, shape, seed).pixels != render(CLEAN, shape, seed).pixels, np.uint8)


def cut(pixels: Pixels, box: Box, margin_px: int = 0) -> Pixels:
    rows = slice(max(box.y - margin_px, 0), box.y + box.height + margin_px)
    return pixels[rows, max(box.x - margin_px, 0) : box.x + box.width + margin_px]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_bytes(kind: str, shape: Shape) -> None:
    first, again, other = (render(kind, shape, seed) for seed in (7, 7, 8))
    assert first.pixels.shape == shape
    assert first.pixels.dtype == np.uint8
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.boxes == again.boxes
    assert first.pixels.tobytes() != other.pixels.tobytes()


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 3.0])
def test_brightness_factor_multiplies_the_same_pixels_up_to_white(factor: float) -> None:
    lit, plain = render("patch", (200, 200), 7, factor), render("patch", (200, 200), 7)
    assert lit.boxes == plain.boxes
    assert np.abs(lit.pixels - np.minimum(plain.pixels * factor, 255)).max() <= 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", DEFECTS)
def test_boxes_contain_all_pixels_changed_by_a_defect(kind: str, shape: Shape) -> None:
    for seed in range(5):
        changed = changed_pixels(kind, shape, seed)
        boxes = render(kind, shape, seed).boxes
        assert all(cut(changed, box).any() for box in boxes)
        for box in boxes:
            cut(changed, box, BLUR_PX)[:] = 0
        assert not changed.any()


@given(kind=st.sampled_from(DEFECTS), shape=st.sampled_from([(200, 200), (64, 300)]), seed=st.integers(0, 2**64 - 1))
def test_boxes_lie_inside_the_frame(kind: str, shape: Shape, seed: int) -> None:
    boxes = render(kind, shape, seed).boxes
    assert boxes
    for box in boxes:
        assert 0 <= box.x < box.x + box.width <= shape[1]
        assert 0 <= box.y < box.y + box.height <= shape[0]


def test_clean_frame_has_no_box() -> None:
    assert render(CLEAN, (200, 200), 3).boxes == ()


def test_every_defect_is_visible() -> None:
    """The mean of some 3x3 px differs by more than 5 grey values from the clean frame with the same noise."""
    for kind in DEFECTS:
        for seed in range(30):
            scene, clean = render(kind, (200, 200), seed), render(CLEAN, (200, 200), seed)
            difference = cv2.blur(scene.pixels.astype(np.float32) - clean.pixels.astype(np.float32), (3, 3))
            assert np.abs(difference).max() > 5, (kind, seed)


def test_grey_histograms_cannot_distinguish_the_kinds() -> None:
    """A simulation that is not trivial: a logistic regression on histograms stays below 60 % (chance: 17 %)."""
    train, test = _histograms(0, frames=2400), _histograms(10_000, frames=600)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, _labels(2400))
    score = model.score(test, _labels(600))
    print(f"logistic regression on grey histograms: {score:.3f}")
    assert score < 0.6


def test_runs_with_neighbouring_seeds_share_no_frame_seed() -> None:
    seeds = {frame_seed(seed, number) for seed in range(20) for number in range(200)}
    assert len(seeds) == 20 * 200


def test_frame_survives_jpeg_compression() -> None:
    scene = render("patch", (256, 1600), 1)
    image = decode(encode_jpeg(scene.pixels), DecodeSpec(256, 1600, colour="grey"))
    assert np.abs(image.pixels[..., 0].astype(int) - scene.pixels).mean() < 4


def _labels(frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(frames) % len(KINDS)


def _histograms(first_seed: int, frames: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rows = [render(KINDS[n % len(KINDS)], (200, 200), frame_seed(first_seed, n)).pixels for n in range(frames)]
    return np.array([np.histogram(row, bins=64, range=(0, 256))[0] / row.size for row in rows])
