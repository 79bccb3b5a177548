"""Decode the bytes of a frame into pixels. Training and the worker share this code."""

import math
from collections.abc import Callable

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.bit_depth import to_8_bits
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Image, Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.jpeg_decoder import decode_jpeg
from stripwatch.worker.images.opencv_decoder import decode_image_file
from stripwatch.worker.images.raw_buffers import decode_raw
from stripwatch.worker.images.raw_header import frame_header
from stripwatch.worker.images.samples import Samples

_SIDE_PX_MAX = 1_000_000  # the limit of libpng; OpenCV's is hardly larger
_DEFAULT_LIMITS = DecodeLimits()
# Room for the samples and for the coefficients of a progressive JPEG, two bytes each; plus the decoder itself.
_DECODING_BYTES_PER_SAMPLE_BYTE, _DECODER_BYTES = 3, 4_000_000

Reserve = Callable[[int], None]


def no_reserve(_: int) -> None:
    """Reserve nothing: decode without a memory budget."""


def decode(
    encoded: bytes,
    spec: DecodeSpec,
    limits: DecodeLimits = _DEFAULT_LIMITS,
    layout: RawLayout | None = None,
    reserve: Reserve = no_reserve,
) -> Image:
    """Decode an image file or a raw buffer into the pixels that a model with this spec expects.

    Alpha is dropped. A rotation in EXIF is ignored, because inspection cameras have a fixed orientation.

    Args:
        encoded: A whole JPEG, PNG, BMP, TIFF or WebP file; with a layout, the raw buffer of a camera.
        spec: Decoding that the model was trained with.
        limits: Limits of size and kind, checked before any pixel is allocated.
        layout: Format of a raw buffer, as the headers of its record state it; None for an image file.
        reserve: Called before any pixel is allocated, with the maximum bytes of memory for the frame; may block.

    Returns:
        The image, with pixels of shape `spec.shape`.

    Raises:
        FrameRejected: The frame cannot be decoded. Exceptions of decoders are converted to this one.
        MemoryError: There was not enough memory to decode the frame.
    """
    header = _checked_header(encoded, layout, limits)
    reserve(_decoding_bytes(header) + math.prod(spec.shape))
    try:
        samples = _decode_samples(encoded, header, spec, limits, layout)
        pixels, flags = to_8_bits(samples, spec)
        flags = (*flags, *_header_flags(header, limits))
        pixels = _to_colour(resize(_to_grey(pixels, spec), spec), spec)
    except cv2.error as error:
        _raise_memory_error(header, error)
        raise FrameRejected(RejectReason.UNDECODABLE, f"OpenCV: {error.err or error}") from error
    except FrameRejected:
        _raise_memory_error(header)
        raise
    return Image(pixels.reshape(spec.shape), width_px=header.width_px, height_px=header.height_px, flags=flags)


def read_samples(encoded: bytes, layout: RawLayout, limits: DecodeLimits = _DEFAULT_LIMITS) -> Samples:
    """Decode a raw buffer in its own depth, colour and size. Raises the same exceptions as `decode`."""
    header = _checked_header(encoded, layout, limits)
    try:
        return decode_raw(encoded, layout, header, "rgb")
    except cv2.error as error:
        _raise_memory_error(header, error)
        raise FrameRejected(RejectReason.UNDECODABLE, f"OpenCV: {error.err or error}") from error


def _checked_header(encoded: bytes, layout: RawLayout | None, limits: DecodeLimits) -> ImageHeader:
    if len(encoded) > limits.bytes_max:
        raise FrameRejected(RejectReason.TOO_MANY_BYTES, f"{len(encoded)} bytes, over the limit of {limits.bytes_max}")
    header = frame_header(encoded, layout)
    _check_header(header, limits)
    return header


def _decode_samples(
    encoded: bytes, header: ImageHeader, spec: DecodeSpec, limits: DecodeLimits, layout: RawLayout | None
) -> Samples:
    # A grey file is converted to colour last, after it was resized, because all channels are equal.
    colour = "grey" if header.channels == 1 else spec.colour
    if layout is not None:
        return decode_raw(encoded, layout, header, colour)
    if header.format == "jpeg":
        return decode_jpeg(encoded, header, colour, spec.jpeg_scale, limits.flags_damaged)
    return decode_image_file(encoded, header, colour)


def _check_header(header: ImageHeader, limits: DecodeLimits) -> None:
    size = f"{header.width_px}x{header.height_px} pixels"
    if header.format == "raw":
        size += " (ce_widthpx, ce_heightpx)"
    if header.width_px * header.height_px > limits.pixels_max:
        raise FrameRejected(RejectReason.TOO_MANY_PIXELS, f"{size}, over the limit of {limits.pixels_max}")
    if max(header.width_px, header.height_px) > _SIDE_PX_MAX:
        raise FrameRejected(RejectReason.TOO_MANY_PIXELS, f"{size}, a side over {_SIDE_PX_MAX}")
    if min(header.width_px, header.height_px) < limits.side_px_min:
        raise FrameRejected(RejectReason.TOO_SMALL, f"{size}, a side under {limits.side_px_min}")
    if header.progressive and limits.progressive == "reject":
        detail = (
            "a progressive JPEG file, in which damage can go unnoticed; send baseline files, or change the setting "
            "frames.progressive"
        )
        raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, detail)
    if header.format == "jpeg" and (header.channels not in (1, 3) or header.bits != 8):
        colour = f"a JPEG file with {header.channels} channels of {header.bits} bits; 1 or 3 of 8 bits are supported"
        raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, colour)


def _header_flags(header: ImageHeader, limits: DecodeLimits) -> tuple[FrameFlag, ...]:
    progressive = (FrameFlag.PROGRESSIVE,) if header.progressive and limits.progressive == "flag" else ()
    return (*progressive, FrameFlag.SECOND_IMAGE) if header.second_image else progressive


def _raise_memory_error(header: ImageHeader, error: cv2.error | None = None) -> None:
    """Raise MemoryError if decoding failed for lack of memory.

    OpenCV often reports only that it cannot decode, so this allocates as much memory as decoding needs.
    """
    if error is not None and error.code == cv2.Error.StsNoMem:
        raise MemoryError(error.err) from error
    np.empty(_decoding_bytes(header), np.uint8)


def _decoding_bytes(header: ImageHeader) -> int:
    """Return the maximum memory for decoding in bytes, without the result."""
    sample_bytes = 2 if header.bits > 8 else 1
    pixels = header.width_px * header.height_px
    return pixels * header.channels * sample_bytes * _DECODING_BYTES_PER_SAMPLE_BYTE + _DECODER_BYTES


def _to_grey(pixels: Pixels, spec: DecodeSpec) -> Pixels:
    if pixels.ndim == 3 and spec.colour == "grey":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    return pixels


def _to_colour(pixels: Pixels, spec: DecodeSpec) -> Pixels:
    if pixels.ndim == 2 and spec.colour == "rgb":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    return pixels


def resize(decoded: Pixels, spec: DecodeSpec) -> Pixels:
    """Resize 8-bit pixels, [h, w] or [h, w, channels], to the size that a spec requires."""
    height, width = decoded.shape[:2]
    if (height, width) != (spec.height_px, spec.width_px):
        shrinks = height >= spec.height_px and width >= spec.width_px
        how = cv2.INTER_AREA if spec.interpolation == "area" and shrinks else cv2.INTER_LINEAR
        decoded = np.asarray(cv2.resize(decoded, (spec.width_px, spec.height_px), interpolation=how), np.uint8)
    return decoded
