import numpy as np
import pytest

from stripwatch.training.datasets.formats.masks.brush_rle import decode_brush
from tests.training.datasets.formats.masks.brush_masks import FIVE_OF_TWELVE


def encoded(alpha: np.ndarray, bits: int = 8) -> list[int]:
    """Encode a mask as literal values only, in runs of up to 16."""
    values = np.zeros((*alpha.shape, 4), int)
    values[..., 3] = alpha * (2**bits - 1)
    text = f"{values.size:032b}{bits - 1:05b}" + f"{3:04b}" * 4
    for at in range(0, values.size, 16):
        run = values.ravel()[at : at + 16].tolist()
        text += f"000{len(run) - 1:04b}" + "".join(f"{value:0{bits}b}" for value in run)
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


def test_decodes_runs_of_one_value() -> None:
    assert decode_brush(FIVE_OF_TWELVE, 1, 12).tolist() == [[True] * 5 + [False] * 7]


@pytest.mark.parametrize("bits", [1, 8, 13])
def test_decodes_single_values_row_by_row(bits: int) -> None:
    mask = np.random.default_rng(bits).random((7, 9)) < 0.5
    np.testing.assert_array_equal(decode_brush(encoded(mask, bits), 7, 9), mask)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ([], "ends early"),
        (FIVE_OF_TWELVE[:-3], "ends early"),
        ([0, 0, 0, 52, *FIVE_OF_TWELVE[4:]], "has 52 values, which is not 4 for each of 12x1 pixels"),
        ([256], "is not a list of bytes"),
        (["0"], "is not a list of bytes"),
        ([*FIVE_OF_TWELVE[:4], 57, 27, 255, 255, 255, 255], "extends past the last pixel"),
    ],
)
def test_rejects_a_mask_that_is_damaged_or_of_another_size(rle: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_brush(rle, 1, 12)
