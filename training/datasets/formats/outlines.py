"""Outlines of rotated rectangles and ellipses as polygons. Coordinates are in pixels, with y downwards."""

import math
from collections.abc import Iterable

Points = tuple[tuple[float, float], ...]
_ELLIPSE_POINTS = 64


def rotated(points: Iterable[tuple[float, float]], degrees: float, about: tuple[float, float]) -> Points:
    """Return points rotated clockwise, as seen on the screen, about a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = about
    return tuple((x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos) for x, y in points)


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of a rectangle."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def ellipse(centre: tuple[float, float], radius_x: float, radius_y: float, degrees: float = 0) -> Points:
    """Return points on an ellipse whose axes are rotated clockwise.

    Raises ValueError for a radius that is not positive.
    """
    if not (radius_x > 0 and radius_y > 0):
        raise ValueError(f"an ellipse has the radii {radius_x:g} and {radius_y:g}; both must be positive")
    angles = (2 * math.pi * at / _ELLIPSE_POINTS for at in range(_ELLIPSE_POINTS))
    x0, y0 = centre
    return rotated(((x0 + radius_x * math.cos(a), y0 + radius_y * math.sin(a)) for a in angles), degrees, centre)
