import numpy as np
import pytest

from stripwatch.export.convert.synthetic_defects import paste_part
from stripwatch.worker.images.decode_spec import Pixels

pytestmark = pytest.mark.training


@pytest.mark.parametrize("shape", [(64, 64), (40, 200, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_part_of_the_frame_differs_and_the_rest_stays(shape: tuple[int, ...], kind: type) -> None:
    pixels: Pixels = np.random.default_rng(1).integers(60, 120, shape).astype(kind)
    changed = paste_part(pixels, np.random.default_rng(2))
    assert changed.shape == shape
    assert changed.dtype == kind
    different = (changed != pixels).reshape(shape[0], shape[1], -1).any(axis=-1)
    rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 0.1 * min(shape[:2]) < min(height, width)
    assert max(height, width) <= 0.5 * min(shape[:2])
    assert different[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9
