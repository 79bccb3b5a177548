"""Draws evidence images: a frame with its defects marked and a faint heatmap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from msgspec.structs import replace

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.contracts.events import Box, Defect, FrameFlag
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Pixels
from stripwatch.worker.images.raw_header import frame_header
from stripwatch.worker.model.heatmaps import Heatmap, HeatmapDecoder

_HEAT_RGB = (255, 120, 0)
_HEAT_OPACITY_MAX = 0.35  # low enough for the defect to remain visible
_BOX_RGB, _OUTLINE_RGB = (255, 220, 40), (0, 0, 0)
_FONT, _FONT_SCALE, _TEXT_MARGIN_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 3
_USUAL_BIT_DEPTHS = (10, 12, 14)
_QUALITY_MIN, _QUALITY_STEP, _SIDE_PX_MIN = 40, 15, 64


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Limits of an evidence image.

    side_px_max: longest side in pixels. quality: initial JPEG quality. bytes_max: file size in bytes, which takes
    precedence over the other two.
    """

    side_px_max: int
    quality: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class HeatmapOverlay:
    """The heatmap of one label, float32 [h, w], and the decoder that maps its cells to the frame."""

    heatmap: Heatmap
    decoder: HeatmapDecoder


def annotate_frame(
    encoded: bytes,
    defects: Sequence[Defect],
    heat: HeatmapOverlay | None,
    limits: ImageLimits,
    decode_limits: DecodeLimits,
    layout: RawLayout | None = None,
    depth: DecodeSpec | None = None,
) -> bytes:
    """Return a JPEG of the frame with the box, label and score of each defect.

    Raises FrameRejected or StripwatchError.
    """
    header = frame_header(encoded, layout)
    pixels = decode_scaled(encoded, limits.side_px_max, limits.side_px_max, decode_limits, layout, depth)
    if heat:
        _blend(pixels, heat)
    scale = pixels.shape[1] / header.width_px, pixels.shape[0] / header.height_px
    for line, defect in enumerate(defects):
        text = f"{defect.label} {defect.score:.1%}"
        if defect.box_px:
            _draw_box(pixels, defect.box_px, scale, text)
        else:
            _write(pixels, text, 0, (line + 1) * 20)
    return encode_within(pixels, limits.quality, limits.bytes_max)


def decode_scaled(
    encoded: bytes,
    width_px_max: float,
    height_px_max: float,
    limits: DecodeLimits,
    layout: RawLayout | None = None,
    depth: DecodeSpec | None = None,
) -> Pixels:
    """Decode a frame to RGB at no more than the given size, keeping its aspect ratio. Raises FrameRejected.

    It is decoded by the same rules as for inspection. depth: how to convert samples of more than 8 bits. Without it, a
    frame that does not declare its bit depth is converted with the smallest usual depth that holds all its samples, so
    that a person can see something.
    """
    header = frame_header(encoded, layout)
    scale = min(1.0, width_px_max / header.width_px, height_px_max / header.height_px)
    size = DecodeSpec(max(1, round(header.height_px * scale)), max(1, round(header.width_px * scale)))
    if depth is not None:
        spec = replace(size, bit_depth=depth.bit_depth, levels=depth.levels)
        return decode(encoded, spec, limits, layout).pixels
    image = decode(encoded, size, limits, layout)
    for bits in _USUAL_BIT_DEPTHS:
        if FrameFlag.BIT_DEPTH not in image.flags:
            break
        image = decode(encoded, replace(size, bit_depth=bits), limits, layout)
    return image.pixels


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode pixels as JPEG. pixels: uint8 RGB [height, width, 3]."""
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return jpeg.tobytes()


def encode_within(pixels: Pixels, quality: int, bytes_max: int) -> bytes:
    """Return a JPEG of at most bytes_max bytes, first at lower quality and then at smaller size.

    Raises StripwatchError if even the smallest image is too large.
    """
    while True:
        jpeg = encode_jpeg(pixels, quality)
        if len(jpeg) <= bytes_max:
            return jpeg
        if quality > _QUALITY_MIN:
            quality = max(_QUALITY_MIN, quality - _QUALITY_STEP)
        elif max(pixels.shape[:2]) > _SIDE_PX_MIN:
            height, width = (math.ceil(side / 2) for side in pixels.shape[:2])
            pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        else:
            raise StripwatchError(f"no evidence image fits into {bytes_max} bytes")


def _blend(pixels: Pixels, heat: HeatmapOverlay) -> None:
    """Blend the heatmap into the pixels.

    OpenCV does it, because it releases the GIL, which this low-priority thread would otherwise hold for long.
    """
    height, width = pixels.shape[:2]
    large = cv2.resize(heat.decoder.enlarge(heat.heatmap), (width, height), interpolation=cv2.INTER_LINEAR)
    opacity = np.clip(large, 0, 1) * np.float32(_HEAT_OPACITY_MAX)
    np.copyto(pixels, cv2.blendLinear(pixels, np.full_like(pixels, _HEAT_RGB), 1 - opacity, opacity))


def _draw_box(pixels: Pixels, box: Box, scale: tuple[float, float], text: str) -> None:
    left, right = (round(x * scale[0]) for x in (box.x, box.x + box.width))
    top, bottom = (round(y * scale[1]) for y in (box.y, box.y + box.height))
    for colour, thickness in ((_OUTLINE_RGB, 3), (_BOX_RGB, 1)):
        cv2.rectangle(pixels, (left, top), (right - 1, bottom - 1), colour, thickness)
    _write(pixels, text, left, top)


def _write(pixels: Pixels, text: str, left: int, bottom: int) -> None:
    """Write text above a line, or as close to it as possible. OpenCV's font is ASCII; other characters become "?"."""
    shown = text.encode("ascii", "replace").decode()
    (width, height), below = cv2.getTextSize(shown, _FONT, _FONT_SCALE, 1)
    width, height = width + 2 * _TEXT_MARGIN_PX, height + below + _TEXT_MARGIN_PX
    x, y = max(0, min(left, pixels.shape[1] - width)), max(height, bottom)
    cv2.rectangle(pixels, (x, y - height), (x + width, y), _OUTLINE_RGB, -1)
    cv2.putText(pixels, shown, (x + _TEXT_MARGIN_PX, y - below), _FONT, _FONT_SCALE, _BOX_RGB, 1, cv2.LINE_AA)
