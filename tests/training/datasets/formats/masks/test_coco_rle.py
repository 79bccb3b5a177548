import pytest

from stripwatch.training.datasets.formats.masks.coco_rle import decode_counts


def test_decodes_counts_and_compressed_counts() -> None:
    starts, lengths = decode_counts([2, 3, 1, 2, 4], 3, 4)
    assert (starts.tolist(), lengths.tolist()) == ([2, 6], [3, 2])
    starts, lengths = decode_counts("057", 1, 12)  # five pixels inside, then seven outside
    assert (starts.tolist(), lengths.tolist()) == ([0], [5])


@pytest.mark.parametrize("counts", [[], [1, 2], [-1, 13], "", "05", "05\u00e9", "05P", "0f0"])
def test_rejects_counts_that_do_not_fill_the_image(counts: list[int] | str) -> None:
    with pytest.raises(ValueError, match="its mask"):
        decode_counts(counts, 1, 12)
