from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from stripwatch.export.results.novelty_results import NoveltyResults
from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.export.runs.run_folder import Run, SplitFrame, file_sha256, read_run
from stripwatch.training.novelty.judged_frames import JudgedFrames, LeftOut
from stripwatch.training.novelty.measurement import PICTURES, NoveltyMeasurement
from stripwatch.training.novelty.report import novelty_facts, novelty_section, novelty_summary, novelty_tables, rows
from tests.printed import as_printed
from tests.trained import LABELS

pytestmark = pytest.mark.training


@pytest.fixture
def run(fitted_run: Path) -> Run:
    return msgspec.structs.replace(read_run(fitted_run), novelty=NoveltyFacts(0.5, 0.01, "distances", 45, ""))


def judged(frames: Sequence[SplitFrame], margins: Sequence[float], predicted: str = "plain") -> JudgedFrames:
    confidence = np.linspace(0.99, 0.5, len(frames), dtype=np.float32)
    return JudgedFrames(list(frames), np.array(margins, np.float32), [predicted] * len(frames), confidence)


def left_out(run: Run, label: str, novel: int) -> LeftOut:
    """Of the validation frames with a label, the first `novel` ones are detected."""
    frames = [frame for frame in run.split.validation if frame.label == label]
    others = [frame for frame in run.split.validation if frame.label != label]
    margins = np.where(np.arange(len(frames)) < novel, 0.4, -0.3)
    return LeftOut(judged(frames, margins.tolist()), judged(others, [-0.5] * len(others)), [0.7])


def measurement(run: Run, folder: Path, **changes: object) -> NoveltyMeasurement:
    known = judged(run.split.validation, [0.1] + [-0.5] * (len(run.split.validation) - 1))
    cv2.imwrite(str(folder / "rust.png"), np.random.default_rng(2).integers(0, 255, (96, 96), np.uint8))
    rust = SplitFrame("rust.png", "", file_sha256(folder / "rust.png"))
    values = {
        "left_out": {label: left_out(run, label, at) for at, label in enumerate(LABELS)},
        "unknown": {folder: judged([rust], [-0.2], "spots")},
    }
    return NoveltyMeasurement(run, Path(run.data), [0.5], known, **values | changes)  # type: ignore[arg-type]


def test_mean_and_minimum_are_those_of_the_defect_classes(run: Run, tmp_path: Path) -> None:
    found = measurement(run, tmp_path).results()
    shares = {label: each.unknown.detected.share for label, each in found.left_out.items()}
    assert shares["plain"] == 0
    assert found.left_out_min == pytest.approx(min(shares["spots"], shares["stripes"]))
    assert found.left_out_mean == pytest.approx((shares["spots"] + shares["stripes"]) / 2)
    assert (found.false_alarms.detected, found.false_alarms.frames) == (1, 15)
    assert any("Mean and minimum" in note for note in found.notes)
    assert found.figures.left_out["spots"] == found.left_out["spots"].unknown.detected
    assert msgspec.json.decode(msgspec.json.encode(found), type=NoveltyResults) == found


def test_pictures_show_scores_curves_and_the_missed_frames(run: Run, tmp_path: Path) -> None:
    drawn = measurement(run, tmp_path).pictures()
    assert drawn.keys() == PICTURES.keys()
    for name, png in drawn.items():
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.std() > 1, name


def test_nothing_missed_gives_no_sheet_and_nothing_asked_only_the_scores(run: Run, tmp_path: Path) -> None:
    every = {"spots": left_out(run, "spots", 99)}
    drawn = measurement(run, tmp_path, left_out=every, unknown={}).pictures()
    assert drawn.keys() == {"novelty", "novelty_detection"}
    alone = measurement(run, tmp_path, left_out={}, unknown={}, leave_one_out=False)
    assert alone.pictures().keys() == {"novelty"}
    found = alone.results()
    assert (found.left_out_mean, found.left_out_min, found.left_out) == (None, None, {})
    assert not any("Not left out" in note for note in found.notes)


def test_folds_judge_each_known_frame_once_and_unknown_images_together(run: Run, tmp_path: Path) -> None:
    one = measurement(run, tmp_path)
    (folder,) = one.unknown
    other = measurement(run, tmp_path, unknown={folder: judged(one.unknown[folder].frames, [0.6])})
    pooled = NoveltyMeasurement.pool([one, other])
    found = pooled.results()
    assert found.thresholds == [0.5, 0.5]
    assert found.false_alarms.frames == 30
    assert (
        found.left_out["spots"].unknown.detected.frames == 2 * one.results().left_out["spots"].unknown.detected.frames
    )
    assert found.unknown[str(tmp_path)].detected.detected == 1
    assert pooled.unknown[folder].margins == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("changes", "note"),
    [({"frozen": False}, "it has seen the classes"), ({"fine_tune": 3}, "it has seen the classes")],
)
def test_notes_state_that_a_fitted_backbone_has_seen_the_class(
    run: Run, tmp_path: Path, changes: dict[str, object], note: str
) -> None:
    assert not any(note in each for each in measurement(run, tmp_path).results().notes)
    fitted = msgspec.structs.replace(run, configuration=msgspec.structs.replace(run.configuration, **changes))
    assert any(note in each for each in measurement(fitted, tmp_path).results().notes)


def test_notes_state_two_classes_few_frames_and_classes_that_could_not_be_left_out(run: Run, tmp_path: Path) -> None:
    one = {"spots": left_out(run, "spots", 1)}
    notes = " ".join(measurement(run, tmp_path, left_out=one).results().notes)
    assert "too few frames of other classes remain: plain, stripes" in notes
    assert "Fewer than 20 frames" in notes
    assert "With 15 held-out frames" in notes
    two = msgspec.structs.replace(run, labels=["plain", "spots"])
    both = {label: left_out(run, label, 1) for label in two.labels}
    assert "a single label remains" in " ".join(measurement(two, tmp_path, left_out=both).results().notes)


def test_without_a_left_out_class_and_a_folder_there_is_no_table(run: Run, tmp_path: Path) -> None:
    none = msgspec.structs.replace(measurement(run, tmp_path, left_out={}).results(), unknown={})
    assert novelty_tables(none) == novelty_tables(None) == []
    page = novelty_section(none)
    assert "<h2>Novelty</h2>" in page
    assert "unknown to the model" not in page
    assert "left out in turn" not in page


def test_a_table_of_folders_alone_does_not_say_that_classes_were_left_out(run: Run, tmp_path: Path) -> None:
    page = novelty_section(measurement(run, tmp_path, left_out={}).results())
    assert str(tmp_path) in page
    assert "left out in turn" not in page
    assert "left out in turn" in novelty_section(measurement(run, tmp_path).results())


def test_the_tables_list_the_lowest_share_first_and_name_the_clean_class(run: Run, tmp_path: Path) -> None:
    found = measurement(run, tmp_path).results()
    names = [row[0] for row in rows(found)]
    assert names == ["plain (no defect; not in the mean)", "spots", "stripes", "mean of the classes", str(tmp_path)]
    (printed,) = novelty_tables(found)
    assert "mean of the classes" in as_printed(printed, 120)
    facts = novelty_facts(found)
    assert facts["false alarms"].startswith("6.7% of 15 frames, 95 % interval 1.2% to 29.8%")
    page = novelty_section(found)
    for shown in ("<h2>Novelty</h2>", "rust.png", "missed frames", "plain (no defect; not in the mean)"):
        assert shown in page
    summary = novelty_summary(found)
    assert summary["left_out"]["spots"]["missed"] == len(found.left_out["spots"].unknown.missed)
    assert summary["unknown"][str(tmp_path)]["value"] == 0.0
