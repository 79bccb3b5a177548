from pathlib import Path

import numpy as np
import pytest

from stripwatch.training.datasets.formats.cvat import read_cvat
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, clipped
from stripwatch.training.datasets.formats.problems import Problems


def read(root: Path, items: str, size: str = 'width="20" height="10"') -> tuple[list[ImageMarks], list[str]]:
    path = root / "annotations.xml"
    image = f'<image id="0" name="day/1.png" {size}>{items}</image>'
    path.write_text(f"<annotations><version>1.1</version><meta><task/></meta>{image}</annotations>")
    problems = Problems("CVAT")
    return list(read_cvat(root, [path], problems)), problems.found


def test_reads_boxes_polygons_and_tags(tmp_path: Path) -> None:
    box = '<box label="pits" occluded="0" xtl="1.5" ytl="2" xbr="5" ybr="6"><attribute name="deep">1</attribute></box>'
    polygon = '<polygon label="rust" points="1,1;9,1;9.5,9"/>'
    (marks,), problems = read(tmp_path, f'{box}{polygon}<tag label="dirty"/>')
    assert (marks.image, marks.width_px, marks.height_px, problems) == ("day/1.png", 20, 10, [])
    assert marks.shapes == [Shape("pits", (1.5, 2, 5, 6)), Shape("rust", points=((1, 1), (9, 1), (9.5, 9)))]
    assert marks.tags == ["dirty"]


def test_an_image_without_annotations_is_clean(tmp_path: Path) -> None:
    (marks,), problems = read(tmp_path, "")
    assert (marks.shapes, problems) == ([], [])


def test_the_runs_of_a_mask_are_rows_inside_its_rectangle(tmp_path: Path) -> None:
    (marks,), _ = read(tmp_path, '<mask label="pits" rle="1, 2, 2, 1" left="4" top="3" width="3" height="2"/>')
    (shape,) = marks.shapes
    assert shape.runs is not None
    assert np.argwhere(shape.runs.mask()).tolist() == [[3, 5], [3, 6], [4, 6]]


def test_a_rotated_box_turns_about_its_centre_and_may_extend_past_the_image(tmp_path: Path) -> None:
    (marks,), _ = read(tmp_path, '<box label="pits" xtl="1" ytl="4" xbr="19" ybr="6" rotation="90"/>')
    (shape,) = marks.shapes
    assert [(round(x), round(y)) for x, y in shape.points] == [(11, -4), (11, 14), (9, 14), (9, -4)]
    assert clipped(shape, 20, 10) == (shape, False)


def test_an_ellipse_is_a_polygon(tmp_path: Path) -> None:
    (marks,), _ = read(tmp_path, '<ellipse label="pits" cx="10" cy="5" rx="4" ry="2"/>')
    xs, ys = np.array(marks.shapes[0].points).T
    np.testing.assert_allclose([xs.min(), xs.max(), ys.min(), ys.max()], [6, 14, 3, 7])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ('<polyline label="pits" points="1,1;2,2"/>', "image day/1.png: it has a polyline; draw box, polygon, ellipse"),
        ('<box label="pits" xtl="1" ytl="2" xbr="5"/>', "<box> has no ybr"),
        ('<box label="pits" xtl="1" ytl="2" xbr="x" ybr="1"/>', "could not convert string to float"),
        ('<polygon label="pits" points="1,1;2,2"/>', "a polygon has 2 points"),
        ('<mask label="pits" rle="1,2" left="19" top="3" width="3" height="1"/>', "is outside the image"),
        ('<mask label="pits" rle="1,3" left="1" top="3" width="3" height="1"/>', "do not cover 3x1 pixels"),
        ('<ellipse label="pits" cx="10" cy="5" rx="0" ry="nan"/>', "the radii 0 and nan; both must be positive"),
    ],
)
def test_names_the_image_whose_annotations_cannot_be_used(tmp_path: Path, items: str, message: str) -> None:
    marks, (problem,) = read(tmp_path, items)
    assert (marks, message in problem) == ([], True)
    assert problem.startswith(f"{tmp_path / 'annotations.xml'}: image day/1.png: ")


def test_rejects_tracks_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text('<annotations><track id="0" label="pits"/></annotations>')
    problems = Problems("CVAT")
    assert not list(read_cvat(tmp_path, [path], problems))
    assert problems.found == [f"{path} has tracks of a video; export the task as 'CVAT for images 1.1'"]
