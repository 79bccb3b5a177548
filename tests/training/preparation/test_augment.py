import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stripwatch.training.preparation import augment
from stripwatch.training.preparation.augment import augment_frame, move_raster

pytestmark = pytest.mark.training

Frames = NDArray[np.uint8]


def ramps(frames: int = 16) -> Frames:
    ramp = np.linspace(80, 170, 40).astype(np.uint8)
    return np.repeat((ramp[:32, None] // 2 + ramp[None, :] // 2)[None, :, :, None], frames, axis=0).repeat(3, axis=3)


def only(monkeypatch: pytest.MonkeyPatch, **strengths: float) -> None:
    """Switch off the named changes."""
    every = {"_GAIN": 0.0, "_OFFSET": 0.0, "_SHIFT": 0.0, "_BLUR": 0.0, "_DIRT_SHARE": 0.0}
    for name, strength in (every | strengths).items():
        monkeypatch.setattr(augment, name, strength)


def changed(frames: Frames) -> Frames:
    result = np.stack([augment_frame(tf.constant(frame), [4, at]).numpy() for at, frame in enumerate(frames)])
    assert result.shape == frames.shape
    assert result.dtype == np.uint8
    return result


def views(frame: Frames) -> list[Frames]:
    return [frame, frame[::-1], frame[:, ::-1], frame[::-1, ::-1]]


def test_augmented_frames_stay_similar_to_the_original() -> None:
    frames = ramps()
    found = changed(frames)
    assert len({frame.tobytes() for frame in found}) == len(frames)
    rolled = [np.roll(frames[0], by, axis=1) for by in range(-4, 5)]
    for frame in found:
        fits = [np.corrcoef(view.ravel(), other.ravel())[0, 1] for view in views(frame) for other in rolled]
        assert max(fits) > 0.95


def test_a_seed_always_gives_the_same_change() -> None:
    frame = tf.constant(ramps(1)[0])
    first, again, other = (augment_frame(frame, seed).numpy() for seed in ([4, 1], [4, 1], [5, 1]))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_raster_moves_with_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _SHIFT=0.1)
    frame = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    for number in range(8):
        moved = augment_frame(tf.constant(frame), [4, number]).numpy()
        raster = move_raster(tf.constant(frame[..., :2]), [4, number]).numpy()
        np.testing.assert_array_equal(raster, moved[..., :2])


def test_mirrors_frames_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    frames = ramps(40)
    found = {frame.tobytes() for frame in changed(frames)}
    assert found == {view.tobytes() for view in views(frames[0])}


def test_shifts_cyclically_along_the_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _SHIFT=0.1)
    frames = ramps()
    allowed = {np.roll(view, by, axis=1).tobytes() for view in views(frames[0]) for by in range(-4, 5)}
    found = {frame.tobytes() for frame in changed(frames)}
    assert found <= allowed
    assert len(found) > 4


def test_relighting_changes_all_pixels_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _GAIN=0.2, _OFFSET=20.0)
    frames = ramps()
    found = changed(frames)
    assert len({int(frame.mean()) for frame in found}) > 4
    assert len({int(10 * frame.std()) for frame in found}) > 4
    for frame in found:
        assert max(np.corrcoef(view.ravel(), frames[0].ravel())[0, 1] for view in views(frame)) > 0.999


def test_dirt_is_small_dark_and_faint(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _DIRT_SHARE=0.003)
    frames = np.full((64, 96, 96, 3), 120, np.uint8)
    darker = 120 - changed(frames).astype(int)
    assert darker.min() >= 0
    assert 5 < darker.max() <= 30
    assert 0.001 < (darker > 0).mean() < 0.05
    assert len({int(frame.sum()) for frame in darker}) > 10


def test_blur_reduces_fine_contrast_and_keeps_coarse_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _BLUR=0.8)
    fine = np.indices((32, 32)).sum(0) % 2 * 60 + 90
    coarse = np.indices((32, 32))[1] // 16 * 60 + 90
    frames = np.stack([fine] * 8 + [coarse] * 8)[..., None].repeat(3, axis=3).astype(np.uint8)
    spread = changed(frames).std(axis=(1, 2, 3))
    assert spread[:8].min() < 15
    assert len({int(value) for value in spread[:8]}) > 3
    assert spread[8:].min() > 28
