import json
import os
import shutil
from pathlib import Path

import cv2
import pytest

from stripwatch.training.survey.report import summarize, write_survey
from stripwatch.training.survey.survey import SurveySettings, run_survey, survey
from stripwatch.worker.common.errors import DataError, InputError
from tests.printed import check_command, next_steps
from tests.trained import write_textures
from tests.training.conftest import run_cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight images per class, one exact duplicate, one brighter copy with another label, and one truncated file."""
    folder = tmp_path / "data"
    write_textures(folder, 8)
    shutil.copy(folder / "spots_1.png", folder / "spots_9.png")
    picture = cv2.imread(str(folder / "stripes_1.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    cv2.imwrite(str(folder / "plain_9.png"), cv2.convertScaleAbs(picture, alpha=0.8, beta=30))
    whole = (folder / "plain_3.png").read_bytes()
    (folder / "plain_3.png").write_bytes(whole[: len(whole) // 2])
    return folder


def test_reports_duplicates_disputes_and_unreadable_files(data: Path) -> None:
    found = survey(data, "auto")
    assert found.balance == {"plain": 8, "spots": 9, "stripes": 8}
    assert found.sizes == {"96x96": 25}
    assert found.same == [("spots_1.png", "spots_9.png")]
    assert found.similar == [("plain_9.png", "stripes_1.png")]
    assert found.disputed == [("plain_9.png", "stripes_1.png")]
    assert len(found.unreadable) == 1
    assert "plain_3.png cannot be used for training: truncated" in found.unreadable[0]


def test_the_command_writes_lists_and_one_sheet_per_class(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "survey"
    assert run_cli(monkeypatch, "survey", str(data), "--out", str(out)) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert "next:" not in printed.err  # fit would refuse the truncated file
    record = json.loads((out / "survey.json").read_text())
    assert {key: record[key] for key in summary} == summary == summarize(survey(data, "auto"))
    assert record["similar_files"] == [{"first": "plain_9.png", "second": "stripes_1.png"}]
    sheets = sorted(out.glob("*.png"))
    assert [path.name for path in sheets] == ["contact-1-plain.png", "contact-2-spots.png", "contact-3-stripes.png"]
    assert len({path.read_bytes() for path in sheets}) == 3


def test_counts_images_with_several_labels_and_none(tmp_path: Path) -> None:
    write_textures(tmp_path, 1)
    rows = ["plain_1.png,,C1", "spots_1.png,spots|rust,C1", "stripes_1.png,stripes,C2"]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,coil", *rows]))
    summary = summarize(survey(tmp_path, "auto"))
    assert summary["classes"] == {"clean": 1, "rust": 1, "spots": 1, "stripes": 1}
    assert (summary["several_labels"], summary["coils"]) == (1, 2)


def test_rejects_a_data_set_without_readable_images(tmp_path: Path) -> None:
    for name in ("a_1.jpg", "b_1.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(
        DataError,
        match=r"none of the \d+ images can be read; the first error is: .*a_1\.jpg cannot be used for training",
    ):
        survey(tmp_path, "auto")


def test_names_a_folder_that_cannot_be_created(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run_cli(monkeypatch, "survey", str(data), "--out", str(tmp_path / "file")) == InputError.exit_code
    assert "error: cannot create the folder" in capsys.readouterr().err


def test_the_next_step_has_the_options_that_the_data_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my data"
    write_textures(folder / "made", 1)
    rows = ["file,label", "made/plain_1.png,clean", "made/spots_1.png,spots|rust", "made/stripes_1.png,stripes"]
    (folder / "manifest.csv").write_text("\n".join(rows))
    assert run_cli(monkeypatch, "survey", str(folder)) == 0
    (step,) = next_steps(capsys.readouterr().err)
    assert step.startswith("stripwatch train fit --data ")
    parameters = check_command(step)
    assert parameters["data"] == [folder]
    assert (parameters["clean_label"], parameters["task"]) == ("clean", "multilabel")


def test_reports_names_with_any_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_textures(folder / "made", 1)
    labels = [b"cam\xff\xfe", b"$x$ \n $\\frac$", "Riß 😀".encode() + b"n" * 200]
    for label, path in zip(labels, sorted((folder / "made").iterdir()), strict=True):
        (folder / os.fsdecode(label)).mkdir()
        path.rename(folder / os.fsdecode(label + b"/1\xff$_$\n.png"))
    (folder / "made").rmdir()
    (folder / os.fsdecode(b"other\xff.gif")).write_bytes(b"GIF89a")
    write_survey(survey(folder, "folder"), tmp_path / "out")
    report = json.loads((tmp_path / "out" / "survey.json").read_text())
    assert set(report["classes"]) == {"cam\\xff\\xfe", "$x$ \\x0a $\\frac$", "Riß 😀" + "n" * 200}
    assert report["skipped_files"] == [{"file": "other\\xff.gif", "reason": "type .gif"}]
    assert len(list((tmp_path / "out").glob("contact-*.png"))) == 3


def test_reports_a_file_without_read_permission(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "plain_1.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    found = survey(data, "auto")
    assert any("plain_1.png: Permission denied" in text for text in found.unreadable)
    assert len(found.samples) == 24


@pytest.mark.parametrize(("label", "warned"), [("scratch", True), ("Good", False), ("no_defect", False), ("", False)])
def test_warns_if_no_class_is_clean_strip(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    label: str,
    warned: bool,
) -> None:
    write_textures(tmp_path, 1)
    rows = ["file,label", f"plain_1.png,{label}", "spots_1.png,spots", "stripes_1.png,stripes"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    assert run_cli(monkeypatch, "survey", str(tmp_path)) == 0
    printed = capsys.readouterr()
    assert ('warning: no label means "no defect"' in printed.err) is warned
    codes = [finding["code"] for finding in json.loads(printed.out)["findings"]]
    assert ("no-clean-images" in codes) is warned


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("error", 7), ("warning", 7)])
def test_the_exit_code_follows_fail_on(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fail_on: str, code: int
) -> None:
    assert run_cli(monkeypatch, "survey", str(data), "--fail-on", fail_on) == code
    printed = capsys.readouterr()
    assert json.loads(printed.out)["findings"][0]["code"] == "unreadable-files"
    if fail_on == "error":
        assert printed.err.splitlines()[-1] == (
            "error: the survey has 1 error, 0 warnings, 0 notes (unreadable-files), and --fail-on is error"
        )


def test_a_sound_data_set_does_not_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_textures(tmp_path, 6)
    assert run_cli(monkeypatch, "survey", str(tmp_path), "--fail-on", "error") == 0


def test_the_record_names_all_files_of_a_finding(data: Path, tmp_path: Path) -> None:
    write_survey(survey(data, "auto"), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "survey.json").read_text())
    by_code = {each["code"]: each for each in record["finding_files"]}
    assert by_code["unreadable-files"]["files"] == ["plain_3.png"]
    assert by_code["disputed-duplicates"]["pairs"] == [{"first": "plain_9.png", "second": "stripes_1.png"}]
    assert [each["code"] for each in record["findings"]] == [each["code"] for each in record["finding_files"]]


def test_unusable_annotations_are_a_finding_with_all_problems(data: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    for number in range(1, 8):
        (tmp_path / "boxes" / f"spots_{number}.xml").write_text("<annotation></annotation>")
    found = survey(data, "auto", boxes=tmp_path / "boxes")
    assert "unusable-annotations" in [finding.code for finding in found.findings if finding.level == "error"]
    assert len(found.problems) == 7


def test_clean_images_alone_can_be_surveyed_for_an_anomaly_model(tmp_path: Path) -> None:
    write_textures(tmp_path, 4)
    for path in tmp_path.glob("s*_*.png"):
        path.unlink()
    found = run_survey(SurveySettings(tmp_path, task="anomaly", clean_label="plain"))
    assert [finding for finding in found.findings if finding.level != "note"] == []
    with pytest.raises(DataError, match="only one class"):
        survey(tmp_path, "auto")
