"""Novel frames, and defects of an anomaly model, are collected apart from the classes of the model."""

from pathlib import Path

import pytest

from stripwatch.training.datasets.reviewed_folder import CSV_FILE, read_entries, read_reviewed
from stripwatch.training.labeling import command
from stripwatch.training.labeling.sort_frames import accept_sorted, label_from
from stripwatch.worker.common.errors import DataError, SettingsError
from stripwatch.worker.contracts.line.correction import Correction, correction_headers
from stripwatch.worker.contracts.positions import Record
from tests.training.labeling.review_frames import collect, drag, files, novel, reviewed


def corrected(record: Record, label: str) -> Record:
    """Return the correction of a review record."""
    made = Correction("relabelled", label, "Ada", "2026-11-29T10:00:00.000Z", "unsure")
    headers = [(name, value or b"") for name, value in record.headers]
    event_id = dict(headers)["stripwatch_event_id"].decode()
    return Record(record.position, 1, record.key, record.value, correction_headers(made, event_id, headers))


@pytest.mark.parametrize("reason", ["novel", "anomaly"])
def test_a_novel_frame_is_not_sorted_as_a_class_of_the_model(tmp_path: Path, reason: str) -> None:
    summary = collect(tmp_path / "review", novel(1, reason=reason), reviewed(2))
    assert (summary["new"], summary["novel"]) == (2, 1)
    folders = [file.rpartition("/")[0] for file in files(tmp_path / "review")]
    assert folders == ["_unsorted/_novel", "_unsorted/pits"]


def test_the_list_states_reason_score_and_threshold(tmp_path: Path) -> None:
    collect(tmp_path / "review", novel(1), reviewed(2, reason="score"))
    first, second = read_entries(tmp_path / "review").values()
    assert (first.reason, first.novelty, first.novelty_threshold) == ("novel", "9.5", "4.25")
    assert (second.reason, second.novelty, second.novelty_threshold) == ("score", "", "")


def test_only_novel_frames_can_be_selected(tmp_path: Path) -> None:
    out = tmp_path / "review"
    summary = collect(out, reviewed(0), novel(1), reviewed(2, reason="flag"), only_novel=True)
    assert (summary["new"], summary["novel"], summary["passed_over"]) == (1, 1, 2)
    assert collect(out, reviewed(0), novel(1))["new"] == 1, "the others can be fetched later"


def test_novel_frames_are_no_label_until_a_person_has_sorted_them(tmp_path: Path) -> None:
    out = tmp_path / "review"
    collect(out, novel(1), novel(2), reviewed(3))
    with pytest.raises(DataError, match=r"not sorted yet: move each frame in _unsorted/_novel .*--new-labels"):
        accept_sorted(out, new_labels=True)
    drag(out, 1, "_unsorted/oil stain")
    drag(out, 2, "_unsorted/clean")
    assert accept_sorted(out, new_labels=True)["labels"] == {"clean": 1, "oil stain": 1, "pits": 1}
    assert sorted(sample.labels[0] for sample in read_reviewed(out)) == ["clean", "oil stain", "pits"]


def test_a_table_cannot_name_the_folder_of_novel_frames_as_a_label(tmp_path: Path) -> None:
    collect(tmp_path / "review", novel(1))
    (entry,) = read_entries(tmp_path / "review").values()
    (tmp_path / "labels.csv").write_text(f"id,label\n{entry.id},_novel\n")
    with pytest.raises(DataError, match="line 2 is not sorted yet"):
        label_from(tmp_path / "labels.csv", tmp_path / "review", new_labels=True)


@pytest.mark.parametrize("first", ["review frame", "correction"])
def test_a_new_kind_of_defect_named_on_the_page_becomes_a_class(tmp_path: Path, first: str) -> None:
    records = [novel(1), corrected(novel(1), "oil stain")]
    collect(tmp_path / "review", *(records if first == "review frame" else records[::-1]))
    (file,) = files(tmp_path / "review")
    assert file.startswith("oil stain/")
    assert [sample.labels for sample in read_reviewed(tmp_path / "review")] == [("oil stain",)]


def test_frames_collected_by_an_earlier_version_stay_where_they_are(tmp_path: Path) -> None:
    out = tmp_path / "review"
    collect(out, reviewed(1))
    lines = (out / CSV_FILE).read_text().splitlines()
    names = ",reason,novelty,novelty_threshold,boxes,handed_over,no_defect,corrected_time"
    (out / CSV_FILE).write_text(f"{lines[0].removesuffix(names)}\n{lines[1].removesuffix(',,,,,,,')}\n")
    assert collect(out, novel(1), corrected(novel(1), "clean"))["known"] == 2
    assert files(out) == [next(file for file in files(out) if file.startswith("clean/"))]


def test_the_option_is_for_fetching_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--only-novel selects frames to fetch"):
        command.collect(tmp_path / "out", sorted_=True, only_novel=True)
