"""Changes of frames as they occur on a line: light, dust, focus, vibration, noise, compression, and geometry.

Each change works on the frame as the camera took it, before it is resized for the model. Kinds and strengths follow
the corruptions of Hendrycks and Dietterich 2019 (https://arxiv.org/abs/1903.12261) where these occur on a line.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import Pixels

Apply = Callable[[Pixels, float, np.random.Generator], Pixels]
Values = NDArray[np.float32]

_WHITE = 255.0
_SPECK_SHARE = 0.015  # diameter of a speck of dust, as a share of the shorter side of the frame
_SPECK_DEPTH = 0.6


@dataclass(frozen=True, slots=True)
class Change:
    """A kind of change.

    name: for reports. unit: what the strength states. strengths: from the mildest to the strongest. apply: changes a
    frame, uint8 [h, w, c]; it returns another array of the same shape and type.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Apply


def _scale(pixels: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    return _to_bytes(pixels.astype(np.float32) * factor)


def _contrast(pixels: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    values = pixels.astype(np.float32)
    mean = values.mean()
    return _to_bytes((values - mean) * factor + mean)


def _gamma(pixels: Pixels, exponent: float, _: np.random.Generator) -> Pixels:
    table = _to_bytes(_WHITE * (np.arange(256, dtype=np.float32) / _WHITE) ** exponent)
    return np.asarray(table[pixels], np.uint8)


def _shade(pixels: Pixels, depth: float, _: np.random.Generator) -> Pixels:
    """Change the light linearly across the strip, from 1 - depth at one edge to 1 + depth / 2 at the other."""
    light = np.linspace(1 - depth, 1 + depth / 2, len(pixels), dtype=np.float32)
    return _to_bytes(pixels.astype(np.float32) * light[:, None, None])


def _noise(pixels: Pixels, sigma: float, random: np.random.Generator) -> Pixels:
    noise = random.standard_normal(pixels.shape, np.float32)
    return _to_bytes(pixels.astype(np.float32) + sigma * noise)


def _blur(pixels: Pixels, sigma_px: float, _: np.random.Generator) -> Pixels:
    return _like(cv2.GaussianBlur(pixels, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101), pixels)


def _motion(pixels: Pixels, length_px: float, _: np.random.Generator) -> Pixels:
    """Average along the row, which is the direction of the strip."""
    return _like(cv2.blur(pixels, (round(length_px), 1), borderType=cv2.BORDER_REFLECT_101), pixels)


def _compress(pixels: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    reversed_ = np.ascontiguousarray(pixels[:, :, ::-1])  # OpenCV stores BGR
    encoded = cv2.imencode(".jpg", reversed_, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    flag = cv2.IMREAD_GRAYSCALE if pixels.shape[2] == 1 else cv2.IMREAD_COLOR_RGB
    return _like(cv2.imdecode(encoded, flag), pixels)


def _zoom(pixels: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    """Enlarge around the centre. With a factor below 1, the frame is continued by reflection."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, factor)
    warped = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return _like(warped, pixels)


def _dust(pixels: Pixels, share: float, random: np.random.Generator) -> Pixels:
    """Darken soft specks that cover this share of the frame on average."""
    height, width = pixels.shape[:2]
    radius_px = max(1, round(_SPECK_SHARE * min(height, width) / 2))
    speck = np.zeros((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    area_px = cv2.circle(speck, (radius_px, radius_px), radius_px, 1, cv2.FILLED).sum()
    cover = np.zeros((height, width), np.float32)
    for x, y in random.uniform((0, 0), (width, height), (random.poisson(share * height * width / area_px), 2)):
        cv2.circle(cover, (int(x), int(y)), radius_px, 1.0, cv2.FILLED)
    soft = cv2.GaussianBlur(cover, (0, 0), radius_px / 2)
    return _to_bytes(pixels.astype(np.float32) * (1 - _SPECK_DEPTH * soft[:, :, None]))


def _mirror_along(pixels: Pixels, _strength: float, _: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _mirror_across(pixels: Pixels, _strength: float, _: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(pixels[::-1])


def _turn(pixels: Pixels, _strength: float, _: np.random.Generator) -> Pixels:
    return np.ascontiguousarray(pixels[::-1, ::-1])


def _to_bytes(values: Values) -> Pixels:
    return np.asarray(np.rint(values).clip(0, _WHITE), np.uint8)


def _like(changed: object, pixels: Pixels) -> Pixels:
    """Return an array of OpenCV, which drops the axis of a single channel, in the shape of the frame."""
    return np.asarray(changed, np.uint8).reshape(pixels.shape)


CHANGES: tuple[Change, ...] = (
    Change("darker", "factor", (0.8, 0.6, 0.4, 0.2), _scale),
    Change("brighter", "factor", (1.2, 1.4, 1.7, 2.0), _scale),
    Change("less contrast", "factor", (0.7, 0.5, 0.3), _contrast),
    Change("higher gamma", "exponent", (1.5, 2.0, 3.0), _gamma),
    Change("lower gamma", "exponent", (0.67, 0.5, 0.33), _gamma),
    Change("shading across the strip", "loss of light at the darker edge", (0.2, 0.4, 0.6, 0.8), _shade),
    Change("dust", "share of the frame that is covered", (0.002, 0.005, 0.01, 0.05), _dust),
    Change("noise", "standard deviation in grey levels", (2, 4, 8, 16), _noise),
    Change("out of focus", "standard deviation of the blur in px", (0.5, 1, 2, 4), _blur),
    Change("motion blur", "length in px", (3, 5, 9, 15), _motion),
    Change("JPEG compression", "quality", (70, 50, 30, 15), _compress),
    Change("closer camera", "zoom factor", (1.1, 1.2, 1.4), _zoom),
    Change("farther camera", "zoom factor", (0.9, 0.8, 0.7), _zoom),
    Change("mirrored along the strip", "", (1,), _mirror_along),
    Change("mirrored across the strip", "", (1,), _mirror_across),
    Change("rotated by 180°", "", (1,), _turn),
)
