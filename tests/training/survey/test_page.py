import base64
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.survey.page import survey_page
from stripwatch.training.survey.survey import SurveySettings, run_survey, survey
from tests.trained import write_textures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three classes with a brighter copy in another class, and a truncated file."""
    folder = tmp_path / "data"
    write_textures(folder, 6)
    picture = cv2.imread(str(folder / "stripes_1.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    cv2.imwrite(str(folder / "plain_9.png"), cv2.convertScaleAbs(picture, alpha=0.8, beta=30))
    (folder / "spots_1.png").write_bytes((folder / "spots_1.png").read_bytes()[:200])
    return folder


def findings_in(page: str) -> list[tuple[str, str]]:
    """Return level and code of the findings in their order on the page."""
    return re.findall(r'<section class="finding (\w+)">.*?<code>([\w-]+)</code>', page)


def test_problems_come_first_and_worst_first(data: Path) -> None:
    found = survey(data)
    page = survey_page(found)
    assert findings_in(page) == [(each.level, each.code) for each in found.findings]
    assert findings_in(page)[0] == ("error", "unreadable-files")
    assert page.index("</section>") < page.index("<h2>Classes</h2>")


def test_the_two_images_of_a_pair_are_side_by_side(data: Path) -> None:
    page = survey_page(survey(data))
    (pair,) = re.findall(r'<div class="pair">(.*?)</div>', page)
    assert re.findall(r'alt="([^"]*)"', pair) == ["plain_9.png", "stripes_1.png"]
    assert pair.count("data:image/jpeg;base64,") == 2
    assert "plain_9.png<br>plain" in pair


def test_the_page_needs_no_other_file_and_fits_narrow_screens(data: Path) -> None:
    page = survey_page(survey(data))
    assert re.findall(r'(?:src|href)="(?!data:image/)', page) == []
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert [name for name in ("brightness", "contrast", "sharpness") if f'alt="{name} by class"' not in page] == []


def test_every_class_has_a_bar_and_a_sheet(data: Path) -> None:
    page = survey_page(survey(data))
    for label, count in {"plain": 7, "spots": 5, "stripes": 6}.items():
        assert f"<h2>{label}: {count} of {count} images</h2>" in page
    assert page.count('<i style="width:') == 3
    assert '<i style="width:100.0%"></i>' in page


def test_names_cannot_add_markup(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_textures(folder / "made", 2)
    for path in sorted((folder / "made").iterdir()):
        label = folder / f"<b>&{path.stem[:-2]}"
        label.mkdir(exist_ok=True)
        path.rename(label / os.fsdecode(b'"><script>alert(1)<\xff' + path.stem[-1:].encode() + b".png"))
    (folder / "made").rmdir()
    page = survey_page(survey(folder, "folder"))
    assert "<script" not in page
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;plain" in page


def test_boxes_of_other_labels_are_drawn(data: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    box = "<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>60</xmax><ymax>60</ymax></bndbox>"
    size = "<size><width>96</width><height>96</height></size>"
    (tmp_path / "boxes" / "spots_2.xml").write_text(
        f"<annotation>{size}<object><name>plain</name>{box}</object></annotation>"
    )
    found = run_survey(SurveySettings(data, boxes=tmp_path / "boxes"))
    page = survey_page(found)
    (section,) = re.findall(
        r'<section class="finding warning">(?:(?!</section>).)*boxes-of-other-labels.*?</section>', page
    )
    (url,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', section)
    assert "Boxes are" in section
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(url), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None
    red, _, blue = pixels[60, 21].astype(int)  # on the left edge of the box, in an image of 200 pixels
    assert red > blue + 60
