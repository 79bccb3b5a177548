import shutil
from pathlib import Path

import pytest
from rich.progress import Progress

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run
from stripwatch.training.evaluation.predictions import read_test_frames

pytestmark = pytest.mark.training


def test_warns_of_test_images_that_the_model_was_trained_on(
    fitted_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = read_run(fitted_run)
    trained, validated = run.split.train[0], run.split.validation[-1]
    assert trained.label != validated.label
    for number, frame in enumerate((trained, validated)):
        shutil.copy(Path(run.data) / frame.name, tmp_path / f"{frame.label}_{number}.png")
    frames, _ = read_test_frames(run, tmp_path, "auto", Progress(disable=True))
    assert len(frames) == 2
    printed = capsys.readouterr().err
    assert f"warning: 1 of 2 images in {tmp_path} are training images of the model, so" in printed
    assert f"{trained.label}_0.png is {trained.name}; remove them; survey --test" in printed


def test_test_images_may_have_only_one_class(fitted_run: Path, tmp_path: Path) -> None:
    run = read_run(fitted_run)
    label = run.split.validation[0].label
    of_label = [frame for frame in run.split.validation if frame.label == label]
    for number, frame in enumerate(of_label):
        shutil.copy(Path(run.data) / frame.name, tmp_path / f"{label}_{number}.png")
    frames, counts = read_test_frames(run, tmp_path, "auto", Progress(disable=True))
    assert {frame.label for frame in frames} == {label}
    assert counts.used == len(of_label)


def test_the_report_says_that_test_images_were_used_for_training(fitted_run: Path, tmp_path: Path) -> None:
    run = read_run(fitted_run)
    copy = shutil.copytree(fitted_run, tmp_path / "run")
    for number, frame in enumerate((run.split.train[0], run.split.validation[-1])):
        (tmp_path / "test").mkdir(exist_ok=True)
        shutil.copy(Path(run.data) / frame.name, tmp_path / "test" / f"{frame.label}_{number}.png")
    settings = EvaluateSettings(copy, test=tmp_path / "test", leave_one_out=False, stress_frames=0)
    assert evaluate_run(settings).trained_on == 1
    page = (copy / "evaluation" / "report.html").read_text()
    assert "Frames that the model was trained on: 1. The figures are therefore optimistic" in page
    assert "These frames were not used for fitting" not in page
