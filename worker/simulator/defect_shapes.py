"""The appearance of each kind of defect. A painter draws one random mark, which is added to the surface.

A mark is float32 [height, width] of relative brightness; 0 leaves the surface unchanged. Sizes are in px of a frame
that is `size` px across.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.simulator.surface import Field, smooth_noise

Painter = Callable[[int, np.random.Generator], Field]
Points = NDArray[np.int32]

_SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 px


def scratch(size: int, rng: np.random.Generator) -> Field:
    """Draw one to three long, thin, slightly bent lines, mostly along the strip; bright if fresh, dark if rolled in."""
    length = rng.uniform(0.3, 0.85) * size
    angle = rng.normal(0, 0.25) if rng.random() < 0.7 else rng.uniform(-np.pi / 2, np.pi / 2)
    along = np.linspace(-0.5, 0.5, 24) * length
    bend = rng.uniform(-0.12, 0.12) * length * (4 * (along / length) ** 2 - 0.5)
    canvas = np.zeros((size, size), np.uint8)
    for offset in np.arange(rng.integers(1, 4)) * rng.uniform(0.03, 0.07) * size:
        path = _turn(along, bend + offset, angle) + size / 2
        _draw_path(canvas, path, max(round(rng.uniform(1.5, 3.4) * size / 200), 1))
    depth = 0.75 + 0.25 * smooth_noise((size, size), (15, 15), rng)
    return _polarity(rng, dark=0.4) * _strength(rng) * _as_field(canvas) * depth


def pits(size: int, rng: np.random.Generator) -> Field:
    """Draw a cluster of small round holes, each with one lit rim."""
    spread = rng.uniform(0.12, 0.25) * size * np.array([rng.uniform(0.7, 1.6), 1.0])
    count = int(rng.integers(8, 30))
    centres = np.clip(rng.normal(0, 0.4, (count, 2)), -0.95, 0.95) * spread + spread + 6
    extent = (2 * spread + 12).astype(int)
    holes, rims = np.zeros((2, extent[1], extent[0]), np.uint8)
    shift = rng.uniform(-1.5, 1.5, 2)
    for centre in centres:
        radius = float(rng.uniform(1.2, 3.5) * size / 200)
        _draw_disc(rims, centre + shift, radius + 0.6)
        _draw_disc(holes, centre, radius)
    mark = 0.5 * _as_field(rims) * (1 - _as_field(holes)) - _as_field(holes)
    return -_polarity(rng, dark=0.85) * _strength(rng) * mark


def inclusion(size: int, rng: np.random.Generator) -> Field:
    """Draw one to three slivers of slag, stretched along the strip, with pointed ends and ragged sides."""
    half_length = rng.uniform(0.1, 0.25) * size
    half_breadth = rng.uniform(0.018, 0.035) * size
    slivers = int(rng.integers(1, 4))
    shape = (int(half_breadth * (4 + 3 * slivers)), int(3 * half_length))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    mark = np.zeros(shape, np.float32)
    for number in range(slivers):
        x = columns / half_length - 1.5 + rng.uniform(-0.4, 0.4)
        y = rows / half_breadth - 3.5 - 3 * number + rng.uniform(-0.8, 0.8)
        inside = 1 - np.abs(x) - np.abs(y) + 0.25 * smooth_noise(shape, (5, 3), rng)
        mark = np.maximum(mark, np.clip(3 * inside, 0, 1))
    return np.asarray(_polarity(rng, dark=0.65) * _strength(rng) * mark, np.float32)


def patch(size: int, rng: np.random.Generator) -> Field:
    """Draw a large area of different finish with a ragged outline: scale that remained or came off."""
    shape = (int(rng.uniform(0.2, 0.5) * size), int(rng.uniform(0.25, 0.65) * size))
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    outline = 0.75 - np.hypot(rows, columns) + 0.3 * smooth_noise(shape, (shape[1] / 5, shape[0] / 5), rng)
    torn = np.clip(6 * (outline + 0.08 * smooth_noise(shape, (3, 3), rng)), 0, 1)
    finish = 1 + 0.3 * smooth_noise(shape, (8, 4), rng)
    return np.asarray(_polarity(rng, dark=0.6) * 0.7 * _strength(rng) * torn * finish, np.float32)


def edge_crack(size: int, rng: np.random.Generator) -> Field:
    """Draw one to five ragged cracks that grow inwards (down) from the edge, row 0, and taper; some fork."""
    spread = rng.uniform(0.05, 0.35) * size
    depth_max = rng.uniform(0.1, 0.3) * size
    canvas = np.zeros((int(1.5 * depth_max) + 4, int(spread + 2 * depth_max)), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        start = np.array([depth_max + rng.uniform(0, spread), -1.0])
        crack = _ragged_path(start, rng.uniform(0.5, 1) * depth_max, rng)
        _draw_tapered(canvas, crack, rng.uniform(2, 4.5) * size / 200)
        if rng.random() < 0.4:
            fork = _ragged_path(crack[len(crack) // 2], 0.5 * depth_max, rng)
            _draw_tapered(canvas, fork, 1.5)
    return -1.2 * _strength(rng) * _as_field(canvas)


def chatter(size: int, rng: np.random.Generator) -> Field:
    """Draw chatter marks: parallel bars across the strip at a regular distance, from a mill stand that vibrates."""
    period_px = rng.uniform(0.035, 0.08) * size
    shape = (int(rng.uniform(0.5, 0.95) * size), int(rng.uniform(5, 9) * period_px))
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, : shape[1]].astype(np.float32)
    slant = rng.uniform(-0.15, 0.15) * shape[0] * rows / 2
    bars = np.clip(2 * np.cos(2 * np.pi * (columns + slant) / period_px), -1, 1)
    fading = np.clip(4 * (1 - np.abs(rows)), 0, 1) * (0.8 + 0.2 * smooth_noise(shape, (9, 25), rng))
    return np.asarray(0.6 * _strength(rng) * bars * fading, np.float32)


def water_drop(size: int, rng: np.random.Generator) -> Field:
    """Draw a harmless water drop: soft and round, with a bright ring and a highlight."""
    radius = rng.uniform(0.025, 0.07) * size
    side = int(2.6 * radius) + 3
    rows, columns = np.mgrid[-1.3 : 1.3 : side * 1j, -1.3 : 1.3 : side * 1j].astype(np.float32)
    distance = np.hypot(rows, columns * np.float32(rng.uniform(0.8, 1.2)))
    ring = np.exp(-(((distance - 0.9) / 0.15) ** 2))
    highlight = np.exp(-((rows + 0.3) ** 2 + (columns - 0.3) ** 2) / 0.04)
    return np.asarray(rng.uniform(0.1, 0.3) * (0.6 * ring + highlight - 0.4 * (distance < 0.85)), np.float32)


def scale_mark(size: int, rng: np.random.Generator) -> Field:
    """Draw a harmless scale mark: a faint smear along the strip without an outline."""
    shape = (int(rng.uniform(0.06, 0.25) * size), int(rng.uniform(0.25, 0.8) * size))
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    smear = np.clip(1 - rows**2, 0, 1) * np.clip(1 - columns**2, 0, 1)
    wisps = 1 + 0.4 * smooth_noise(shape, (30, 6), rng)
    return np.asarray(_polarity(rng, dark=0.5) * rng.uniform(0.06, 0.16) * smear * wisps, np.float32)


DEFECTS: dict[str, Painter] = {
    "edge_crack": edge_crack,
    "inclusion": inclusion,
    "patch": patch,
    "pits": pits,
    "scratch": scratch,
}
# In no training set of `stripwatch simulate`, to show how a model meets a kind of defect that it does not know.
NOVEL_DEFECTS: dict[str, Painter] = {"chatter": chatter}
DISTRACTORS: tuple[Painter, ...] = (water_drop, scale_mark)


def _strength(rng: np.random.Generator) -> np.float32:
    return np.float32(rng.uniform(0.35, 0.8))


def _polarity(rng: np.random.Generator, dark: float) -> np.float32:
    return np.float32(-1 if rng.random() < dark else 1)


def _as_field(canvas: NDArray[np.uint8]) -> Field:
    return np.asarray(canvas / np.float32(255), np.float32)


def _turn(x: NDArray[np.float64], y: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    return np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1)


def _ragged_path(start: NDArray[np.float64], depth_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a meandering path down from `start` in steps of about 3 px; float64 [steps, 2] of x, y."""
    steps = max(int(depth_px / 3), 3)
    sideways = np.cumsum(rng.normal(0, 1.6, steps)) + np.linspace(0, rng.uniform(-0.5, 0.5) * depth_px, steps)
    down = np.cumsum(rng.uniform(1, 5, steps)) * depth_px / (3 * steps)
    return np.vstack([start, start + np.stack([sideways, down], axis=1)])


def _draw_path(canvas: NDArray[np.uint8], path: NDArray[np.float64], thickness_px: int) -> None:
    points = _fixed_point(path)
    cv2.polylines(canvas, [points], False, 255, thickness_px, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_tapered(canvas: NDArray[np.uint8], path: NDArray[np.float64], thickness_px: float) -> None:
    for step in range(len(path) - 1):
        left = 1 - step / len(path)
        _draw_path(canvas, path[step : step + 2], max(round(thickness_px * left), 1))


def _draw_disc(canvas: NDArray[np.uint8], centre: NDArray[np.float64], radius_px: float) -> None:
    x, y = _fixed_point(centre).tolist()
    cv2.circle(canvas, (x, y), round(radius_px * 2**_SUBPIXEL_BITS), 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed_point(px: NDArray[np.float64]) -> Points:
    return np.asarray(np.round(px * 2**_SUBPIXEL_BITS), np.int32)
