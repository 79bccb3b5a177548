"""Frames that a person corrected on the live page are collected with the label of the person."""

from pathlib import Path

import pytest

from stripwatch.training.datasets.reviewed_folder import CSV_FILE, ReviewedFrame, read_entries, read_reviewed
from stripwatch.training.labeling import command
from stripwatch.training.labeling.collect import Collector
from stripwatch.training.labeling.sort_frames import accept_sorted
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.contracts.line.correction import Correction, correction_headers
from stripwatch.worker.contracts.positions import Position, Record
from tests.training.labeling.review_frames import collect, drag, files, reviewed


def corrected(
    number: int, label: str, minute: int = 0, by: str = "Ada", decision: str = "relabelled", guess: str = "pits"
) -> Record:
    """Return the correction of a frame: the copy of the review record with the decision of a person."""
    record = reviewed(number, guess)
    headers = [(name, value or b"") for name, value in record.headers]
    made = Correction(decision, label, by, f"2026-11-29T10:{minute:02d}:00.000Z", "defect")  # type: ignore[arg-type]
    event_id = dict(headers)["stripwatch_event_id"].decode()
    return Record(
        Position("review", 0, 100 + number), 1, record.key, record.value, correction_headers(made, event_id, headers)
    )


def rows(out: Path) -> list[ReviewedFrame]:
    return list(read_entries(out).values())


def folders(out: Path) -> list[str]:
    return [file.rpartition("/")[0] for file in files(out)]


def test_a_corrected_frame_is_stored_with_its_label_and_person_and_needs_no_sorting(tmp_path: Path) -> None:
    out = tmp_path / "review"
    record = corrected(1, "clean", by="Jürgen K.")
    summary = collect(out, record)
    assert (summary["new"], summary["corrected"]) == (1, {"clean": 1})
    (row,) = rows(out)
    assert (row.guess, row.corrected_label, row.corrected_by) == ("pits", "clean", "Jürgen K.")
    assert row.corrected_at == "2026-11-29T10:00:00.000Z"
    assert row.file == f"clean/{row.id}.png"
    assert (out / row.file).read_bytes() == record.value
    assert not (out / "_unsorted" / "pits").exists()
    (sample,) = read_reviewed(out)
    assert sample.labels == ("clean",)


def test_a_review_frame_and_its_correction_count_once_in_any_order(tmp_path: Path) -> None:
    for name, records in {"a": [reviewed(1), corrected(1, "clean")], "b": [corrected(1, "clean"), reviewed(1)]}.items():
        summary = collect(tmp_path / name, *records)
        assert (summary["new"], summary["known"], summary["listed"]) == (1, 1, 1)
        assert folders(tmp_path / name) == ["clean"]


def test_the_latest_correction_counts_in_any_order_of_records_and_runs(tmp_path: Path) -> None:
    first, second = corrected(1, "clean", 1), corrected(1, "pits", 2, by="Bob", decision="confirmed")
    for name, runs in {
        "a": [[first, second]],
        "b": [[second, first]],
        "c": [[first], [second]],
        "d": [[second], [first]],
    }.items():
        for records in runs:
            collect(tmp_path / name, *records)
        assert folders(tmp_path / name) == ["pits"]
        assert [(row.corrected_label, row.corrected_by) for row in rows(tmp_path / name)] == [("pits", "Bob")]


def test_a_repeated_run_changes_nothing(tmp_path: Path) -> None:
    records = [reviewed(0), corrected(1, "clean"), corrected(2, "", decision="not_a_defect")]
    collect(tmp_path / "out", *records)
    before = files(tmp_path / "out"), (tmp_path / "out" / CSV_FILE).read_text()
    summary = collect(tmp_path / "out", *records)
    assert (summary["new"], summary["corrected"], summary["conflicts"]) == (0, {}, 0)
    assert (files(tmp_path / "out"), (tmp_path / "out" / CSV_FILE).read_text()) == before


@pytest.mark.parametrize("folder", ["clean", "_skip", "_unsorted/clean"])
def test_a_frame_sorted_by_hand_stays_and_the_difference_is_reported(
    tmp_path: Path, folder: str, capfd: pytest.CaptureFixture[str]
) -> None:
    collect(tmp_path / "out", reviewed(1))
    drag(tmp_path / "out", 1, folder)
    summary = collect(tmp_path / "out", corrected(1, "pits", by="Ada", decision="confirmed"))
    assert (folders(tmp_path / "out"), summary["conflicts"]) == ([folder], 1)
    assert "sorted by hand; Ada corrected it to 'pits'" in capfd.readouterr().err
    assert collect(tmp_path / "out", corrected(1, "pits", decision="confirmed"))["conflicts"] == 0, "reported once"


def test_a_deleted_frame_stays_deleted(tmp_path: Path) -> None:
    collect(tmp_path / "out", reviewed(1))
    next((tmp_path / "out").rglob("*.png")).unlink()
    collect(tmp_path / "out", corrected(1, "clean"))
    assert files(tmp_path / "out") == []
    assert rows(tmp_path / "out")[0].corrected_label == "clean"


def test_not_a_defect_without_a_label_is_kept_out_of_training_until_a_label_is_given(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record = corrected(1, "", decision="not_a_defect")
    collect(tmp_path / "out", record, corrected(2, "pits"))
    assert folders(tmp_path / "out") == ["_not_a_defect", "pits"]
    assert "--no-defect LABEL" in capfd.readouterr().err
    assert [sample.labels for sample in read_reviewed(tmp_path / "out")] == [("pits",)]
    collector = Collector(tmp_path / "out", 0, no_defect="clean")
    collector.collect([record])
    assert folders(tmp_path / "out") == ["clean", "pits"]
    assert "--no-defect" not in capfd.readouterr().err


def test_a_label_of_the_model_takes_precedence_over_the_option(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "out", 0, no_defect="other")
    collector.collect([corrected(1, "clean", decision="not_a_defect")])
    assert folders(tmp_path / "out") == ["clean"]


def test_a_label_that_is_no_folder_name_is_left_to_a_person(tmp_path: Path) -> None:
    collect(tmp_path / "out", corrected(1, "../../etc"))
    assert folders(tmp_path / "out") == ["_unsorted/_other"]
    assert rows(tmp_path / "out")[0].corrected_label == "../../etc"


def test_sorting_the_rest_leaves_corrected_frames_alone(tmp_path: Path) -> None:
    collect(tmp_path / "out", reviewed(0), corrected(1, "clean"))
    summary = accept_sorted(tmp_path / "out", new_labels=False)
    assert (summary["moved"], summary["labels"]) == (1, {"clean": 1, "pits": 1})
    assert [row.corrected_by for row in rows(tmp_path / "out")] == ["", "Ada"]


def test_reads_a_list_that_an_earlier_version_wrote(tmp_path: Path) -> None:
    out = tmp_path / "out"
    collect(out, reviewed(0))
    lines = [line.removesuffix(",,,,,,,,,,") for line in (out / CSV_FILE).read_text().splitlines()]
    lines[0] = lines[0].partition(",corrected_label,")[0]
    (out / CSV_FILE).write_text("\n".join(lines) + "\n")
    collect(out, corrected(0, "clean"))
    assert [row.corrected_label for row in rows(out)] == ["clean"]


@pytest.mark.parametrize("label", ["_x", ".x", "a/b"])
def test_the_option_must_be_a_label(tmp_path: Path, label: str) -> None:
    with pytest.raises(SettingsError, match="--no-defect"):
        command.collect(tmp_path / "out", bootstrap_servers="127.0.0.1:1", no_defect=label)
    assert not (tmp_path / "out").exists()


def test_the_option_is_for_fetching_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--no-defect"):
        command.collect(tmp_path / "out", sorted_=True, no_defect="clean")
