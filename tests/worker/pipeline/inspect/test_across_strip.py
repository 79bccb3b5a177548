"""Width and edges of a defect across the strip, from the settings of its camera."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.pipeline.inspect.across_strip import AcrossStrip, across_strip

BOX = Box(x=400, y=60, width=130, height=40)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, AcrossStrip()),
        ({"mm_per_px": 0.5}, AcrossStrip(20)),
        ({"mm_per_px": 0.5, "mm_per_px_across": 0.25}, AcrossStrip(10)),
        ({"mm_per_px_across": 0.25}, AcrossStrip(10)),
        ({"mm_per_px": 0.5, "strip_width_mm": 1000}, AcrossStrip(20)),
        ({"mm_per_px": 0.5, "lane_offset_mm": 200}, AcrossStrip(20, 230)),
        ({"mm_per_px": 0.5, "lane_offset_mm": 200, "left_edge": "lower"}, AcrossStrip(20, 278)),
        ({"mm_per_px": 0.5, "lane_offset_mm": 200, "strip_width_mm": 1000}, AcrossStrip(20, 230, 750)),
        ({"mm_per_px": 0.5, "lane_offset_mm": -40, "strip_width_mm": 5}, AcrossStrip(20, -10, -5)),
    ],
)
def test_gives_what_the_settings_determine(settings: dict[str, Any], expected: AcrossStrip) -> None:
    assert across_strip(BOX, 256, Camera(**settings)) == expected


def test_knows_nothing_without_a_box_or_a_camera() -> None:
    assert across_strip(None, 256, Camera(mm_per_px=0.5)) == across_strip(BOX, 256, None) == AcrossStrip()


@given(st.integers(0, 255), st.integers(1, 256), st.floats(0.01, 10), st.floats(-1000, 5000), st.floats(1, 5000))
def test_width_and_both_edges_add_up_to_the_strip_and_turning_the_camera_mirrors_it(
    y: int, height: int, scale: float, offset: float, strip: float
) -> None:
    box = Box(0, y, 1, min(height, 256 - y))
    settings: dict[str, Any] = {"mm_per_px": scale, "lane_offset_mm": offset, "strip_width_mm": strip}
    width, left, right = across_strip(box, 256, Camera(**settings))
    assert width is not None
    assert left is not None
    assert right is not None
    assert width + left + right == pytest.approx(strip, abs=0.2)
    turned = Box(0, 256 - box.y - box.height, 1, box.height)
    assert across_strip(turned, 256, Camera(**settings, left_edge="lower")) == (width, left, right)
