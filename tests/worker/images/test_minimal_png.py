"""PNG decoding: the pixels of OpenCV, no output of libpng on stderr, and rejects for damaged files."""

import itertools
import struct
import subprocess
import sys
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.image_files import png_chunk, png_file, png_with_chunk

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (6, 8)]
DEEP_KINDS = [(0, 16), (2, 16), (4, 16), (6, 16)]


def a_png(
    kind: tuple[int, int], seed: int, interlaced: bool, size: tuple[int, int], *chunks: tuple[bytes, bytes]
) -> Any:
    colour_type, bits = kind
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 2**bits, (*size, SAMPLES[colour_type]))
    pixels[0, 0] = 2**bits - 1
    palette = [(b"PLTE", rng.bytes(3 * 2**bits))] if colour_type == 3 else []
    return pixels, png_file(pixels, bits, colour_type, [*chunks, *palette], interlaced=interlaced)


def by_opencv(encoded: bytes, colour: str) -> Any:
    flag = cv2.IMREAD_COLOR_RGB if colour == "rgb" else cv2.IMREAD_GRAYSCALE
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)


@given(
    st.sampled_from(KINDS),
    st.integers(0, 99),
    st.booleans(),
    st.tuples(st.integers(8, 30), st.integers(8, 30)),
    st.sampled_from([None, 45455, 55555, 100_000]),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_8_bits_are_bit_identical_to_opencv(
    kind: tuple[int, int], seed: int, interlaced: bool, size: tuple[int, int], gamma: int | None, srgb: bool
) -> None:
    chunks = [] if gamma is None else [(b"gAMA", struct.pack(">I", gamma))]
    chunks += [(b"sRGB", b"\0")] if srgb else []
    _, encoded = a_png(kind, seed, interlaced, size, *chunks)
    rgb, grey = by_opencv(encoded, "rgb"), by_opencv(encoded, "grey")
    assert np.array_equal(decode(encoded, DecodeSpec(*size)).pixels, rgb)
    # With a grey model, grey files are unchanged and colour files are converted by libpng.
    assert np.array_equal(decode(encoded, DecodeSpec(*size, "grey")).pixels[..., 0], grey)


@given(
    st.sampled_from(DEEP_KINDS), st.integers(0, 99), st.booleans(), st.tuples(st.integers(8, 30), st.integers(8, 30))
)
@settings(deadline=None)
def test_16_bits_lose_the_lower_8(kind: tuple[int, int], seed: int, interlaced: bool, size: tuple[int, int]) -> None:
    pixels, encoded = a_png(kind, seed, interlaced, size)
    colours = pixels[..., :3] if kind[0] in (2, 6) else np.repeat(pixels[..., :1], 3, axis=2)
    image = decode(encoded, DecodeSpec(*size))
    assert np.array_equal(image.pixels, (colours >> 8).astype(np.uint8))
    assert image.flags == ()


@given(st.integers(8, 15), st.sampled_from(["zero", "repeat", "multiply", "low", "noise"]), st.sampled_from(DEEP_KINDS))
@settings(deadline=None)
def test_declared_bits_are_taken_from_the_upper_end(bits: int, filling: str, kind: tuple[int, int]) -> None:
    colour_type, _ = kind
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, (16, 24, SAMPLES[colour_type]))
    values[0, 0] = 2**bits - 1
    stored = {
        "zero": values << (16 - bits),
        "repeat": values << (16 - bits) | values >> (2 * bits - 16),
        "multiply": np.round(values * 65535 / (2**bits - 1)).astype(int),
        "low": values,
        "noise": values << (16 - bits) | rng.integers(0, 2 ** (16 - bits), values.shape),
    }[filling]
    encoded = png_file(stored, 16, colour_type, [(b"sBIT", bytes([bits] * SAMPLES[colour_type]))])
    image = decode(encoded, DecodeSpec(16, 24))
    wrong = filling in ("low", "noise") and bits < 15  # one bit of noise may be taken for rounding
    if filling in ("zero", "repeat", "multiply") or wrong:
        assert image.flags == ((FrameFlag.BIT_DEPTH,) if wrong else ())
    if not wrong and filling != "low":
        colours = values[..., :3] if colour_type in (2, 6) else np.repeat(values[..., :1], 3, axis=2)
        assert np.array_equal(image.pixels, colours >> (bits - 8))


def chunks_file(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in parts)


def damaged_files() -> dict[str, bytes]:
    _, whole = a_png((0, 8), 0, False, (16, 24))
    header, raw = whole[:33], np.pad(np.zeros((16, 24), np.uint8), ((0, 0), (1, 0)))
    end = png_chunk(b"IEND", b"")
    packed = zlib.compress(raw.tobytes())
    unknown_filter = raw.copy()
    unknown_filter[7, 0] = 5
    return {
        "no pixels": header + end,
        "rows missing": header + png_chunk(b"IDAT", zlib.compress(raw[:-1].tobytes())) + end,
        "unfinished": header + png_chunk(b"IDAT", packed[:-2]) + end,
        "wrong checksum of zlib": header + png_chunk(b"IDAT", packed[:-1] + bytes([packed[-1] ^ 1])) + end,
        "not zlib": header + png_chunk(b"IDAT", b"\xff" * 100) + end,
        "unknown filter": header + png_chunk(b"IDAT", zlib.compress(unknown_filter.tobytes())) + end,
    }


@pytest.mark.parametrize("name", damaged_files())
def test_rejects_damaged_pixels_with_correct_checksums(name: str) -> None:
    with pytest.raises(FrameRejected) as caught:
        decode(damaged_files()[name], DecodeSpec(16, 24))
    assert caught.value.reason == RejectReason.DAMAGED


def test_rejects_more_rows_than_the_header_states_without_unpacking_them() -> None:
    _, whole = a_png((0, 8), 0, False, (16, 24))
    for size in (17 * 25, 200_000_000):
        surplus = whole[:33] + png_chunk(b"IDAT", zlib.compress(bytes(size), 9)) + png_chunk(b"IEND", b"")
        tracemalloc.start()
        with pytest.raises(FrameRejected, match="more pixels than its header states") as caught:
            decode(surplus, DecodeSpec(16, 24))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()
        assert caught.value.reason == RejectReason.DAMAGED


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rejects_pixels_outside_the_palette(bits: int, interlaced: bool) -> None:
    rng = np.random.default_rng(bits)
    entries = 2**bits - 1
    pixels, palette = rng.integers(0, entries, (16, 24, 1)), rng.bytes(3 * entries)
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)[pixels[..., 0]]
    assert np.array_equal(
        decode(png_file(pixels, bits, 3, [(b"PLTE", palette)], interlaced=interlaced), DecodeSpec(16, 24)).pixels,
        colours,
    )
    pixels[9, 11] = entries
    outside = png_file(pixels, bits, 3, [(b"PLTE", palette)], interlaced=interlaced)
    with pytest.raises(FrameRejected, match=f"outside its palette of {entries}") as caught:
        decode(outside, DecodeSpec(16, 24))
    assert caught.value.reason == RejectReason.DAMAGED


def test_checks_the_palette_after_undoing_row_filters() -> None:
    """Each row stores the difference 1 to the row above, which adds up to entry 15 in the last row."""
    rows = np.pad(np.full((16, 24), 1, np.uint8), ((0, 0), (1, 0)), constant_values=2)
    rows[0] = 0
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 24, 16, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(range(48))),
        (b"IDAT", zlib.compress(rows.tobytes())),
        (b"IEND", b""),
    ]
    assert decode(chunks_file(parts), DecodeSpec(16, 24)).pixels[15, 0].tolist() == [45, 46, 47]
    parts[1] = (b"PLTE", bytes(45))
    with pytest.raises(FrameRejected, match="outside its palette of 15"):
        decode(chunks_file(parts), DecodeSpec(16, 24))


@pytest.mark.parametrize("gamma", [1, 16, 9_999, 1_000_001, 625_000_000, 2**31 - 1, 2**32 - 1])
def test_ignores_an_implausible_gamma(gamma: int) -> None:
    _, plain = a_png((2, 8), 0, False, (16, 24))
    odd = png_with_chunk(plain, b"gAMA", struct.pack(">I", gamma))
    spec = DecodeSpec(16, 24, "grey")
    assert np.array_equal(decode(odd, spec).pixels, decode(plain, spec).pixels)


@pytest.mark.parametrize(
    ("largest", "flags"), [(4080, (FrameFlag.BIT_DEPTH,)), (1024, (FrameFlag.BIT_DEPTH,)), (1008, ()), (4096, ())]
)
def test_flags_unscaled_samples_with_zero_low_bits(largest: int, flags: tuple[FrameFlag, ...]) -> None:
    """12-bit samples that are multiples of 16 look scaled and almost black; a covered lens gives even lower values."""
    pixels = np.linspace(0, largest // 16, 16 * 24).astype(int).reshape(16, 24, 1) * 16
    pixels[8:] = largest
    assert decode(png_file(pixels, 16, 0, [(b"sBIT", b"\x0c")]), DecodeSpec(16, 24)).flags == flags


def test_decodes_rows_of_more_than_one_block() -> None:
    pixels, encoded = a_png((0, 8), 0, False, (400, 500))
    assert np.array_equal(decode(encoded, DecodeSpec(400, 500, "grey")).pixels, pixels)


NOISY = """
import sys
from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
for line in sys.stdin:
    try:
        print(decode(bytes.fromhex(line), DecodeSpec(16, 24)).pixels.shape)
    except FrameRejected as error:
        print(error.reason)
"""


def test_nothing_is_written_to_stderr() -> None:
    """Uses files for which libpng writes to stderr, in a child process whose stderr can be captured."""
    _, grey = a_png((0, 8), 0, False, (16, 24))
    _, colour = a_png((3, 2), 0, False, (16, 24))
    chunks = [
        (b"iCCP", b"x\0\0" + zlib.compress(bytes(50))),
        *[
            (name, body)
            for name, body in itertools.product([b"sBIT", b"tRNS", b"gAMA", b"cHRM", b"sRGB"], [b"", b"\xff" * 40])
        ],
        (b"PLTE", b"\1" * 5),
        (b"AbCd", b"critical and unknown"),
        (b"gAMA", b"\0\0\0\1"),
        (b"gAMA", b"\xff" * 4),
    ]
    files = [png_with_chunk(encoded, *chunk) for encoded in (grey, colour) for chunk in chunks]
    lines = "\n".join(encoded.hex() for encoded in (*files, *damaged_files().values()))
    done = subprocess.run([sys.executable, "-c", NOISY], input=lines, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(lines.splitlines())
    assert done.stderr == ""
