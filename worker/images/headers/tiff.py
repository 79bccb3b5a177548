"""Read the directory of a TIFF file, and check that it is complete. Source: TIFF revision 6.0 (Adobe, 1992).

Baseline files with one page in strips are supported, as cameras and libraries write them. For everything else that the
format allows, the reject names the unsupported feature.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, begins_image, truncated

TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
BIG_TIFF_SIGNATURES = (b"II+\0", b"MM\0+")

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, SAMPLES_PER_PIXEL, ROWS_PER_STRIP, STRIP_BYTES = 273, 277, 278, 279
PREDICTOR, EXTRA_SAMPLES = 317, 338
_FILL_ORDER, _MAX_SAMPLE, _PLANAR, _TILE_WIDTH, _SAMPLE_FORMAT, _S_MAX_SAMPLE = 266, 281, 284, 322, 339, 341

UNCOMPRESSED, LZW, DEFLATE, PACK_BITS, OLD_DEFLATE = 1, 5, 8, 32773, 32946
_COMPRESSIONS = (UNCOMPRESSED, LZW, DEFLATE, PACK_BITS, OLD_DEFLATE)
_OTHER_COMPRESSIONS = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "JPEG", 7: "JPEG", 34925: "LZMA", 50000: "Zstandard"}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
_OTHER_COLOURS = {3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 32803: "Bayer"}
_ENTRY = {"little": np.dtype([("tag", "<u2"), ("type", "<u2"), ("count", "<u4"), ("value", "<u4")])}
_ENTRY["big"] = _ENTRY["little"].newbyteorder(">")
_TYPE_BYTES = {1: 1, 3: 2, 4: 4}  # BYTE, SHORT and LONG: the types of the tags used here
_ALL_TYPE_BYTES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8])  # by the number of the type
_ENTRIES_MAX = 1000
_VALUES_MAX = 65_536  # per tag, such as the offsets of the strips; a million of them would take 430 MB and 4 s
_ROWS_PER_STRIP_DEFAULT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class TiffImage:
    """The page of a TIFF file. Every strip is inside the file, and their total size does not exceed that of the file.

    end: offset after the last part of the image.
    """

    byte_order: Literal["little", "big"]
    width_px: int
    height_px: int
    samples: int
    bits: int
    photometric: int
    compression: int
    predictor: int
    rows_per_strip: int
    strip_offsets: NDArray[np.int64]
    strip_bytes: NDArray[np.int64]
    declared_bits: int | None
    end: int

    @property
    def row_bytes(self) -> int:
        return (self.width_px * self.samples * self.bits + 7) // 8

    def rows_of(self, strip: int) -> int:
        return min(self.rows_per_strip, self.height_px - strip * self.rows_per_strip)


class _Directory:
    """Tags of the first page, as far as they have a numeric type that is used here."""

    def __init__(self, encoded: bytes) -> None:
        self.byte_order: Literal["little", "big"] = "little" if encoded[:2] == b"II" else "big"
        self._encoded = encoded
        at = int.from_bytes(encoded[4:8], self.byte_order)
        count = int.from_bytes(encoded[at : at + 2], self.byte_order)
        end = at + 2 + 12 * count
        if at < 8 or end + 4 > len(encoded):
            raise truncated("TIFF", encoded)
        if not 1 <= count <= _ENTRIES_MAX:
            raise _damaged(f"a TIFF directory with {count} entries")
        entries = np.frombuffer(encoded, _ENTRY[self.byte_order], count, at + 2)
        self.end = max(end + 4, _end_of_values(entries))
        self._entries = {int(entry["tag"]): (entry, at + 2 + 12 * index) for index, entry in enumerate(entries)}
        if len(self._entries) != count:
            raise _damaged("a TIFF directory with a duplicate tag")
        if any(encoded[end : end + 4]):
            raise FrameRejected(
                RejectReason.UNSUPPORTED_FORMAT, "a TIFF file with several pages; only one page is supported"
            )

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def array(self, tag: int) -> NDArray[np.int64] | None:
        """Return the values of a tag, or None if the file does not have it."""
        if tag not in self._entries:
            return None
        entry, at = self._entries[tag]
        kind, count = int(entry["type"]), int(entry["count"])
        if kind not in _TYPE_BYTES or count == 0:
            raise _damaged(f"TIFF tag {tag} has type {kind} and {count} values")
        if count > _VALUES_MAX:
            detail = f"TIFF tag {tag} has {count} values; at most {_VALUES_MAX} are supported"
            raise FrameRejected(RejectReason.UNDECODABLE, detail)
        size = _TYPE_BYTES[kind] * count
        start = at + 8 if size <= 4 else int(entry["value"])
        if start + size > len(self._encoded):
            raise truncated("TIFF", self._encoded)
        stored = np.dtype(f"{'<' if self.byte_order == 'little' else '>'}u{_TYPE_BYTES[kind]}")
        return np.frombuffer(self._encoded, stored, count, start).astype(np.int64)

    def value(self, tag: int, default: int | None = None) -> int:
        """The value of a tag that has one, or the same one for every sample."""
        values = self.array(tag)
        if values is None:
            if default is None:
                raise _damaged(f"a TIFF file without tag {tag}")
            return default
        if (values != values[0]).any():
            raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, f"a TIFF file whose samples differ in tag {tag}")
        return int(values[0])


def read_tiff_header(encoded: bytes) -> ImageHeader:
    """Read the header of a TIFF file. Raises FrameRejected for an incomplete, malformed or unsupported file."""
    image = read_tiff_image(encoded)
    return ImageHeader(
        format="tiff",
        width_px=image.width_px,
        height_px=image.height_px,
        channels=image.samples,
        bits=image.bits,
        significant_bits=image.declared_bits,
        in_upper_bits=8 < image.bits < 16,  # so OpenCV returns them
        second_image=begins_image(encoded, image.end, encoded[:4]),
    )


def read_tiff_image(encoded: bytes) -> TiffImage:
    """Raises FrameRejected as `read_tiff_header` does."""
    if len(encoded) < 8:
        raise truncated("TIFF", encoded)
    tags = _Directory(encoded)
    _check_structure(tags)
    samples = tags.value(SAMPLES_PER_PIXEL, 1)
    bits = tags.value(BITS, 1)
    photometric = tags.value(PHOTOMETRIC)
    _check_colour(tags, samples, bits, photometric)
    height_px, width_px = tags.value(HEIGHT), tags.value(WIDTH)
    rows_per_strip = min(max(1, tags.value(ROWS_PER_STRIP, _ROWS_PER_STRIP_DEFAULT)), max(1, height_px))
    offsets, sizes = tags.array(STRIP_OFFSETS), tags.array(STRIP_BYTES)
    if offsets is None or sizes is None:
        raise _damaged("a TIFF file without strips")
    image = TiffImage(
        tags.byte_order,
        width_px,
        height_px,
        samples,
        bits,
        photometric,
        tags.value(COMPRESSION, UNCOMPRESSED),
        tags.value(PREDICTOR, 1),
        rows_per_strip,
        offsets,
        sizes,
        _declared_bits(tags, bits),
        max([tags.end, *(offsets[: len(sizes)] + sizes[: len(offsets)]).tolist()]),
    )
    _check_strips(image, encoded)
    return image


def _end_of_values(entries: NDArray[Any]) -> int:
    """Return the offset after the last value that is stored outside its entry; 0 if there is none."""
    sizes = _ALL_TYPE_BYTES[np.where(entries["type"] < len(_ALL_TYPE_BYTES), entries["type"], 0)] * entries["count"]
    return int(np.where(sizes > 4, entries["value"] + sizes, 0).max())


def _check_structure(tags: _Directory) -> None:
    compression = tags.value(COMPRESSION, UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
        raise _unsupported(f"TIFF compression {name}; none, LZW, deflate and PackBits are supported")
    if tags.value(PREDICTOR, 1) not in (1, 2):
        raise _unsupported(f"TIFF predictor {tags.value(PREDICTOR)}; 1 and 2 are supported")
    if _TILE_WIDTH in tags:
        raise _unsupported("a TIFF file in tiles; only strips are supported")
    if tags.value(_FILL_ORDER, 1) != 1:
        raise _unsupported("a TIFF file with reversed bit order (FillOrder 2)")
    if tags.value(_PLANAR, 1) != 1 and tags.value(SAMPLES_PER_PIXEL, 1) > 1:
        raise _unsupported("a TIFF file with separate colour planes; only interleaved colours are supported")


def _check_colour(tags: _Directory, samples: int, bits: int, photometric: int) -> None:
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise _unsupported_colour(f"{_OTHER_COLOURS.get(photometric, f'number {photometric}')} colours")
    if tags.value(_SAMPLE_FORMAT, 1) not in (1, 4):  # 4 means undefined; some programs write it for unsigned
        kind = {2: "signed", 3: "floating-point"}.get(tags.value(_SAMPLE_FORMAT), "complex")
        raise _unsupported_colour(f"{kind} samples; only unsigned samples are supported")
    if bits not in (8, 10, 12, 14, 16):
        raise _unsupported_colour(
            f"samples of {bits} {'bit' if bits == 1 else 'bits'}; 8, 10, 12, 14 and 16 are supported"
        )
    if samples not in ((3, 4) if photometric == RGB else (1,)):
        raise _unsupported_colour(f"{samples} samples per pixel; grey has 1, colour 3, or 4 with alpha")
    if bits > 8 and photometric == WHITE_IS_ZERO:
        raise _unsupported_colour(f"inverted samples of {bits} bits; black must be 0")


def _declared_bits(tags: _Directory, bits: int) -> int | None:
    """Return the depth that the file declares, by samples of 10, 12 or 14 bits or by the largest possible value.

    Some programs write the largest value that occurs instead, which is not the depth of the camera. Therefore a value
    only counts if it is the largest one of a whole number of bits.
    """
    if bits != 16:
        return bits
    for tag in (_S_MAX_SAMPLE, _MAX_SAMPLE):
        if tag in tags:
            largest = tags.value(tag)
            stated = largest.bit_length()
            return stated if 9 <= stated <= 16 and largest == 2**stated - 1 else None
    return None


def _check_strips(image: TiffImage, encoded: bytes) -> None:
    count = -(-image.height_px // image.rows_per_strip)
    if len(image.strip_offsets) != count or len(image.strip_bytes) != count:
        raise _damaged(f"a TIFF file with {count} strips but {len(image.strip_offsets)} strip offsets")
    if count == 0:  # no rows; rejected later by the size limits
        return
    if int((image.strip_offsets + image.strip_bytes).max()) > len(encoded):
        raise truncated("TIFF", encoded)
    if int(image.strip_bytes.min()) == 0 or int(image.strip_bytes.sum()) > len(encoded):
        raise _damaged("a TIFF file whose strips are empty or overlap")
    if image.compression == UNCOMPRESSED:
        needed = np.full(count, image.rows_per_strip * image.row_bytes, np.int64)
        needed[-1] = image.rows_of(count - 1) * image.row_bytes
        if (image.strip_bytes < needed).any():
            raise _damaged("a TIFF file whose strips are shorter than their rows")


def _damaged(detail: str) -> FrameRejected:
    return FrameRejected(RejectReason.DAMAGED, detail)


def _unsupported(detail: str) -> FrameRejected:
    return FrameRejected(RejectReason.UNSUPPORTED_FORMAT, detail)


def _unsupported_colour(detail: str) -> FrameRejected:
    return FrameRejected(RejectReason.UNSUPPORTED_COLOUR, f"a TIFF file with {detail}")
