import numpy as np

from stripwatch.training.annotations.polygons import fill_polygon


def test_covers_the_pixels_whose_centre_is_inside() -> None:
    expected = np.zeros((8, 16), bool)
    expected[2:6, 4:12] = True
    np.testing.assert_array_equal(fill_polygon([(4, 2), (12, 2), (12, 6), (4, 6)], 16, 8), expected)
    np.testing.assert_array_equal(fill_polygon([(3.6, 1.6), (12.4, 1.6), (12.4, 6.4), (3.6, 6.4)], 16, 8), expected)


def test_a_triangle_covers_half_of_its_square() -> None:
    np.testing.assert_array_equal(fill_polygon([(0, 0), (4, 4), (0, 4)], 4, 4), np.tri(4, k=-1, dtype=bool))


def test_a_notch_is_outside() -> None:
    filled = fill_polygon([(0, 0), (6, 0), (6, 4), (4, 4), (4, 2), (2, 2), (2, 4), (0, 4)], 6, 4)
    assert filled[3].tolist() == [True, True, False, False, True, True]


def test_a_line_covers_a_pixel() -> None:
    assert np.argwhere(fill_polygon([(3, 2), (3, 2.2), (3, 2)], 4, 4)).tolist() == [[2, 3]]
    assert fill_polygon([(4, 4), (4, 4), (4, 4)], 4, 4)[3, 3]
