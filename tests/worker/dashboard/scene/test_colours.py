"""The contrast of colours that axe-core does not see, because they are drawn on a canvas."""

import re

import pytest

from stripwatch.worker.dashboard.web.routes import PAGE

_PAIRS = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (PAGE / "style.css").read_text(encoding="utf-8"))
COLOURS = {name: (light, dark) for name, light, dark in _PAIRS}
CLASSES = [name for name in COLOURS if name.startswith("class-")]


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2 of a colour such as #0072b2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_marks_of_defects_stand_out_from_the_lanes(theme: int) -> None:
    assert len(CLASSES) == 8
    for name in (*CLASSES, "novel"):
        for lane in ("steel", "raised", "panel"):
            assert contrast(COLOURS[name][theme], COLOURS[lane][theme]) >= 3, (name, lane)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_names_and_positions_on_the_map_can_be_read(theme: int) -> None:
    for name in ("text", "soft"):
        assert contrast(COLOURS[name][theme], COLOURS["panel"][theme]) >= 4.5, name
