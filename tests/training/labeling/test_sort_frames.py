"""Collected frames get their labels from sorted folders or from a table."""

import csv
from pathlib import Path

import pytest

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.reviewed_folder import read_entries
from stripwatch.training.labeling.sort_frames import accept_sorted, label_from
from stripwatch.worker.common.errors import DataError
from tests.training.labeling.review_frames import collect, drag, files, reviewed


def ids(out: Path) -> list[str]:
    return sorted(entry.id for entry in read_entries(out).values())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Four collected frames, two for each predicted label."""
    collect(tmp_path / "review", *(reviewed(n, "pits" if n < 2 else "clean", coil=f"C{n}") for n in range(4)))
    return tmp_path / "review"


def test_sorted_folders_become_labels_and_coils_are_kept(out: Path) -> None:
    drag(out, 0, "_unsorted/clean")
    drag(out, 3, "_unsorted/_skip")
    (moved,) = (out / "_unsorted" / "_skip").iterdir()
    skipped = f"_skip/{moved.name}"
    assert accept_sorted(out, new_labels=False) == {
        "out": str(out),
        "moved": 4,
        "labels": {"clean": 2, "pits": 1},
        "unsorted": 0,
        "skipped": 1,
        "file_counts": {"used": 3, "skipped": {"excluded by a person": {"files": 1, "first": [skipped]}}},
    }
    dataset = read_dataset(out)
    assert dataset.layout == "collected"
    found = {sample.coil: sample.labels for sample in dataset.samples}
    assert found == {"C0": ("clean",), "C1": ("pits",), "C2": ("clean",)}


def write_labels(out: Path, labels: dict[int, str]) -> Path:
    """Write a table with these labels, by number of the frame."""
    path = out.with_name("labels.csv")
    by_number = {int(event_id.split("-")[2]) if "-" in event_id else -1: event_id for event_id in ids(out)}
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "label"), *((by_number.get(n, f"x{n}"), label) for n, label in labels.items())]
        )
    return path


def test_labels_frames_by_a_table(out: Path) -> None:
    table = write_labels(out, {0: "clean", 1: "pits", 2: "_skip", 3: ""})
    assert label_from(table, out, new_labels=False)["labels"] == {"clean": 1, "pits": 1}
    assert [file.split("/")[0] for file in files(out)] == ["_skip", "_unsorted", "clean", "pits"]
    assert label_from(table, out, new_labels=False)["moved"] == 0  # a second run changes nothing


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({0: "clean", 9: "pits"}, r"labels.csv line 3: .* has no frame 'x9'"),
        ({0: "pit"}, "line 2: the model has no label 'pit'; did you mean 'pits'\\? Use --new-labels to accept it"),
        ({0: "a/b"}, "line 2: 'a/b' is not a valid label"),
    ],
)
def test_names_an_invalid_line_and_moves_nothing(out: Path, labels: dict[int, str], message: str) -> None:
    before = files(out)
    with pytest.raises(DataError, match=message):
        label_from(write_labels(out, labels), out, new_labels=False)
    assert files(out) == before


def test_all_problems_of_a_table_are_reported_before_a_file_is_moved(out: Path) -> None:
    table = write_labels(out, {0: "pit", 1: "clean", 2: "PITS", 3: "clean", 9: "pits"})
    table.write_text(table.read_text() + table.read_text().splitlines()[2].replace("clean", "pits") + "\n")
    before = files(out)
    with pytest.raises(DataError) as caught:
        label_from(table, out, new_labels=False)
    text = str(caught.value)
    assert text.startswith(f"4 problems in {table}: ")
    assert "line 6: " in text
    assert "line 7: " in text
    assert "line 2: the model has no label 'pit'; did you mean 'pits'? Use --new-labels to accept it" in text
    assert "line 4: the model has no label 'PITS'; did you mean 'pits'? The names look alike; use the same" in text
    assert files(out) == before


def test_all_problems_of_the_folders_are_reported_before_a_file_is_moved(out: Path) -> None:
    drag(out, 0, "_unsorted/pit")
    drag(out, 1, "_unsorted")
    mine = ["_unsorted/clean/mine.png", "clean/mine.png", "_unsorted/clean/a/twice.png", "_unsorted/clean/b/twice.png"]
    for name in mine:  # not collected
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    before = files(out)
    with pytest.raises(DataError) as caught:
        accept_sorted(out, new_labels=False)
    text = str(caught.value)
    assert text.startswith(f"4 problems in {out / '_unsorted'}: ")
    assert f"{out / '_unsorted' / 'pit'}: the model has no label 'pit'; did you mean 'pits'?" in text
    assert ".png is not in the folder of a label; move it to one, or to _unsorted/_skip" in text
    assert f"cannot move {out / mine[0]} to {out / mine[1]}: the target already exists" in text
    assert f"cannot move both {out / mine[2]} and {out / mine[3]} to {out / 'clean' / 'twice.png'}" in text
    assert files(out) == before


def test_all_frames_in_two_folders_are_named(out: Path) -> None:
    for name in files(out)[:2]:
        (out / "mine").mkdir(exist_ok=True)
        (out / "mine" / Path(name).name).write_bytes((out / name).read_bytes())
    with pytest.raises(DataError, match=r"2 problems in .* are the same frame; .* are the same frame; "):
        accept_sorted(out, new_labels=True)
    with pytest.raises(DataError, match="2 problems in"):
        label_from(write_labels(out, {0: "clean"}), out, new_labels=True)


@pytest.mark.parametrize("new_labels", [False, True])
def test_a_label_that_looks_like_a_known_one_does_not_become_a_class(out: Path, new_labels: bool) -> None:
    drag(out, 0, "_unsorted/Pits")
    with pytest.raises(DataError, match=r"Pits: the model has no label 'Pits'; did you mean 'pits'\? The names look"):
        accept_sorted(out, new_labels)
    with pytest.raises(DataError, match="line 2: the model has no label 'CLEAN'; did you mean 'clean'"):
        label_from(write_labels(out, {0: "CLEAN"}), out, new_labels)


def test_new_labels_that_look_alike_are_refused(out: Path) -> None:
    drag(out, 0, "_unsorted/oil stain")
    drag(out, 1, "_unsorted/oil_stain")
    with pytest.raises(DataError) as caught:
        accept_sorted(out, new_labels=True)
    unsorted = out / "_unsorted"
    assert str(caught.value) == (
        f"the new labels 'oil stain' ({unsorted / 'oil stain'}) and 'oil_stain' ({unsorted / 'oil_stain'}) look "
        "alike; use one spelling"
    )
    drag(out, 1, "_unsorted/oil stain")
    accept_sorted(out, new_labels=True)
    collect(out, reviewed(7))
    drag(out, 7, "_unsorted/Oil stain")
    with pytest.raises(DataError, match="the folder has no label 'Oil stain'; did you mean 'oil stain'"):
        accept_sorted(out, new_labels=True)


def test_names_a_frame_with_two_labels(out: Path) -> None:
    table = write_labels(out, {0: "clean"})
    table.write_text(table.read_text() + table.read_text().splitlines()[1].replace("clean", "pits") + "\n")
    with pytest.raises(
        DataError, match=r"line 3: .* has the label 'pits' here, but is already labelled 'clean'; a frame has only one"
    ):
        label_from(table, out, new_labels=False)
    drag(out, 0, "pits")
    with pytest.raises(DataError, match="has the label 'clean' here, but is already labelled 'pits'"):
        label_from(write_labels(out, {0: "clean"}), out, new_labels=False)


def test_accepts_a_new_label_if_requested(out: Path) -> None:
    drag(out, 0, "_unsorted/scale")
    with pytest.raises(DataError, match="the model has no label 'scale'"):
        accept_sorted(out, new_labels=False)
    assert accept_sorted(out, new_labels=True)["labels"] == {"clean": 2, "pits": 1, "scale": 1}
