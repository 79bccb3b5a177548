"""Mapping of samples with more than 8 bits to 8 bits: exact values, and flags for unknown or contradicted depths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.bit_depth import to_8_bits
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from stripwatch.worker.images.samples import Samples

PLAIN = DecodeSpec(8, 8)
TWELVE, SIXTEEN = DecodeSpec(8, 8, bit_depth=12), DecodeSpec(8, 8, bit_depth=16)


def one(value: int, spec: DecodeSpec = PLAIN, bits: int | None = None) -> tuple[int, tuple[FrameFlag, ...]]:
    pixels, flags = to_8_bits(Samples(np.full((8, 8), value, np.uint16), bits), spec)
    assert pixels.dtype == np.uint8
    return int(pixels[0, 0]), flags


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))))
def test_returns_8_bit_samples_unchanged(pixels: np.ndarray) -> None:
    mapped, flags = to_8_bits(Samples(pixels), TWELVE)
    assert mapped is pixels
    assert flags == ()


def test_flags_8_bit_samples_if_the_model_has_levels() -> None:
    pixels = np.zeros((8, 8), np.uint8)
    mapped, flags = to_8_bits(Samples(pixels), DecodeSpec(8, 8, levels=Levels(0.1, 0.5)))
    assert mapped is pixels
    assert flags == (FrameFlag.BIT_DEPTH,)


@given(st.integers(9, 16), st.data())
def test_keeps_the_upper_8_significant_bits_without_levels(bits: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 2**bits - 1))
    assert one(value, SIXTEEN, bits) == (value >> (bits - 8), ())


@given(st.integers(9, 16), st.data())
def test_levels_stretch_the_range_between_them(bits: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 2**bits - 1))
    spec = DecodeSpec(8, 8, levels=Levels(black=0.25, white=0.75))
    exact = (value / (2**bits - 1) - 0.25) / 0.5 * 255
    assert one(value, spec, bits)[0] == round(min(max(exact, 0), 255))


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (1024, 0), (2048, 128), (3071, 255), (4095, 255)])
def test_levels_of_twelve_bits(value: int, expected: int) -> None:
    assert one(value, DecodeSpec(8, 8, bit_depth=12, levels=Levels(0.25, 0.75))) == (expected, ())


@pytest.mark.parametrize(
    ("value", "spec", "bits", "expected"),
    [
        (2**14 - 1, PLAIN, None, (63, (FrameFlag.BIT_DEPTH,))),  # undeclared, and 14 bits or fewer are in use
        (2**14, PLAIN, None, (64, ())),  # undeclared, and too large for a camera of 14 bits
        (4095, TWELVE, None, (255, ())),  # training states 12 bits
        (4096, TWELVE, None, (255, (FrameFlag.BIT_DEPTH,))),  # more than training states
        (2**14, TWELVE, 16, (64, ())),  # the depth declared by the file takes precedence over training
        (2**14 - 1, PLAIN, 16, (63, (FrameFlag.BIT_DEPTH,))),  # a declaration of 16 bits is not trusted
        (4095, TWELVE, 16, (15, (FrameFlag.BIT_DEPTH,))),
        (16, SIXTEEN, 16, (0, ())),
        (16, SIXTEEN, None, (0, ())),
        (1023, TWELVE, 10, (255, ())),
        (1024, TWELVE, 10, (255, (FrameFlag.BIT_DEPTH,))),
        (63, PLAIN, 6, (252, ())),
    ],
)
def test_flags_unknown_or_contradicted_depths(
    value: int, spec: DecodeSpec, bits: int | None, expected: tuple[int, tuple[FrameFlag, ...]]
) -> None:
    assert one(value, spec, bits) == expected


@pytest.mark.parametrize(
    ("stray", "spec", "bits", "flags"),
    [
        (10, PLAIN, None, (FrameFlag.BIT_DEPTH,)),  # 12 bits, and a few white pixels
        (10, TWELVE, None, ()),
        (10, PLAIN, 16, (FrameFlag.BIT_DEPTH,)),
        (11, PLAIN, 16, ()),
        (10, TWELVE, 12, (FrameFlag.BIT_DEPTH,)),  # outliers count if the file declares its depth
        (11, PLAIN, None, ()),  # more than one sample in 1000: a dark 16-bit image
        (11, TWELVE, None, (FrameFlag.BIT_DEPTH,)),
    ],
)
def test_ignores_a_few_white_pixels_when_detecting_the_depth(
    stray: int, spec: DecodeSpec, bits: int | None, flags: tuple[FrameFlag, ...]
) -> None:
    values = np.full((100, 100), 4000, np.uint16)
    values[0, :stray] = 65535
    assert to_8_bits(Samples(values, bits), spec)[1] == flags


def test_keeps_the_flags_of_the_decoder_without_duplicates() -> None:
    flags = (FrameFlag.DAMAGED, FrameFlag.BIT_DEPTH)
    assert to_8_bits(Samples(np.zeros((8, 8), np.uint16), flags=flags), PLAIN)[1] == flags
    assert to_8_bits(Samples(np.zeros((8, 8), np.uint8), flags=flags), PLAIN)[1] == flags
