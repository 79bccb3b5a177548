from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.training.preparation.sample_depths import (
    EIGHT_BITS,
    SampleDepth,
    check_bit_depth,
    check_depths,
    choose_levels,
    depth_notes,
    group_depths,
    measure_depth,
    parse_levels,
    suggested_bit_depth,
)
from stripwatch.worker.common.errors import DataError, SettingsError
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels

SPEC = DecodeSpec(8, 8)
TWELVE = SampleDepth(16, None, largest=4000, zero_bits=4)
FULL = SampleDepth(16, None, largest=65_000)


def encode(values: NDArray[np.uint16] | NDArray[np.uint8], suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, values)[1].tobytes())


def grey(largest: int) -> NDArray[np.uint16]:
    return np.linspace(0, largest, 32 * 32).round().astype(np.uint16).reshape(32, 32)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_measures_the_bits_used_by_the_samples(suffix: str) -> None:
    assert measure_depth(encode(grey(4000), suffix)) == SampleDepth(16, None, 4000, 0)
    assert measure_depth(encode(grey(255) * 16, suffix)) == SampleDepth(16, None, 4080, 4)
    assert measure_depth(encode(np.zeros((32, 32), np.uint16), suffix)) == SampleDepth(16, None, 0, 0)
    assert measure_depth(encode(grey(255).astype(np.uint8), suffix)) == EIGHT_BITS
    assert measure_depth(encode(np.dstack([grey(900)] * 3), suffix)).largest == 900
    assert [SampleDepth(16, None, largest).used for largest in (0, 255, 256, 4095, 4096, 65_535)] == [
        8,
        8,
        9,
        12,
        13,
        16,
    ]


@pytest.mark.parametrize(
    ("depths", "suggested"),
    [
        ([EIGHT_BITS], None),
        ([FULL], None),
        ([SampleDepth(16, 12, 4000)], None),
        ([TWELVE, EIGHT_BITS], 12),
        ([SampleDepth(16, None, 600), SampleDepth(16, None, 1500)], 12),
        ([SampleDepth(16, None, 100)], 10),
        ([SampleDepth(16, None, 9000)], 14),
        ([TWELVE, FULL], 16),  # a dark frame of a 16-bit camera would also be flagged
    ],
)
def test_suggests_the_next_common_camera_depth(depths: list[SampleDepth], suggested: int | None) -> None:
    assert suggested_bit_depth(depths) == suggested
    names = [f"{number}.png" for number in range(len(depths))]
    if suggested is None:
        check_depths(names, depths, SPEC)
    else:
        with pytest.raises(
            DataError, match=rf"0\.png.*Pass the bit depth of the camera, probably --bit-depth {suggested}$"
        ):
            check_depths(names, depths, SPEC)
        check_depths(names, depths, DecodeSpec(8, 8, bit_depth=suggested))


def test_rejects_samples_beyond_the_given_or_declared_depth() -> None:
    with pytest.raises(DataError, match=r"need 12 bits, but --bit-depth is 10: 1 of 2 files, the first is b\.png"):
        check_depths(["a.png", "b.png"], [EIGHT_BITS, TWELVE], DecodeSpec(8, 8, bit_depth=10))
    with pytest.raises(DataError, match=r"the 12 bits that their file declares: 1 of 1 files, the first is a\.png"):
        check_depths(["a.png"], [SampleDepth(16, 12, 4000, contradictory=True)], DecodeSpec(8, 8, bit_depth=12))


def test_16_declared_bits_are_only_trusted_with_the_option() -> None:
    names, depths = ["a.png", "b.png"], [SampleDepth(16, 16, 60_000), SampleDepth(16, 16, 4000)]
    for bit_depth in (None, 12):
        with pytest.raises(
            DataError, match=r"only 12 of the 16 bits .* 1 of 2 files, the first is b\.png\. .*--bit-depth 16"
        ):
            check_depths(names, depths, DecodeSpec(8, 8, bit_depth=bit_depth))
    spec = DecodeSpec(8, 8, bit_depth=16)
    check_depths(names, depths, spec)
    assert depth_notes(names, depths, spec) == []


def test_rejects_levels_for_8_bit_files() -> None:
    spec = DecodeSpec(8, 8, levels=Levels(0, 0.5))
    with pytest.raises(DataError, match=r"--levels does not apply to 8-bit files: 1 of 2 files, the first is b\.jpg"):
        check_depths(["a.png", "b.jpg"], [FULL, EIGHT_BITS], spec)
    check_depths(["a.png"], [FULL], spec)


def test_notes_a_data_set_with_several_depths() -> None:
    names, depths = ["a.jpg", "b.jpg", "c.png", "d.png"], [EIGHT_BITS, EIGHT_BITS, TWELVE, SampleDepth(16, 10, 1000)]
    groups = group_depths(names, depths)
    assert [(group.stored, group.declared, group.used, group.images) for group in groups] == [
        (8, None, 8, 2),
        (16, None, 12, 1),
        (16, 10, 10, 1),
    ]
    (note,) = depth_notes(names, depths, DecodeSpec(8, 8, bit_depth=12))
    assert "2 with 8 bits; 1 with 16 bits (no depth declared, 12 used, lowest 4 always zero), such as c.png" in note
    assert "1 with 16 bits (10 bits declared, 10 used), such as d.png" in note
    assert depth_notes(names[2:3], depths[2:3], DecodeSpec(8, 8, bit_depth=12)) == []


def test_notes_options_without_effect() -> None:
    (note,) = depth_notes(["a.jpg"], [EIGHT_BITS], DecodeSpec(8, 8, bit_depth=12))
    assert note.startswith("note: --bit-depth 12 has no effect")


def test_parses_levels_as_shares() -> None:
    assert parse_levels("full") is parse_levels("auto") is None
    assert parse_levels("0.05, 0.8") == Levels(0.05, 0.8)
    for text in ("", "0.5", "0.8,0.2", "0.5,0.5", "-0.1,1", "0,1.1", "0,nan", "a,b", "0,0.5,1"):
        with pytest.raises(SettingsError, match="is not full, auto, or BLACK,WHITE"):
            parse_levels(text)


def test_rejects_an_impossible_bit_depth() -> None:
    for bits in (None, 9, 16):
        check_bit_depth(bits)
    for bits in (0, 8, 17):
        with pytest.raises(SettingsError, match="must be from 9 to 16"):
            check_bit_depth(bits)


def test_chooses_levels_by_percentiles_of_the_given_frames(tmp_path: Path) -> None:
    values = np.full((100, 100), 1000, np.uint16)
    values[0, :5], values[0, 5:10], values[1:51] = 0, 4095, 3000  # 5 of 10,000 are specks
    (tmp_path / "a.png").write_bytes(encode(values))
    (tmp_path / "other.png").write_bytes(encode(np.full((100, 100), 4095, np.uint16)))
    found = choose_levels(tmp_path, ["a.png"], 12)
    assert (found.black, found.white) == pytest.approx((1000 / 4095, 3000 / 4095), abs=1e-4)
    assert choose_levels(tmp_path, ["a.png"], 12) == found


def test_automatic_levels_need_more_than_8_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(np.zeros((8, 8), np.uint8)))
    (tmp_path / "b.png").write_bytes(encode(np.full((8, 8), 700, np.uint16)))
    with pytest.raises(DataError, match="needs files with more than 8 bits"):
        choose_levels(tmp_path, ["a.png"], None)
    with pytest.raises(DataError, match="found no contrast"):
        choose_levels(tmp_path, ["b.png"], 12)
