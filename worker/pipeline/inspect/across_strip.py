"""Location of a box across the strip, from the settings of its camera.

The strip runs along the width of the image, so the rows of the image lie across the strip.
"""

from typing import NamedTuple

from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.contracts.events import Box


class AcrossStrip(NamedTuple):
    """Extent of a box across the strip, and its distances from the edges, in millimetres; None where not known.

    A distance is negative if the box reaches beyond the edge.
    """

    width_mm: float | None = None
    left_edge_mm: float | None = None
    right_edge_mm: float | None = None


def across_strip(box: Box | None, height_px: int | None, camera: Camera | None) -> AcrossStrip:
    """Return the location of a box across the strip. height_px: height of the image."""
    if box is None or camera is None:
        return AcrossStrip()
    scale = camera.mm_per_px_across or camera.mm_per_px
    if scale is None:
        return AcrossStrip()
    width_mm = box.height * scale
    if camera.lane_offset_mm is None or height_px is None:
        return AcrossStrip(_rounded(width_mm))
    rows_before = box.y if camera.left_edge == "upper" else height_px - box.y - box.height
    left_mm = camera.lane_offset_mm + rows_before * scale
    right_mm = None if camera.strip_width_mm is None else _rounded(camera.strip_width_mm - left_mm - width_mm)
    return AcrossStrip(_rounded(width_mm), _rounded(left_mm), right_mm)


def _rounded(value_mm: float) -> float:
    return round(value_mm, 1)
