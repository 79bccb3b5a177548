import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripwatch.export.results.novelty_results import NoveltyResults
from stripwatch.export.results.run_evaluation import Evaluation, read_evaluation, write_evaluation
from stripwatch.export.runs.run_folder import Run, SplitFrame, read_run, write_run
from stripwatch.training.evaluation.error_sheet import caption, overlay, pick_worst
from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate, evaluate_run
from stripwatch.training.evaluation.evaluation_report import write_report
from stripwatch.training.evaluation.predictions import ScoredFrames, read_test_frames
from stripwatch.training.stress.changes import CHANGES
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.common.terminal.console import new_progress
from tests.trained import FRAME_PX, LABELS, write_textures

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def folder(fitted_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that is evaluated."""
    copy = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(fitted_run, copy)
    evaluate_run(EvaluateSettings(copy))
    return copy


def read(folder: Path) -> Evaluation:
    found = read_evaluation(folder, read_run(folder))
    assert found is not None
    return found


def novelty(folder: Path) -> NoveltyResults:
    found = read(folder).novelty
    assert found is not None
    return found


def test_the_metrics_match_those_of_the_fit(folder: Path) -> None:
    run, found = read_run(folder), read(folder)
    assert found.accuracy.value == pytest.approx(run.validation.accuracy)
    assert found.classes == run.validation.classes
    assert (found.measured_on, found.frames, found.thresholds_chosen) == ("validation", 15, "best F1 on validation")
    assert found.confusion is not None
    assert np.sum(found.confusion) == 15
    assert np.trace(found.confusion) == pytest.approx(15 * found.accuracy.value)
    assert set(found.thresholds) == set(LABELS)


def test_the_report_is_one_file_with_every_picture(folder: Path) -> None:
    out = folder / "evaluation"
    usual = {"curves", "confusion", "precision_recall", "reliability", "mistakes", "novelty", "novelty_detection"}
    usual.add("stress")
    names = {path.stem for path in out.iterdir() if path.suffix == ".png"}
    missed = any(found.unknown.missed for found in novelty(folder).left_out.values())
    assert names == usual | ({"novelty_missed_classes"} if missed else set())
    assert {path.name for path in out.iterdir()} == {"report.html", *(f"{name}.png" for name in names)}
    page = (out / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == len(names)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for name in names:
        picture = cv2.imread(str(out / f"{name}.png"))
        assert picture is not None
        assert picture.std() > 1


def test_states_what_the_model_withstands(folder: Path) -> None:
    stress = read(folder).stress
    assert stress is not None
    assert [change.name for change in stress.changes] == [change.name for change in CHANGES]
    assert stress.frames == stress.unchanged.frames == len(read_run(folder).split.validation)
    accuracy = read(folder).accuracy.value
    assert stress.unchanged.right / stress.frames == pytest.approx(accuracy)


def test_measures_test_frames_with_the_validation_thresholds(
    folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write_textures(tmp_path / "other", 4)
    (tmp_path / "other" / "notes.pdf").touch()
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    evaluate_run(EvaluateSettings(copy, test=tmp_path / "other", out=tmp_path / "report", stress_frames=0))
    assert read(copy).stress is None
    found = read(copy)
    assert (found.measured_on, found.frames) == ("test", 12)
    assert found.thresholds == read(folder).thresholds
    assert found.data == str((tmp_path / "other").resolve())
    assert {name: counts.text for name, counts in found.files.items()} == {
        "test": "12 used, 1 skipped: type .pdf: 1 (notes.pdf)"
    }
    assert (tmp_path / "report" / "report.html").exists()


def test_reads_test_frames_in_a_layout(folder: Path, tmp_path: Path) -> None:
    write_textures(tmp_path / "images", 2)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    rows = [f"images/{name},{name.partition('_')[0]}" for name in names]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label", *rows[:-1]]) + "\n")
    run, progress = read_run(folder), new_progress()
    frames, counts = read_test_frames(run, tmp_path, "manifest", progress)
    assert [frame.name for frame in frames] == [f"images/{name}" for name in names[:-1]]
    assert counts.text == f"5 used, 1 skipped: not used in layout 'manifest': 1 (images/{names[-1]})"
    with pytest.raises(SettingsError, match="--layout 'voc' is unknown"):
        read_test_frames(run, tmp_path, "voc", progress)


def test_rejects_a_class_that_the_model_does_not_know(folder: Path, tmp_path: Path) -> None:
    for label in ("plain", "rust"):
        cv2.imwrite(str(tmp_path / f"{label}_1.png"), np.zeros((FRAME_PX, FRAME_PX), np.uint8))
    cv2.imwrite(str(tmp_path / "stripe_1.png"), np.zeros((FRAME_PX, FRAME_PX), np.uint8))
    message = (
        r"labels that the model does not know: 'rust' \(.*rust_1\.png\), 'stripe'; did you mean 'stripes'\? "
        r"\(.*stripe_1\.png\); it knows plain, spots, stripes"
    )
    with pytest.raises(DataError, match=message):
        evaluate_run(EvaluateSettings(folder, test=tmp_path))


def test_rejects_a_changed_validation_frame(folder: Path, textures: Path, tmp_path: Path) -> None:
    shutil.copytree(textures, tmp_path / "data")
    name = read_run(folder).split.validation[0].name
    cv2.imwrite(str(tmp_path / "data" / name), np.zeros((FRAME_PX, FRAME_PX), np.uint8))
    with pytest.raises(InputError, match=f"were changed after the run .*: {name}; restore them"):
        evaluate_run(EvaluateSettings(folder, data=tmp_path / "data"))


def test_rejects_an_evaluation_of_another_model(folder: Path) -> None:
    run = read_run(folder)
    with pytest.raises(InputError, match="belongs to another model"):
        read_evaluation(folder, msgspec.structs.replace(run, model_sha256="0"))
    assert read_evaluation(folder.parent, run) is None


@pytest.fixture
def multilabel(folder: Path) -> Run:
    run = read_run(folder)
    return msgspec.structs.replace(run, configuration=msgspec.structs.replace(run.configuration, task="multilabel"))


def scored(targets: list[list[int]], scores: list[list[float]]) -> ScoredFrames:
    frames = [
        SplitFrame(f"{at}.png", "|".join(np.array(LABELS)[np.array(row) > 0]), "") for at, row in enumerate(targets)
    ]
    return ScoredFrames(Path(), frames, np.array(targets, np.float32), np.array(scores, np.float32))


def test_measures_images_with_several_labels_label_by_label(multilabel: Run, tmp_path: Path) -> None:
    frames = scored([[1, 1, 0], [0, 0, 0], [0, 1, 0]], [[0.9, 0.8, 0.2], [0.6, 0.2, 0.1], [0.1, 0.7, 0.3]])
    found = evaluate(multilabel, frames, frames, recall=1.0)
    assert found.confusion is None
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert (found.classes["plain"].precision, found.classes["plain"].recall) == (0.5, 1.0)
    assert found.thresholds["plain"].unsure.value == pytest.approx(0.75)
    assert found.average_precision["stripes"] is None
    write_report(tmp_path, multilabel, found, {})
    assert "<td>-</td>" in (tmp_path / "report.html").read_text()


def test_without_any_label_the_macro_f1_is_none_and_can_be_read_back(multilabel: Run, tmp_path: Path) -> None:
    frames = scored([[0, 0, 0]] * 3, [[0.1, 0.2, 0.3]] * 3)
    found = evaluate(multilabel, frames, frames, recall=None)
    assert found.macro_f1 is None
    write_evaluation(tmp_path, found)
    assert read_evaluation(tmp_path, multilabel) == found
    write_report(tmp_path, multilabel, found, {})
    assert "no frame has a label and none is predicted" in (tmp_path / "report.html").read_text()


@given(st.lists(st.tuples(*[st.booleans()] * 3, *[st.sampled_from([0.0, 1e-7, 0.2, 0.5, 0.9, 1.0])] * 3), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_every_evaluation_can_be_read_back(multilabel: Run, rows: list[tuple[float, ...]]) -> None:
    frames = scored([[int(value) for value in row[:3]] for row in rows], [list(row[3:]) for row in rows])
    found = evaluate(multilabel, frames, frames, recall=0.9)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


def test_the_most_confident_error_comes_first(folder: Path) -> None:
    run = read_run(folder)
    frames = scored([[1, 0, 0]] * 4, [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.1, 0.9, 0], [0.99, 0.01, 0]])
    assert pick_worst(run, frames) == (2, [2, 1, 0, 3])
    right = replace(frames, frames=frames.frames[::3], targets=frames.targets[::3], scores=frames.scores[::3])
    assert pick_worst(run, right) == (0, [0, 1])


def test_a_caption_lists_all_true_and_predicted_labels(folder: Path, multilabel: Run) -> None:
    frames = scored([[1, 1, 0], [0, 0, 0]], [[0.9, 0.4, 0.6], [0.1, 0.2, 0.3]])
    assert caption(multilabel, frames, 0) == (
        "0.png\ntrue: plain 0.900, spots 0.400\npredicted: plain 0.900, stripes 0.600\nheatmap: spots 0.400"
    )
    assert caption(multilabel, frames, 1).startswith("1.png\ntrue: no label\npredicted: no label\n")
    assert caption(read_run(folder), frames, 1) == "1.png\ntrue: no label\npredicted: stripes 0.300"


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_an_overlay_colours_only_positive_heatmap_values(one: float, other: float) -> None:
    picture = np.full((40, 60, 3), 100, np.uint8)
    shown = overlay(picture, np.array([[one, other]], np.float32))
    assert shown.shape == picture.shape
    if max(one, other) <= 0:
        np.testing.assert_array_equal(shown, picture)
    elif min(one, other) <= 0:
        strong, weak = (0, -1) if one > other else (-1, 0)
        np.testing.assert_array_equal(shown[:, weak], picture[:, weak])
        if max(one, other) > 0.05:  # strong enough to change a pixel
            assert np.any(shown[:, strong] != picture[:, strong])


def test_evaluation_json_has_the_documented_fields(folder: Path) -> None:
    record = json.loads((folder / "evaluation.json").read_text())
    assert record["schema"] == "stripwatch.evaluation/1"
    assert record["thresholds"]["plain"].keys() == {"unsure", "sure"}
    assert record["thresholds"]["plain"]["sure"].keys() == {"value", "precision", "recall", "reached"}


def test_evaluation_json_states_what_the_model_does_not_know(folder: Path) -> None:
    run, found = read_run(folder), novelty(folder)
    assert run.novelty is not None
    assert found.thresholds == [run.novelty.threshold]
    assert found.false_alarms.frames == 15
    assert found.left_out.keys() == set(LABELS)
    for label, each in found.left_out.items():
        assert each.unknown.detected.frames == 20  # its training frames, too, because nothing was fitted on them
        assert each.false_alarms.frames == sum(frame.label != label for frame in run.split.validation)
        assert each.thresholds != found.thresholds
        assert {missed.label for missed in each.unknown.missed} <= {label}
        assert label not in {missed.predicted for missed in each.unknown.missed}
    assert [each.counted for each in found.left_out.values()] == [label != "plain" for label in found.left_out]
    assert found.test_false_alarms is None
    assert found.figures.left_out.keys() == set(LABELS)


def test_measures_folders_of_unknown_images_and_test_frames(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    rng = np.random.default_rng(5)
    for name in ("checks", "plain"):
        (tmp_path / name).mkdir()
    for at in range(4):
        board = np.kron(rng.integers(0, 2, (6, 6)), np.ones((16, 16)))
        cv2.imwrite(str(tmp_path / "checks" / f"{at}.png"), np.asarray(255 * board, np.uint8))
    write_textures(tmp_path / "test", 4)
    shutil.copy(tmp_path / "test" / "plain_1.png", tmp_path / "plain" / "a.png")
    unknown = (tmp_path / "checks", tmp_path / "plain")
    cv2.imwrite(str(unknown[1] / "b.png"), rng.normal(120, 10, (FRAME_PX, FRAME_PX)).astype(np.uint8))
    (unknown[1] / "a.png").unlink()
    settings = EvaluateSettings(copy, test=tmp_path / "test", unknown=unknown, leave_one_out=False, stress_frames=0)
    found = evaluate_run(settings).novelty
    assert found is not None
    assert read(copy).files.keys() == {"test", *(f"unknown {path}" for path in unknown)}
    assert (found.left_out, found.left_out_mean) == ({}, None)
    checks, plain = (found.unknown[str(each)] for each in unknown)
    assert (checks.detected.share, checks.auroc) == (1.0, 1.0)
    assert (plain.detected.frames, [missed.predicted for missed in plain.missed]) == (1, ["plain"])
    assert found.test_false_alarms is not None
    assert found.test_false_alarms.frames == 12
    assert (copy / "evaluation" / "novelty_missed_unknown.png").exists()


def test_rejects_a_frame_of_the_run_as_unknown(folder: Path, textures: Path, tmp_path: Path) -> None:
    shutil.copy(textures / read_run(folder).split.train[0].name, tmp_path / "copy.png")
    with pytest.raises(DataError, match=r"copy\.png is the frame \S+ of the run.*remove it"):
        evaluate_run(EvaluateSettings(folder, unknown=(tmp_path,)))


def test_a_run_without_detector_is_evaluated_but_not_on_unknown_images(
    folder: Path, textures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    write_run(copy, msgspec.structs.replace(read_run(folder), novelty=None))
    assert evaluate_run(EvaluateSettings(copy, stress_frames=0)).novelty is None
    assert "the run has no novelty detector" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="has no novelty detector; fit the model again"):
        evaluate_run(EvaluateSettings(copy, unknown=(textures,)))
