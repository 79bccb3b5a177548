import json
import shutil
from pathlib import Path

import cv2
import pytest

from stripwatch.training.survey.report import summarize
from stripwatch.training.survey.survey import survey
from stripwatch.worker.common.errors import DataError, InputError
from tests.trained import write_textures
from tests.training.test_cli import run_cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight images a class; one of them twice, one brighter under another label, one cut in half."""
    folder = tmp_path / "data"
    write_textures(folder, 8)
    shutil.copy(folder / "spots_1.png", folder / "spots_9.png")
    picture = cv2.imread(str(folder / "stripes_1.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    cv2.imwrite(str(folder / "plain_9.png"), cv2.convertScaleAbs(picture, alpha=0.8, beta=30))
    whole = (folder / "plain_3.png").read_bytes()
    (folder / "plain_3.png").write_bytes(whole[: len(whole) // 2])
    return folder


def test_a_survey_finds_what_is_wrong_with_a_set(data: Path) -> None:
    found = survey(data, "auto")
    assert found.balance == {"plain": 8, "spots": 9, "stripes": 8}
    assert found.sizes == {"96x96": 25}
    assert found.same == [("spots_1.png", "spots_9.png")]
    assert found.similar == [("plain_9.png", "stripes_1.png")]
    assert found.disputed == [("plain_9.png", "stripes_1.png")]
    assert len(found.unreadable) == 1
    assert "plain_3.png cannot be learned from: truncated" in found.unreadable[0]


def test_the_command_writes_lists_and_a_sheet_a_class(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "survey"
    assert run_cli(monkeypatch, "survey", str(data), "--out", str(out)) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    record = json.loads((out / "survey.json").read_text())
    assert {key: record[key] for key in summary} == summary == summarize(survey(data, "auto"))
    assert record["similar_files"] == [["plain_9.png", "stripes_1.png"]]
    sheets = sorted(out.glob("*.png"))
    assert [path.name for path in sheets] == ["contact-1-plain.png", "contact-2-spots.png", "contact-3-stripes.png"]
    assert len({path.read_bytes() for path in sheets}) == 3


def test_images_with_several_labels_and_none_are_counted(tmp_path: Path) -> None:
    write_textures(tmp_path, 1)
    rows = ["plain_1.png,,C1", "spots_1.png,spots|rust,C1", "stripes_1.png,stripes,C2"]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,coil", *rows]))
    summary = summarize(survey(tmp_path, "auto"))
    assert summary["classes"] == {"clean": 1, "rust": 1, "spots": 1, "stripes": 1}
    assert (summary["several_labels"], summary["coils"]) == (1, 2)


def test_a_set_without_one_image_that_can_be_read_is_refused(tmp_path: Path) -> None:
    for name in ("a_1.jpg", "b_1.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"not one image can be read; the first: .*a_1\.jpg cannot be learned from"):
        survey(tmp_path, "auto")


def test_a_place_that_cannot_be_written_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(monkeypatch, "survey", str(data), "--out", str(data / "spots_1.png")) == InputError.exit_code
    assert "error: cannot make the folder" in capsys.readouterr().err
