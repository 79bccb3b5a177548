import pytest

from stripwatch.training.datasets.formats.marks import Shape, clipped

INF, NAN = float("inf"), float("nan")


def test_clips_up_to_one_pixel() -> None:
    assert clipped(Shape("a", (0, 0, 10, 20)), 10, 20) == (Shape("a", (0, 0, 10, 20)), False)
    assert clipped(Shape("a", (-1, 0, 11, 20)), 10, 20) == (Shape("a", (0, 0, 10, 20)), True)
    polygon = Shape("a", points=((-0.5, 0), (10.5, 0), (5, 20.2)))
    assert clipped(polygon, 10, 20) == (Shape("a", points=((0, 0), (10, 0), (5, 20))), True)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape("a", (0, 0, 12, 20)), "is outside the image of 10x20 pixels"),
        (Shape("a", (0, -2, 10, 20)), "is outside"),
        (Shape("a", (10, 0, 11, 20)), "is outside"),
        (Shape("a", (5, 0, 5, 20)), "is empty"),
        (Shape("a", (5, 9, 9, 3)), "is empty"),
        (Shape("a", (0, 0, INF, 20)), "is not finite"),
        (Shape("a", (0, NAN, 9, 20)), "is not finite"),
        (Shape("a", points=((0, 0), (9, 0), (9, 22))), "is outside"),
    ],
)
def test_rejects_shapes_outside_the_image(shape: Shape, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clipped(shape, 10, 20)
