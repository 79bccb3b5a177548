"""Data sets as people have them: one small set per habit, with what `survey` reports and what `fit` reads."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import CLEAN, DataSet, for_task, read_dataset
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.preparation.prepared_data import SplitPlan, prepare_data
from stripwatch.training.survey.report import summarize
from stripwatch.training.survey.survey import Survey, survey
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.contracts.model.clean_labels import likely_clean
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.training.datasets.habits.annotations import (
    an_empty_annotation_folder,
    annotations_of_other_images,
    choices_of_label_studio,
    coco,
    cvat,
    cvat_without_extent,
    label_studio,
    labelme,
    masks_with_classes,
    masks_with_unnamed_classes,
    two_annotation_formats,
    voc_in_subfolders,
    voc_next_to_images,
    voc_with_problems,
    yolo,
    yolo_with_rotated_boxes,
)
from tests.training.datasets.habits.files import SIDE_PX
from tests.training.datasets.habits.public import (
    classes_in_parts,
    coco_in_parts,
    gc10_det,
    gc10_det_from_kaggle,
    kolektor_1,
    kolektor_2,
    mvtec,
    mvtec_categories,
    neu_det,
    neu_det_with_a_misplaced_annotation,
    voc_2012,
    x_sdd,
    x_sdd_as_published,
    yolo_in_parts,
)
from tests.training.datasets.habits.tables import (
    a_column_twice,
    a_quoted_header,
    a_spreadsheet,
    a_table_with_another_name,
    absolute_paths,
    empty_rows_of_excel,
    missing_files,
    names_without_folders,
    rows_with_two_labels,
    severstal_in_another_order,
    severstal_with_an_index,
    severstal_with_clean_rows,
    severstal_with_problems,
)
from tests.training.datasets.habits.tools import (
    accents_in_two_encodings,
    images_without_labels,
    masks_in_a_folder,
    masks_next_to_images,
    masks_of_nothing,
    names_in_two_spellings,
    output_of_labelme,
    output_of_stripwatch,
    parts_with_a_class,
    photo_programs,
    photographs_in_a_mask_folder,
    tools_of_systems,
    version_control,
)

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Habit:
    """make: writes the data set. classes: images per class. skipped: number of skipped entries by reason.
    refused: pattern of the error of both commands. notes: patterns of messages of both commands. merged: images per
    class with --merge-labels. boxes: --boxes, below the data folder. annotations: format, images, boxes and masks.
    annotation_files: number of them that are used, without masks.
    layout: detected layout, if it is not the point of the others. use: --layout. findings: codes of what survey finds,
    apart from USUAL, skipped and unused files.
    """

    make: Callable[[Path], None]
    classes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    notes: tuple[str, ...] = ()
    merged: dict[str, int] = field(default_factory=dict)
    boxes: str | None = None
    annotations: tuple[str, int, int, int] | None = None
    annotation_files: int = 0
    layout: str = ""
    use: str = "auto"
    findings: tuple[str, ...] = ()


# Findings of nearly all of these sets, which are tiny and have no clean images.
USUAL = {"no-clean-images", "small-classes", "annotation-notes", "skipped-files", "unused-images"}
MASKED = ("severstal", 3, 0, 3)
STRIPS = {"defect_1": 1, "defect_3": 1, "defect_4": 1, "clean": 1}
TWO = {"pits": 2, "rust": 2}
HABITS = [
    Habit(
        tools_of_systems,
        TWO,
        {"hidden": 5, "left by the operating system": 5, "left by a file server": 2, "recycle bin": 2},
    ),
    Habit(photo_programs, TWO, {"thumbnails or catalogue of a photo program": 4, "README": 1}),
    Habit(version_control, TWO, {"hidden": 3, "files of a program": 1, "type .dvc": 1}),
    Habit(output_of_labelme, TWO, {"output of labelme": 1}),
    Habit(output_of_stripwatch, TWO, {"output of stripwatch": 1}),
    Habit(masks_in_a_folder, TWO, {"mask of another image": 2}),
    Habit(masks_next_to_images, TWO, {"mask of another image": 2}),
    Habit(
        photographs_in_a_mask_folder,
        refused=r"masks/1\.png is named like the mask of another image, but looks like a photograph\. Rename",
    ),
    Habit(
        masks_of_nothing, refused=r"masks is named like annotations, but task-5-annotation-3\.png is not the mask of"
    ),
    Habit(parts_with_a_class, refused="rust, train, val, which are parts and not classes"),
    Habit(
        names_in_two_spellings,
        {"pits": 2, "rust": 2, "Pits": 1, "pits ": 1, "Ru st": 1},
        notes=(r"warning: the class names 'pits' \(2\) and 'Pits' \(1\) and 'pits ' \(1\) look alike \(blanks at",),
        merged={"pits": 4, "rust": 2, "Ru st": 1},
        findings=("class-in-one-group", "alike-labels"),
    ),
    Habit(
        accents_in_two_encodings,
        {"Riss\u00e9": 1, "Risse\u0301": 1, "pits": 1},
        notes=(r"look alike \(an accent is stored as one character or as two\) but are different classes",),
        merged={"Riss\u00e9": 2, "pits": 1},
        findings=("class-in-one-group", "alike-labels"),
    ),
    Habit(
        voc_in_subfolders,
        TWO,
        boxes="Annotations",
        annotations=("voc", 2, 2, 0),
        annotation_files=2,
        notes=(
            r"boxes or polygons that extended .* clipped: 1 \(rust/3\.png\)",
            r"that are not annotated: 2 \(pits",
        ),
    ),
    Habit(voc_next_to_images, TWO, boxes=".", annotations=("voc", 2, 2, 0), annotation_files=2),
    Habit(
        voc_with_problems,
        boxes="xml",
        refused=r"4 problems in .*xml: .*1\.xml is not a VOC box file: the image width of 0 .*2\.xml: a box .* is "
        r"not finite.*4\.xml: the annotation is for an image of 48x48 .* 24x24.*3\.xml has the unknown label "
        "'rsut'; did you mean 'rust'",
        findings=("unusable-annotations",),
    ),
    Habit(
        an_empty_annotation_folder,
        boxes="boxes",
        refused="boxes has no annotations that can be read .* no files",
        findings=("empty-classes", "unusable-annotations"),
    ),
    Habit(
        annotations_of_other_images,
        boxes="boxes",
        refused=r"no annotation for any of the 4 images.* such as frame_9",
        findings=("unusable-annotations",),
    ),
    Habit(
        coco,
        TWO,
        boxes="annotations",
        annotations=("coco", 3, 1, 2),
        annotation_files=1,
        notes=(r"annotations of images that are not in the data set: 1 \(elsewhere/9\.png\)",),
    ),
    Habit(
        yolo,
        {"pits": 2, "rust": 1},
        boxes="data.yaml",
        annotations=("yolo", 3, 2, 1),
        annotation_files=3,
        findings=("class-in-one-group", "empty-annotations"),
    ),
    Habit(label_studio, TWO, boxes=".", annotations=("label-studio", 1, 1, 0), annotation_files=1),
    Habit(labelme, TWO, boxes="pits", annotations=("labelme", 1, 0, 1), annotation_files=1),
    Habit(masks_in_a_folder, TWO, {"mask of another image": 2}, boxes="masks", annotations=("masks", 1, 0, 1)),
    Habit(
        two_annotation_formats,
        boxes=".",
        refused=r"several formats: 1 voc file, such as xml/pits_1\.xml; 3 yolo files, such as .* Choose one with",
        findings=("class-in-one-group", "unusable-annotations"),
    ),
    Habit(coco, TWO, {"annotations without --boxes": 1}, findings=("unused-annotations",)),
    Habit(voc_next_to_images, TWO, {"annotations without --boxes": 2}, findings=("unused-annotations",)),
    Habit(
        mvtec,
        {"clean": 3, "broken_large": 1, "contamination": 1},
        {"README": 1, "mask of another image": 2, "type .txt": 1},
        annotations=("masks", 2, 0, 2),
        layout="mvtec",
        findings=("class-in-one-group",),
    ),
    Habit(mvtec_categories, refused=r"contains categories of MVTec AD \(bottle, cable\); pass one of them"),
    Habit(
        kolektor_2,
        {"defect": 1, "clean": 2},
        {"mask of another image": 3},
        annotations=("masks", 3, 0, 1),
        layout="kolektor",
        findings=("class-in-one-group", "parts-not-used"),
    ),
    Habit(kolektor_1, refused=r"layout folder \(kos01, kos02\) or kolektor \(each .* choose one with --layout"),
    Habit(
        gc10_det,
        {"1": 1, "2": 1, "3": 1},
        {"annotations without --boxes": 3},
        layout="folder",
        use="folder",
        findings=("class-in-one-group", "unused-annotations"),
    ),
    Habit(
        gc10_det,
        {"1_chongkong": 1, "2_hanfeng": 1, "3_yueyawan": 1},
        annotations=("voc", 3, 3, 0),
        annotation_files=3,
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        neu_det,
        {"crazing": 2, "rolled-in_scale": 2},
        boxes=".",
        annotations=("voc", 4, 4, 0),
        annotation_files=4,
        layout="folder",
        findings=("parts-not-used",),
    ),
    Habit(
        x_sdd,
        {"finishing roll printing": 1, "iron sheet ash": 1, "oxide scale of plate system": 1},
        layout="folder",
        findings=("class-in-one-group",),
    ),
    Habit(
        yolo_in_parts,
        {"pits": 1, "rust": 2, "clean": 1},
        {"README": 2},
        annotations=("yolo", 3, 3, 0),
        annotation_files=3,
        layout="annotated",
        notes=("1 of 4 image files in .* are not used in layout 'annotated'",),
        findings=("boxes-with-two-labels", "parts-not-used"),
    ),
    Habit(
        coco_in_parts,
        {"pits": 1, "clean": 1},
        annotations=("coco", 2, 1, 0),
        annotation_files=2,
        layout="annotated",
        findings=("class-in-one-group", "parts-not-used", "tiny-boxes"),
    ),
    Habit(
        voc_2012,
        {"pits": 1, "rust": 1},
        {"mask of another image": 1, "type .txt": 1},
        annotations=("voc", 2, 2, 0),
        annotation_files=2,
        layout="annotated",
        notes=("1 of 3 image files in .* are not used in layout 'annotated'",),
        findings=("class-in-one-group",),
    ),
    Habit(
        gc10_det_from_kaggle,
        {"9_zhehen": 1, "3_yueyawan": 2},
        annotations=("voc", 3, 3, 0),
        annotation_files=3,
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        neu_det_with_a_misplaced_annotation,
        {"crazing": 3, "rolled-in_scale": 2, "patches": 1},
        boxes=".",
        annotations=("voc", 5, 5, 0),
        annotation_files=5,
        layout="folder",
        notes=(r"the parts train, validation are read as one data set",),
        findings=("boxes-of-other-labels", "class-in-one-group", "parts-not-used"),
    ),
    Habit(
        x_sdd_as_published,
        {"finishing roll printing": 1, "iron sheet ash": 1, "oxide scale of plate system": 1},
        layout="folder",
        findings=("class-in-one-group",),
    ),
    Habit(
        classes_in_parts,
        {"pits": 2, "rust": 2},
        layout="folder",
        notes=("the parts test, train, val are read as one data set, and fit makes its own split",),
        findings=("parts-not-used",),
    ),
    Habit(cvat, TWO, boxes="annotations.xml", annotations=("cvat", 2, 1, 1), annotation_files=1),
    Habit(
        cvat_without_extent,
        boxes=".",
        refused=r"annotations\.xml: image pits/1\.png: it has a points; draw box, polygon, ellipse, mask",
        findings=("unusable-annotations",),
    ),
    Habit(
        choices_of_label_studio,
        {"pits": 1, "clean": 1},
        annotations=("label-studio", 2, 0, 0),
        annotation_files=1,
        layout="annotated",
        findings=("class-in-one-group",),
    ),
    Habit(
        masks_with_classes,
        {"pits": 1, "rust": 1, "clean": 1},
        {"mask of another image": 2},
        annotations=("masks", 2, 0, 2),
        layout="annotated",
    ),
    Habit(
        masks_with_unnamed_classes,
        boxes="masks",
        refused=r"1\.png has 3 values, such as 0, 1, 2; .* add labelmap\.txt or _classes\.csv",
        findings=("unusable-annotations",),
    ),
    Habit(yolo_with_rotated_boxes, TWO, boxes="data.yaml", annotations=("yolo", 1, 0, 1), annotation_files=1),
    Habit(images_without_labels, refused="cannot detect the layout .*; sort .*'annotated'"),
    Habit(severstal_with_an_index, STRIPS, annotations=MASKED),
    Habit(severstal_in_another_order, STRIPS, annotations=MASKED),
    Habit(severstal_with_clean_rows, STRIPS, annotations=MASKED),
    Habit(
        severstal_with_problems,
        refused=r"6 problems in .*train\.csv: .*line 3: the image .*z\.jpg does not exist; .*line 4: class '7' is unk.*"
        r"line 5: b\.jpg has a mask but no class.*; and 1 more",
    ),
    Habit(a_quoted_header, refused=r"manifest\.csv line 1 is not valid CSV: ',' expected after"),
    Habit(a_column_twice, refused=r"manifest\.csv line 1 has the column label more than once"),
    Habit(
        missing_files,
        refused=r"3 problems in .*manifest\.csv: .*line 3: .*line 4: .*gone\.png does not .*line 5: '\.\./1",
    ),
    Habit(
        names_without_folders,
        refused=r"3 problems .*line 2: the file .*/1\.png does not exist; did you mean 'pits/1\.png'\?; .*line 3: .*"
        r"/2\.PNG does not exist; did you mean 'pits/2\.png'\?; .*line 5: .*; did you mean 'rust/4\.png'\?$",
    ),
    Habit(
        absolute_paths,
        refused=r"line 2: '/.*1\.png' is an absolute path; use the path relative to the data folder; did you mean "
        r"'pits/1\.png'\?; .*line 3: 'C:.* absolute .* mean 'pits/2\.png'\?; .*line 4: .* to the data folder$",
    ),
    Habit(
        empty_rows_of_excel,
        TWO,
        notes=(r"note: 2 empty rows of .*manifest\.csv skipped",),
        findings=("empty-rows",),
    ),
    Habit(
        rows_with_two_labels,
        {"pits": 2, "rust": 3},
        notes=(r"note: 1 image has rows with different labels in .*manifest\.csv, so it has several labels: pits/1",),
        findings=("repeated-rows",),
    ),
    Habit(
        a_table_with_another_name,
        refused=r"only one class, img; .*; if labels\.csv has the labels, save it as manifest\.csv with the columns",
    ),
    Habit(
        a_spreadsheet, refused=r"cannot detect the layout of .*; if labels\.xlsx has the labels, save it as manifest"
    ),
]


def test_the_reference_page_lists_every_habit() -> None:
    page = (ROOT / "docs" / "reference" / "data-sets.md").read_text()
    assert {habit.make.__name__ for habit in HABITS} == set(re.findall(r"\| `(\w+)` \|$", page, re.MULTILINE))


def classes_of(dataset: DataSet) -> dict[str, int]:
    return dict(Counter(label for sample in dataset.samples for label in sample.labels or (CLEAN,)))


def fit_reads(root: Path, habit: Habit) -> tuple[DataSet, AnnotationSet | None]:
    """Read the data as fit does."""
    dataset = read_dataset(root, habit.use)
    if habit.boxes is None and habit.annotations is None:
        return dataset, None
    annotations = read_annotations(dataset, None if habit.boxes is None else root / habit.boxes)
    return dataset.with_annotations(annotations.files), annotations


def survey_reports(root: Path, habit: Habit) -> Survey:
    return survey(root, habit.use, boxes=None if habit.boxes is None else root / habit.boxes)


def fit_checks(root: Path, habit: Habit) -> None:
    """Read and check the data as fit does."""
    found, annotations = fit_reads(root, habit)
    several = any(len(sample.labels) > 1 for sample in found.samples)
    task: FitTask = "multilabel" if several else "multiclass"
    clean = next(iter(likely_clean(found.labels)), None)
    dataset, clean_label = for_task(found, task, clean)
    check = FitCheck(dataset, task, clean_label, annotations)
    plan = SplitPlan(0.2, 0, every=not several)
    prepare_data(dataset, DecodeSpec(SIDE_PX, SIDE_PX), plan, lambda: None, check=check)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.make.__name__}-{habit.boxes or habit.use}")
def test_fit_refuses_the_errors_of_survey_and_repeats_its_warnings(
    habit: Habit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    habit.make(tmp_path)
    if habit.refused and not habit.findings:
        with pytest.raises(StripwatchError, match=habit.refused):
            survey_reports(tmp_path, habit)
        return
    findings = survey_reports(tmp_path, habit).findings
    assert {finding.code for finding in findings} - USUAL == set(habit.findings)
    capsys.readouterr()
    errors = [finding.text for finding in findings if finding.level == "error"]
    if errors:
        with pytest.raises(StripwatchError) as raised:
            fit_checks(tmp_path, habit)
        assert any(text in str(raised.value) for text in errors)
        return
    fit_checks(tmp_path, habit)
    printed = [line for line in capsys.readouterr().err.splitlines() if re.fullmatch(r"warning: .*]", line)]
    assert printed == [finding.line for finding in findings if finding.level == "warning"]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: f"{habit.make.__name__}-{habit.boxes or habit.use}")
def test_survey_and_fit_read_the_same_images(habit: Habit, tmp_path: Path) -> None:
    habit.make(tmp_path)
    if habit.refused:
        with pytest.raises(StripwatchError, match=habit.refused):
            fit_reads(tmp_path, habit)
        return
    dataset, annotations = fit_reads(tmp_path, habit)
    assert classes_of(dataset) == habit.classes
    assert dataset.layout == (habit.layout or dataset.layout)
    assert Counter(each.why for each in dataset.skipped) == habit.skipped
    notes = (*dataset.notes, *(annotations.notes if annotations else ()))
    for pattern in habit.notes:
        assert any(re.search(pattern, note) for note in notes), notes
    summary = summarize(survey_reports(tmp_path, habit))
    assert (summary["classes"], summary["unreadable"]) == (habit.classes, 0)
    assert summary["files_skipped"] == sum(habit.skipped.values())
    assert summary["files"]["used"] == len(dataset.samples)
    assert summary["files"].get("annotations", 0) == len(dataset.annotation_files) == habit.annotation_files
    reasons = {why: each["files"] for why, each in summary["files"]["skipped"].items() if "not used" not in why}
    assert reasons == habit.skipped
    counts = summary["annotations"]
    assert (counts and tuple(counts.values())) == habit.annotations
    assert bool(summary["alike_labels"]) == bool(habit.merged)
    if habit.merged:
        merged = read_dataset(tmp_path, merge_labels=True)
        assert (classes_of(merged), merged.alike) == (habit.merged, ())
