from pathlib import Path

import pytest

from stripwatch.training.datasets.formats.detect import AUTO, find_annotations
from stripwatch.training.datasets.formats.marks import Shape
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.yolo import is_malformed_yolo, is_yolo, read_yolo, yaml_names
from stripwatch.worker.common.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nnc: 2\nnames: ['pits', \"edge crack\"]\n",
        "names:\n  - pits\n  - edge crack\nnc: 2\n",
        "names:\n- pits\n- 'edge crack'\ntrain: x\n",
        "path: data\nnames:\n  0: pits  # small\n  1: edge crack\n",
        "names: {0: pits, 1: edge crack}\n",
        "names: [pits,\n  edge crack]\n",
    ],
)
def test_reads_the_names_in_every_notation(text: str) -> None:
    assert yaml_names(text) == {0: "pits", 1: "edge crack"}


def test_a_yaml_file_without_names() -> None:
    assert yaml_names("train: x\nnc: 2\n") == {}


def read(root: Path, text: str) -> tuple[list[Shape], list[str]]:
    (root / "a.txt").write_text(text)
    problems = Problems("labels")
    (marks,) = read_yolo(root, [root / "a.txt"], problems, root)
    return marks.shapes, problems.found


def test_reads_boxes_and_polygons(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("pits\nrust\n")
    shapes, problems = read(tmp_path, "1 0.5 0.5 0.5 0.25\n\n0 0 0 1 0 1 1\n")
    assert shapes == [Shape("rust", (0.25, 0.375, 0.75, 0.625)), Shape("pits", points=((0, 0), (1, 0), (1, 1)))]
    assert problems == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.5 0.5", "class 2 has no name; known are 0 to 1"),
        ("0 0.5 0.5 0.5 0.5 0.9", "it has a sixth number, as predictions have"),
        ("0 0.5 0.5 0.5", "it has 4 numbers"),
        ("0 0.5 0.5 x 0.5", "could not convert"),
        ("nan 0.5 0.5 0.5 0.5", "cannot convert float NaN"),
    ],
)
def test_names_a_malformed_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "classes.txt").write_text("pits\nrust\n")
    (problem,) = read(tmp_path, f"0 0.5 0.5 0.5 0.5\n{line}\n")[1]
    assert "a.txt line 2 is not a YOLO annotation" in problem
    assert message in problem


def test_needs_the_names_of_the_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data\.yaml, classes\.txt or obj\.names with the names"):
        read(tmp_path, "0 0.5 0.5 0.5 0.5")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "0 0.5 0.5 0.5 0.5\n", True),
        ("a.txt", "", True),
        ("a.txt", "crack at the edge\n", False),
        ("classes.txt", "", False),
        ("README.dataset.txt", "", False),
    ],
)
def test_recognizes_yolo_files_by_their_content(tmp_path: Path, name: str, text: str, expected: bool) -> None:
    (tmp_path / name).write_text(text)
    assert is_yolo(tmp_path / name) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 0,5 0,5 0,2 0,2", True),
        ("rust 0.5 0.5 0.2 0.2", True),
        ("1 0.5 0.5", True),
        ("1;0.5;0.5;0.2;0.2", True),
        ("1 0.5 0.5 0.2 0.2", False),
        ("", False),
        ("photographed on 3 November", False),
        ("exposure 20", False),
    ],
)
def test_recognizes_a_line_with_a_mistake(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert is_malformed_yolo(tmp_path / "a.txt") is expected


def test_a_malformed_file_among_others_is_a_problem_and_not_an_image_without_annotation(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("pits\nrust\n")
    for name, text in {"a": "1 0.5 0.5 0.2 0.2", "b": "1 0,5 0,5 0,2 0,2", "c": "Strip of line 2"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    problems = Problems("labels")
    marks = find_annotations(tmp_path, AUTO, lambda _: True).read(problems, tmp_path)
    assert len(marks) == 2
    (problem,) = problems.found
    assert "b.txt line 1 is not a YOLO annotation: could not convert string to float: '0,5'" in problem


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"data.yaml": "names: [rust, pits]\n", "labels/classes.txt": "pits\nrust\n"},
            r"class 0 is 'rust' in .*data\.yaml, but 'pits' in .*labels/classes\.txt; delete or correct one",
        ),
        ({"data.yaml": "train: x\nnc: 3\nnames: [pits, rust]\n"}, r"data\.yaml line 2: nc is 3, but names has 2; cor"),
        (
            {"data.yaml": "nc: 2\nnames: [pits, rust\n"},
            r"data\.yaml line 2: the names .* '\[', but do not end with '\]'",
        ),
        ({"data.yaml": "names: {0: pits, 1: rust # }\nval: [x]\n"}, r"data\.yaml line 1: the names .* end with '}'"),
    ],
)
def test_refuses_names_of_classes_that_contradict_each_other(
    files: dict[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "labels").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    labels = tmp_path / "labels" / "a.txt"
    labels.write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=message):
        list(read_yolo(tmp_path, [labels], Problems("labels"), tmp_path))


@pytest.mark.parametrize("text", ["nc: 2\nnames: [pits,\n  rust\n]\n", "names: ['pits', 'rust'] # the end\ntrain: x\n"])
def test_accepts_equal_names_in_two_files(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(text)
    (tmp_path / "classes.txt").write_text("pits\nrust\n")
    shapes, problems = read(tmp_path, "1 0.5 0.5 0.5 0.25\n")
    assert ([shape.label for shape in shapes], problems) == (["rust"], [])
