"""A hot-rolled strip without defects: rolling texture, light, edge, and the camera's exposure.

The strip runs along x. Brightness is relative: 0 is the mean of the surface, -1 is black. Only `expose` uses grey
values.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import Pixels

Field = NDArray[np.float32]
Shape = tuple[int, int]

# Noise cells as (along x, across y) in px, and their strength: rolling lines, streaks, mottled scale, broad shading.
_TEXTURE_CELLS = (((240, 3), 0.035), ((60, 5), 0.035), ((14, 9), 0.03), ((160, 90), 0.05))


@dataclass(frozen=True, slots=True)
class Edge:
    """The edge of the strip: at the top or bottom, the outer margin_px rows, float32 [width], show no strip."""

    at_top: bool
    margin_px: Field


def smooth_noise(shape: Shape, cell_px: tuple[float, float], rng: np.random.Generator) -> Field:
    """Return smooth noise with mean 0 and standard deviation about 1, in cells of (along x, across y) px.

    Returns float32 [height, width].
    """
    height, width = shape
    cells = (int(height / cell_px[1]) + 2, int(width / cell_px[0]) + 2)
    coarse = rng.standard_normal(cells, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def white_noise(shape: Shape, rng: np.random.Generator) -> Field:
    """Return white noise with mean 0 and standard deviation 1, float32 [height, width].

    It is the sum of two random bytes, which is close enough to a normal distribution here and seven times as fast.
    """
    first, second = np.frombuffer(rng.bytes(2 * shape[0] * shape[1]), np.uint8).reshape(2, *shape)
    spread = np.sqrt(2 * (256**2 - 1) / 12)
    return np.asarray(
        cv2.addWeighted(first, 1 / spread, second, 1 / spread, -255 / spread, dtype=cv2.CV_32F), np.float32
    )


def rolled_texture(shape: Shape, rng: np.random.Generator) -> Field:
    """Return the relative brightness of a rolled surface, float32 [height, width]."""
    texture = np.zeros(shape, np.float32)
    for cell_px, strength in _TEXTURE_CELLS:
        texture += np.float32(strength * rng.uniform(0.4, 1.5)) * smooth_noise(shape, cell_px, rng)
    grain = cv2.blur(white_noise(shape, rng), (int(rng.integers(2, 8)), 1))
    texture += np.float32(rng.uniform(0.03, 0.1)) * grain
    return texture


def draw_edge(shape: Shape, rng: np.random.Generator) -> Edge:
    """Draw a slightly skewed and wavy edge of the strip. In two of five frames it is the border of the frame itself."""
    height, width = shape
    margin_px = rng.uniform(0.02, 0.12) * height if rng.random() < 0.6 else -height
    skew_px = np.linspace(0, rng.uniform(-0.02, 0.02) * height, width, dtype=np.float32)
    waves_px = 0.8 * smooth_noise((1, width), (40, 1), rng)[0]
    return Edge(
        at_top=bool(rng.random() < 0.5), margin_px=np.maximum(margin_px + skew_px + waves_px, 0, dtype=np.float32)
    )


def cut_at_edge(brightness: Field, edge: Edge, rng: np.random.Generator) -> None:
    """Replace, in place, the area beyond the edge by the dim, even background below the strip."""
    rows = int(np.ceil(edge.margin_px.max()))
    if rows == 0:
        return
    band = brightness[:rows] if edge.at_top else brightness[::-1][:rows]
    ground = np.float32(rng.uniform(-0.95, -0.45)) + 0.04 * smooth_noise((rows, band.shape[1]), (30, 30), rng)
    from_border = np.arange(rows, dtype=np.float32)[:, None]
    strip = np.clip(from_border - edge.margin_px + 1, 0, 1)  # one soft pixel avoids aliasing at the edge
    band *= strip
    band += (1 - strip) * ground


def light(shape: Shape, rng: np.random.Generator) -> Field:
    """Return the illumination, float32 [height, width] around 1: an off-centre lamp and broad unevenness."""
    coarse = (shape[0] // 8, shape[1] // 8)
    across = np.linspace(-1, 1, coarse[0], dtype=np.float32)[:, None] - np.float32(rng.uniform(-0.8, 0.8))
    along = np.linspace(-1, 1, coarse[1], dtype=np.float32)[None, :] - np.float32(rng.uniform(-0.8, 0.8))
    falloff = np.float32(rng.uniform(0, 0.15)) * across**2 + np.float32(rng.uniform(0, 0.12)) * along**2
    uneven = np.float32(rng.uniform(0, 0.06)) * smooth_noise(coarse, (coarse[1] / 3, coarse[0] / 2), rng)
    return np.asarray(cv2.resize(np.clip(1 - falloff + uneven, 0.2, 1.5), shape[::-1]), np.float32)


def expose(brightness: Field, illumination: Field, rng: np.random.Generator) -> Pixels:
    """Return the camera's image, uint8 [height, width], with lens blur, exposure, contrast and sensor noise."""
    grey = rng.uniform(65, 175)
    contrast = rng.uniform(0.75, 1.25)
    seen = cv2.GaussianBlur(brightness, (0, 0), rng.uniform(0.4, 0.9))
    signal = grey * illumination * (1 + contrast * seen)
    signal += np.float32(rng.uniform(1.5, 4.5)) * white_noise(brightness.shape, rng)
    return np.clip(signal, 0, 255).astype(np.uint8)
