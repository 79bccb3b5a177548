"""BMP, TIFF and WebP decoding: bit-identical pixels for valid files, and rejects for all others."""

import sys
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Image
from stripwatch.worker.images.headers.tiff import read_tiff_image
from tests.image_files import LONG, SHORT, bmp_file, tiff_file

GREY_PALETTE = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 4, axis=1).tobytes()
SIDES = st.integers(8, 40)
NO_COMPRESSION, LZW, DEFLATE, PACK_BITS, OLD_DEFLATE = 1, 5, 8, 32773, 32946


def noise(seed: int, shape: tuple[int, ...], bits: int = 8) -> NDArray[Any]:
    kind = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, shape).astype(kind)


def decoded(encoded: bytes, **options: Any) -> Image:
    """Decode a file in its own size for a colour model; see `assert_pixels`."""
    return decode(encoded, DecodeSpec(*size_of(encoded), **options))


def size_of(encoded: bytes) -> tuple[int, int]:
    image = decode(encoded, DecodeSpec(8, 8))
    return image.height_px, image.width_px


def assert_pixels(encoded: bytes, expected: NDArray[Any]) -> None:
    """Check the pixels for a colour and a grey model. expected: uint8 [height, width] or [height, width, 3] in RGB."""
    colour = expected if expected.ndim == 3 else np.dstack([expected] * 3)
    grey = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY) if expected.ndim == 3 else expected
    assert np.array_equal(decoded(encoded).pixels, colour)
    assert np.abs(decoded(encoded, colour="grey").pixels[..., 0].astype(int) - grey).max() <= 1


def reason_of(encoded: bytes) -> RejectReason:
    with pytest.raises(FrameRejected) as caught:
        decode(encoded, DecodeSpec(8, 8))
    assert caught.value.detail
    return caught.value.reason


@given(st.integers(0, 99), SIDES, SIDES, st.booleans(), st.sampled_from([12, 40, 52, 56, 108, 124]))
@settings(deadline=None)
def test_bmp_files(seed: int, height: int, width: int, top_down: bool, header_bytes: int) -> None:
    options: dict[str, Any] = {"header_bytes": header_bytes, "top_down": top_down and header_bytes > 12}
    entry_bytes = 3 if header_bytes == 12 else 4
    grey, colour = noise(seed, (height, width)), noise(seed, (height, width, 4))
    palette = noise(seed, (256, 4))
    ramp = np.frombuffer(GREY_PALETTE, np.uint8).reshape(256, 4)[:, :entry_bytes].tobytes()
    assert_pixels(bmp_file(grey, ramp, **options), grey)
    assert_pixels(bmp_file(grey, palette[:, :entry_bytes].tobytes(), **options), palette[grey][..., 2::-1])
    assert_pixels(bmp_file(colour[..., :3], **options), colour[..., 2::-1])
    assert_pixels(bmp_file(colour, **options), colour[..., 2::-1])
    if header_bytes > 12:
        assert_pixels(bmp_file(colour, compression=3, **options), colour[..., 2::-1])


@given(
    st.integers(0, 99),
    st.tuples(SIDES, SIDES),
    st.sampled_from([NO_COMPRESSION, LZW, DEFLATE, PACK_BITS, OLD_DEFLATE]),
    st.sampled_from([1, 2]),
    st.integers(1, 50),
    st.sampled_from([8, 16]),
)
@settings(deadline=None, max_examples=150)
def test_tiff_files_of_every_compression(
    seed: int, size: tuple[int, int], compression: int, predictor: int, rows: int, bits: int
) -> None:
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    for shape in (size, (*size, 3)):
        pixels = noise(seed, shape, bits)
        if bits == 16:
            pixels[0, 0] = 65535  # use the full range, so that the depth is not in doubt
        stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
        encoded = cv2.imencode(".tif", stored, [*options, cv2.IMWRITE_TIFF_ROWSPERSTRIP, rows])[1].tobytes()
        assert_pixels(encoded, (pixels >> (bits - 8)).astype(np.uint8))
        assert decoded(encoded).flags == ()


@given(st.integers(0, 99), SIDES, SIDES, st.booleans(), st.sampled_from([8, 10, 12, 14, 16]), st.integers(1, 8))
@settings(deadline=None, max_examples=150)
def test_tiff_files_of_every_depth_byte_order_and_orientation(
    seed: int, height: int, width: int, big_endian: bool, bits: int, orientation: int
) -> None:
    for shape in ((height, width), (height, width, 3), (height, width, 4)):
        pixels = noise(seed, shape, bits)
        pixels[0, 0] = 2**bits - 1
        expected = (pixels >> (bits - 8)).astype(np.uint8)
        for extra_samples in (0, 1, 2):  # 2: alpha, by which colours must not be multiplied
            tags = {274: (SHORT, [orientation]), 338: (SHORT, [extra_samples])}
            encoded = tiff_file(pixels, bits, tags, big_endian=big_endian)
            assert_pixels(encoded, expected[..., :3] if len(shape) == 3 else expected)
            assert decoded(encoded).flags == ()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, (15, (FrameFlag.BIT_DEPTH,))),
        ({281: (SHORT, [4095])}, (255, ())),
        ({341: (SHORT, [4095])}, (255, ())),
        ({341: (LONG, [65535])}, (15, (FrameFlag.BIT_DEPTH,))),  # declares 16 bits, but the data use 12
        ({281: (SHORT, [4000])}, (15, (FrameFlag.BIT_DEPTH,))),  # the largest value that occurs, not a depth
        ({341: (SHORT, [1023])}, (255, (FrameFlag.BIT_DEPTH,))),  # less than the data use
    ],
)
def test_reads_the_depth_of_a_tiff_file_from_its_largest_sample(tags: Any, expected: Any) -> None:
    image = decoded(tiff_file(np.full((16, 24), 4095, np.uint16), 16, tags), colour="grey")
    assert (int(image.pixels[3, 3, 0]), image.flags) == expected


def test_inverts_a_tiff_file_in_which_white_is_zero() -> None:
    pixels = noise(0, (16, 24))
    assert_pixels(tiff_file(pixels, 8, {262: (SHORT, [0])}), 255 - pixels)


@pytest.mark.parametrize("quality", [80, 101])  # above 100 is lossless
@pytest.mark.parametrize("channels", [3, 4])
def test_webp_files_have_the_pixels_that_opencv_gives(quality: int, channels: int) -> None:
    pixels = cv2.GaussianBlur(noise(0, (40, 56, channels)), (5, 5), 0)
    pixels[..., 3:] = np.maximum(pixels[..., 3:], 1)  # WebP does not keep the colour of transparent pixels
    encoded = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    assert_pixels(encoded, np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)))
    if quality > 100:
        assert_pixels(encoded, pixels[..., 2::-1])


GREY, COLOUR, DEEP = noise(1, (16, 24)), noise(1, (16, 24, 3)), noise(1, (16, 24), 16)
FOUR = noise(1, (16, 24, 4))
UNSUPPORTED: dict[str, tuple[bytes, RejectReason]] = {
    "TIFF, two pages": (tiff_file(GREY, 8, next_page=8), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, JPEG": (tiff_file(GREY, 8, {259: (SHORT, [7])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, CCITT": (tiff_file(GREY, 8, {259: (SHORT, [4])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, tiles": (tiff_file(GREY, 8, {322: (SHORT, [16])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, planes": (tiff_file(COLOUR, 8, {284: (SHORT, [2])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, reverse bits": (tiff_file(GREY, 8, {266: (SHORT, [2])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, predictor of floats": (tiff_file(GREY, 8, {317: (SHORT, [3])}), RejectReason.UNSUPPORTED_FORMAT),
    "TIFF, signed": (tiff_file(DEEP, 16, {339: (SHORT, [2])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, floats": (tiff_file(DEEP, 32, {339: (SHORT, [3])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, 32 bits": (tiff_file(DEEP, 32), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, 1 bit": (tiff_file(GREY & 1, 1), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, palette": (tiff_file(GREY, 8, {262: (SHORT, [3])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, CMYK": (tiff_file(FOUR, 8, {262: (SHORT, [5])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, grey and alpha": (tiff_file(FOUR[..., :2], 8), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, 16 bits, white is 0": (tiff_file(DEEP, 16, {262: (SHORT, [0])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, unequal samples": (tiff_file(COLOUR, 8, {258: (SHORT, [8, 8, 4])}), RejectReason.UNSUPPORTED_COLOUR),
    "TIFF, a strip too few": (tiff_file(GREY, 8, {278: (SHORT, [8])}), RejectReason.DAMAGED),
    "TIFF, strip too short": (tiff_file(GREY, 8, {279: (SHORT, [383])}), RejectReason.DAMAGED),
    "TIFF, empty strip": (tiff_file(GREY, 8, {279: (SHORT, [0])}), RejectReason.DAMAGED),
    "TIFF, strip outside": (tiff_file(GREY, 8, {273: (LONG, [9999])}), RejectReason.TRUNCATED),
    "TIFF, no rows": (tiff_file(GREY, 8, {257: (LONG, [0])}), RejectReason.DAMAGED),
    "TIFF, size of text": (tiff_file(GREY, 8, {256: (2 + 6, [24])}), RejectReason.DAMAGED),
    "TIFF, huge": (tiff_file(GREY, 8, {256: (LONG, [2**31])}, compress=True), RejectReason.TOO_MANY_PIXELS),
    "BMP, long": (bmp_file(np.zeros((1_000_001, 8), np.uint8), GREY_PALETTE), RejectReason.TOO_MANY_PIXELS),
    "TIFF, long": (tiff_file(GREY, 8, {257: (LONG, [2**21])}, compress=True), RejectReason.DAMAGED),
    "BigTIFF": (b"II+\0" + bytes(30), RejectReason.UNSUPPORTED_FORMAT),
    "BMP, run lengths": (bmp_file(GREY, GREY_PALETTE, compression=1), RejectReason.UNSUPPORTED_FORMAT),
    "BMP, JPEG": (bmp_file(COLOUR, compression=4), RejectReason.UNSUPPORTED_FORMAT),
    "BMP, 16 bits": (bmp_file(COLOUR, bits=16), RejectReason.UNSUPPORTED_COLOUR),
    "BMP, 4 bits": (bmp_file(GREY, bits=4), RejectReason.UNSUPPORTED_COLOUR),
    "BMP, masks of 24 bits": (bmp_file(COLOUR, compression=3), RejectReason.UNSUPPORTED_COLOUR),
    "BMP, outside its palette": (bmp_file(GREY, GREY_PALETTE[:256], colours=64), RejectReason.DAMAGED),
    "BMP, palette of 300": (bmp_file(GREY, GREY_PALETTE, colours=300), RejectReason.DAMAGED),
    "BMP, odd header": (bmp_file(COLOUR, header_bytes=41), RejectReason.DAMAGED),
    "JPEG 2000": (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(30), RejectReason.UNSUPPORTED_FORMAT),
    "GIF": (b"GIF89a" + bytes(30), RejectReason.UNSUPPORTED_FORMAT),
    "AVIF": (b"\x00\x00\x00\x1cftypavif" + bytes(30), RejectReason.UNSUPPORTED_FORMAT),
    "HEIC": (b"\x00\x00\x00\x18ftypheic" + bytes(30), RejectReason.UNSUPPORTED_FORMAT),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_rejects_unsupported_files_with_their_reason(name: str) -> None:
    encoded, reason = UNSUPPORTED[name]
    assert reason_of(encoded) == reason


@pytest.mark.parametrize("name", ["BigTIFF", "JPEG 2000", "GIF", "AVIF", "HEIC"])
def test_the_reject_names_the_format(name: str) -> None:
    with pytest.raises(FrameRejected, match=f"{name} files are not supported; supported are JPEG, PNG, BMP, TIFF"):
        decode(UNSUPPORTED[name][0], DecodeSpec(8, 8))


def test_rejects_an_animated_webp() -> None:
    animation = cv2.Animation()
    animation.frames = [COLOUR, COLOUR[::-1].copy()]
    animation.durations = [100, 100]
    written, encoded = cv2.imencodeanimation(".webp", animation)
    assert written
    assert reason_of(encoded.tobytes()) == RejectReason.UNSUPPORTED_FORMAT


def _webp(quality: int) -> bytes:
    return cv2.imencode(".webp", COLOUR, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _tiff(compression: int, pixels: NDArray[Any]) -> bytes:
    return cv2.imencode(".tiff", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()


WHOLE = {
    "BMP grey": bmp_file(GREY, GREY_PALETTE),
    "BMP colour": bmp_file(FOUR, compression=3),
    "WebP lossy": _webp(80),
    "WebP lossless": _webp(101),
    "TIFF by hand": tiff_file(DEEP >> 4, 12),
    **{f"TIFF {number}": _tiff(number, DEEP) for number in (NO_COMPRESSION, LZW, DEFLATE, PACK_BITS)},
    "TIFF colour": _tiff(LZW, COLOUR),
}


@pytest.mark.parametrize("name", WHOLE)
def test_rejects_a_file_cut_anywhere(name: str) -> None:
    encoded = WHOLE[name]
    decode(encoded, DecodeSpec(8, 8))
    for size in range(1, len(encoded)):
        assert reason_of(encoded[:size]) == RejectReason.TRUNCATED, size


@pytest.mark.parametrize("compression", [LZW, PACK_BITS])
@pytest.mark.parametrize(("width", "bits"), [(24, 8), (25, 8), (24, 16)])
def test_rejects_a_cut_compressed_strip(compression: int, width: int, bits: int) -> None:
    """libtiff fills cut 8-bit strips with black, and OpenCV does not report it."""
    pixels = noise(1, (32, width), bits)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, 1]
    whole = cv2.imencode(".tif", pixels, [*options, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 32])[1].tobytes()
    image = read_tiff_image(whole)
    at, size = int(image.strip_offsets[0]), int(image.strip_bytes[0])
    strip = whole[at : at + size]
    for kept in (size // 10, size // 2, size - 100):
        tags = {259: (SHORT, [compression]), 279: (LONG, [kept])}
        encoded = tiff_file(pixels, bits, tags)[: -pixels.nbytes] + strip[:kept]
        assert reason_of(encoded) == RejectReason.DAMAGED, kept


def test_rejects_a_changed_bit_in_a_deflated_strip() -> None:
    encoded = tiff_file(GREY, 8, compress=True)
    for at in range(len(encoded) - 380, len(encoded)):
        changed = bytearray(encoded)
        changed[at] ^= 4
        assert reason_of(bytes(changed)) == RejectReason.DAMAGED


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(list(WHOLE.values())),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
    st.data(),
)
def test_any_mutation_of_a_file_is_decoded_or_rejected(
    seed: bytes, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    mutated = bytearray(seed)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    encoded = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    with suppress(FrameRejected):
        assert decode(encoded, DecodeSpec(16, 24), DecodeLimits(pixels_max=4_000_000)).pixels.shape == (16, 24, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="what the kernel counts")
@pytest.mark.parametrize("height", [2**19, 2**16])
def test_rejects_an_oversized_header_without_allocating(height: int) -> None:
    """A deflated strip with a gigabyte of zeros must not be unpacked: the size in the header is checked first."""
    encoded = tiff_file(GREY, 8, {257: (LONG, [height]), 278: (LONG, [height]), 256: (LONG, [2**14])}, compress=True)
    assert reason_of(encoded) == RejectReason.TOO_MANY_PIXELS


def test_rejects_a_tiff_file_with_too_many_strips() -> None:
    """Each strip needs more memory than its pixels."""
    pixels = np.zeros((65_537, 8), np.uint8)
    places = {273: (LONG, [0] * len(pixels)), 278: (LONG, [1]), 279: (LONG, [8] * len(pixels))}
    assert reason_of(tiff_file(pixels, 8, places)) == RejectReason.UNDECODABLE


def test_does_not_unpack_more_than_the_rows_of_a_deflated_strip() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    encoded = tiff_file(GREY, 8, {259: (SHORT, [8]), 279: (LONG, [len(bomb)])})[: -GREY.size] + bomb
    tracemalloc.start()
    assert reason_of(encoded) == RejectReason.DAMAGED
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
