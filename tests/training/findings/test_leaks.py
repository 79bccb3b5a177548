import shutil
from pathlib import Path

import cv2
import msgspec
import pytest

from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.findings.duplicates import part_of
from stripwatch.training.preparation.prepared_data import SplitPlan, prepare_data
from stripwatch.training.preparation.split_file import is_fit_request
from stripwatch.training.survey.survey import SurveySettings, run_survey
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.trained import write_textures

SPEC = DecodeSpec(32, 32)


def brighter(source: Path, target: Path) -> None:
    picture = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    cv2.imwrite(str(target), cv2.convertScaleAbs(picture, alpha=0.8, beta=30))


def leaking_split(folder: Path, path: Path, flags: list[str] | None = None) -> None:
    """Write a split with a frame in one part and its brighter copy in the other."""
    write_textures(folder, 8)
    brighter(folder / "spots_1.png", folder / "spots_9.png")
    plan = SplitPlan(0.25, 0)
    found = prepare_data(read_dataset(folder), SPEC, plan, lambda: None).split
    frames = {frame.name: frame for frame in [*found.train, *found.validation]}
    held = {"plain_1.png", "plain_2.png", "spots_2.png", "spots_9.png", "stripes_1.png", "stripes_2.png"}
    split = Split(
        [frame for name, frame in frames.items() if name not in held], [frames[name] for name in sorted(held)]
    )
    path.write_bytes(msgspec.json.encode({"split": split} | ({} if flags is None else {"flags": flags})))


def codes(settings: SurveySettings) -> dict[str, str]:
    return {finding.code: finding.text for finding in run_survey(settings).findings}


def test_a_split_of_the_user_with_a_copy_in_both_parts_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = tmp_path / "data", tmp_path / "run.json"
    leaking_split(folder, path)
    found = codes(SurveySettings(folder, split=path))
    assert found["leak-in-split"].startswith(
        "1 pair of near duplicates, or of images of one coil, between training and validation part: spots_1.png and "
        "spots_9.png"
    )
    assert "leak-in-split" not in codes(SurveySettings(folder))
    capsys.readouterr()
    dataset = read_dataset(folder)
    check = FitCheck(dataset, "multiclass", None, split=path)
    prepare_data(dataset, SPEC, SplitPlan(0.25, 0, file=path), lambda: None, check=check)
    assert "[leak-in-split]" in capsys.readouterr().err


def test_a_fit_of_crossval_repeats_no_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, path = tmp_path / "data", tmp_path / "fold-1.fit.json"
    leaking_split(folder, path, flags=[])
    assert is_fit_request(path)
    capsys.readouterr()
    dataset = read_dataset(folder)
    check = FitCheck(dataset, "multiclass", None, split=path)
    prepare_data(dataset, SPEC, SplitPlan(0.25, 0, file=path), lambda: None, check=check)
    assert "]" not in capsys.readouterr().err


def test_test_images_that_are_copies_are_reported(tmp_path: Path) -> None:
    write_textures(tmp_path / "data", 4)
    (tmp_path / "test").mkdir()
    shutil.copy(tmp_path / "data" / "spots_1.png", tmp_path / "test" / "spots_77.png")
    brighter(tmp_path / "data" / "plain_2.png", tmp_path / "test" / "plain_78.png")
    write_textures(tmp_path / "other", 6)
    for label in ("plain", "spots", "stripes"):
        shutil.copy(tmp_path / "other" / f"{label}_6.png", tmp_path / "test")
    text = codes(SurveySettings(tmp_path / "data", test=tmp_path / "test"))["leak-to-test"]
    assert text.startswith("2 of 5 images in ")
    assert "plain_2.png and plain_78.png" in text
    (tmp_path / "test" / "spots_77.png").unlink()
    (tmp_path / "test" / "plain_78.png").unlink()
    assert "leak-to-test" not in codes(SurveySettings(tmp_path / "data", test=tmp_path / "test"))


def write_manifest(folder: Path, seed: int, coil: str) -> None:
    write_textures(folder, 2, seed=seed)
    rows = [f"{path.name},{path.name.split('_')[0]},{coil}" for path in sorted(folder.iterdir())]
    (folder / "manifest.csv").write_text("\n".join(["file,label,coil", *rows]))


def test_every_test_image_of_a_known_coil_is_counted_and_listed(tmp_path: Path) -> None:
    write_manifest(tmp_path / "data", 0, "C1")
    write_manifest(tmp_path / "test", 1, "C1")
    settings = SurveySettings(tmp_path / "data", test=tmp_path / "test")
    (found,) = (each for each in run_survey(settings).findings if each.code == "leak-to-test")
    assert found.text.startswith("6 of 6 images in ")
    names = {path.name for path in (tmp_path / "test").glob("*.png")}
    assert {test for _, test in found.pairs} == {f"../test/{name}" for name in names}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train/good/1.png", ("train", "train")),
        ("a/Valid/1.png", ("val", "Valid")),
        ("b/testing/1.png", ("test", "testing")),
        ("train.png", (None, "")),
        ("trainee/1.png", (None, "")),
    ],
)
def test_recognizes_the_part_of_an_image(name: str, part: tuple[str | None, str]) -> None:
    assert part_of(name) == part


def test_the_record_of_a_run_is_not_a_request(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(msgspec.json.encode({"split": Split([SplitFrame("a", "b", "c")], [])}))
    assert not is_fit_request(path)
