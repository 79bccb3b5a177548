import numpy as np
import pytest

from stripwatch.training.datasets.formats.outlines import ellipse, rectangle, rotated


def test_rotation_is_clockwise_on_the_screen() -> None:
    turned = rotated(rectangle(0, 0, 4, 2), 90, (0, 0))
    np.testing.assert_allclose(turned, [(0, 0), (0, 4), (-2, 4), (-2, 0)], atol=1e-9)


def test_points_of_an_ellipse_fulfil_its_equation() -> None:
    x, y = np.array(ellipse((3, 4), 5, 2)).T
    np.testing.assert_allclose(((x - 3) / 5) ** 2 + ((y - 4) / 2) ** 2, 1)


@pytest.mark.parametrize("radius", [0, -1, float("nan")])
def test_radii_are_positive(radius: float) -> None:
    with pytest.raises(ValueError, match="both must be positive"):
        ellipse((0, 0), 1, radius)
