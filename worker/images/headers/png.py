"""Read the header of a PNG file, and check that it is complete. Source: W3C PNG specification, chapters 5 and 11."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, begins_image, check_part_count, truncated

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6  # colour types
_CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 3, GREY_ALPHA: 2, COLOUR_ALPHA: 4}  # a palette expands to RGB
_BITS = {GREY: (1, 2, 4, 8, 16), COLOUR: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), COLOUR_ALPHA: (8, 16)}


@dataclass(frozen=True, slots=True)
class PngImage:
    """Content of the header chunk (IHDR)."""

    width_px: int
    height_px: int
    bits: int
    colour_type: int
    interlaced: bool

    @property
    def bits_per_pixel(self) -> int:
        return self.bits * (1 if self.colour_type == PALETTE else _CHANNELS[self.colour_type])


def read_png_header(encoded: bytes) -> ImageHeader:
    """Read the header of a PNG file.

    Raises FrameRejected for an incomplete, malformed or unsupported file, or a chunk with a wrong checksum.
    """
    image: PngImage | None = None
    header: ImageHeader | None = None
    has_palette, end = False, len(PNG_SIGNATURE)
    for name, body, checksum in png_chunks(encoded):
        end += 12 + len(body)
        if zlib.crc32(body, zlib.crc32(name)) != checksum:
            raise _damaged(f"PNG chunk {name!r} has a wrong checksum")
        if name == b"CgBI":  # the first chunk of a file with raw deflate data, in which red and blue are exchanged
            raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, "PNG files of Apple's CgBI variant are not supported")
        if (name == b"IHDR") != (image is None):  # a decoder might use the other one
            raise _damaged("a PNG file whose header chunk is not the first chunk, or not the only one")
        if image is None:
            image = read_image_chunk(body)
            header = ImageHeader("png", image.width_px, image.height_px, _CHANNELS[image.colour_type], image.bits)
        elif name == b"sBIT" and header is not None and header.bits == 16:
            bits = _significant_bits(body, header)
            header = replace(header, significant_bits=bits, in_upper_bits=True)
        elif name == b"PLTE":
            has_palette = has_palette or _is_palette(body, image)
        elif name == b"acTL":
            raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, "animated PNG files are not supported")
    if image is None or header is None or (image.colour_type == PALETTE and not has_palette):
        raise _damaged("a PNG file without the palette that its pixels require")
    return replace(header, second_image=begins_image(encoded, end, PNG_SIGNATURE))


def png_chunks(encoded: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yield name, content and checksum of every chunk up to the end. Raises FrameRejected for an incomplete file."""
    at, name, count = len(PNG_SIGNATURE), b"", 0
    while name != b"IEND":
        count += 1
        check_part_count("PNG", count)
        size = int.from_bytes(encoded[at : at + 4], "big")
        end = at + 12 + size
        if end > len(encoded):
            raise truncated("PNG", encoded)
        name = encoded[at + 4 : at + 8]
        yield name, memoryview(encoded)[at + 8 : end - 4], int.from_bytes(encoded[end - 4 : end], "big")
        at = end


def read_image_chunk(body: memoryview) -> PngImage:
    """Parse a header chunk. Raises FrameRejected for invalid content."""
    known = len(body) == 13 and body[8] in _BITS.get(body[9], ())
    if not known or body[10] != 0 or body[11] != 0 or body[12] > 1:
        raise _damaged("a malformed PNG header chunk")
    width_px, height_px = int.from_bytes(body[0:4], "big"), int.from_bytes(body[4:8], "big")
    return PngImage(width_px, height_px, body[8], body[9], bool(body[12]))


def _significant_bits(body: memoryview, header: ImageHeader) -> int:
    if len(body) != header.channels or not all(1 <= bits <= 16 for bits in body):
        raise _damaged("a PNG file with invalid significant bits (sBIT)")
    colours = body[:3] if header.channels >= 3 else body[:1]  # alpha is dropped
    if len(set(colours)) > 1:
        stated = ", ".join(map(str, colours))
        raise FrameRejected(
            RejectReason.UNSUPPORTED_COLOUR,
            f"a PNG file whose colours have {stated} significant bits; they must have the same number",
        )
    return colours[0]


def _is_palette(body: memoryview, image: PngImage) -> bool:
    if image.colour_type == PALETTE and (len(body) % 3 or not 3 <= len(body) <= 3 * 2**image.bits):
        raise _damaged(f"a PNG file with an invalid palette of {len(body)} bytes")
    return True


def _damaged(detail: str) -> FrameRejected:
    return FrameRejected(RejectReason.DAMAGED, detail)
