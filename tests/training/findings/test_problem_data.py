"""Data sets with one problem each: what survey finds, and whether fit accepts them."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.annotations.reading import read_annotations
from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.preparation.finding_kinds import KINDS
from stripwatch.training.preparation.prepared_data import SplitPlan, prepare_data
from stripwatch.training.survey.report import summarize
from stripwatch.training.survey.survey import SurveySettings, run_survey
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.contracts.model.clean_labels import likely_clean
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.training.annotations.exif_images import with_orientation

SIDE_PX = 32
COUNT = 12  # images per class


def pixels(seed: int, side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(40, 200, (side_px, side_px)).astype(np.uint8)


def store(path: Path, image: NDArray[np.uint8], quality: int = 95) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def plain(root: Path) -> None:
    """Two classes of different images of one kind."""
    for number, label in enumerate(("clean", "pits")):
        for at in range(COUNT):
            store(root / label / f"{at}.png", pixels(100 * number + at))


def truncated(root: Path) -> None:
    plain(root)
    for at in (1, 2, 3, 4, 5, 6, 7):
        path = root / "pits" / f"{at}.png"
        path.write_bytes(path.read_bytes()[:300])


def one_picture_in_two_classes(root: Path) -> None:
    plain(root)
    shutil.copy(root / "pits" / "0.png", root / "clean" / "99.png")
    shutil.copy(root / "pits" / "1.png", root / "clean" / "98.png")


def link_in_another_class(root: Path) -> None:
    plain(root)
    (root / "pits" / "99.png").symlink_to(root / "clean" / "0.png")


def link_in_one_class(root: Path) -> None:
    plain(root)
    (root / "pits" / "99.png").symlink_to(root / "pits" / "0.png")


def a_small_class_with_more_contrast(root: Path) -> None:
    for at in range(20):
        store(root / "clean" / f"{at}.png", (pixels(at) // 8 + 100).astype(np.uint8))
    for at in range(5):
        store(root / "pits" / f"{at}.png", pixels(100 + at))


def images_of_other_kinds(root: Path) -> None:
    plain(root)
    cv2.imwrite(str(root / "pits" / "50.tif"), pixels(50).astype(np.float32))
    cv2.imwritemulti(str(root / "pits" / "51.tif"), [pixels(51), pixels(52)])
    (root / "pits" / "52.gif").write_bytes(b"GIF89a")


def brighter_copy_in_another_class(root: Path) -> None:
    plain(root)
    store(root / "clean" / "99.png", cv2.convertScaleAbs(pixels(100), alpha=0.9, beta=20).astype(np.uint8))


def copies_in_one_class(root: Path) -> None:
    plain(root)
    shutil.copy(root / "pits" / "0.png", root / "pits" / "98.png")
    store(root / "pits" / "99.png", cv2.convertScaleAbs(pixels(101), alpha=0.9, beta=20).astype(np.uint8))


def one_original_per_class(root: Path) -> None:
    plain(root)
    for at in range(1, COUNT):
        shutil.copy(root / "pits" / "0.png", root / "pits" / f"{at}.png")


def few_coils(root: Path) -> None:
    plain(root)
    rows = [f"{path.relative_to(root)},{path.parent.name},{int(path.stem) % 3}" for path in root.rglob("*.png")]
    (root / "manifest.csv").write_text("\n".join(["file,label,coil", *rows]))


def unsorted_images(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        store(root / "Un-sorted" / f"{at}.png", pixels(300 + at))
    (root / "Un-sorted").rename(root / "unsorted")


def files_of_a_camera(root: Path) -> None:
    for at in range(COUNT):
        store(root / f"clean_{at}.png", pixels(100 + at))
        store(root / f"pits_{at}.png", pixels(200 + at))
        store(root / f"IMG_{at}.png", pixels(300 + at))


def classes_below_lines(root: Path) -> None:
    for number, line in enumerate(("line1", "line2")):
        for kind, label in enumerate(("clean", "pits")):
            for at in range(COUNT):
                store(root / line / label / f"{at}.png", pixels(100 * (2 * number + kind) + at))


def kinds_of_defects_below_one_class(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        store(root / "pits" / ("deep" if at % 2 else "flat") / f"{at}.png", pixels(300 + at))


def parts_below_classes(root: Path) -> None:
    plain(root)
    for number, label in enumerate(("clean", "pits")):
        for part in ("train", "val", "images"):
            store(root / label / part / "77.png", pixels(400 + 10 * number + len(part)))


def a_folder_without_images(root: Path) -> None:
    plain(root)
    for folder in ("scratch/2026", ".cache", "thumbs", "labels"):
        (root / folder).mkdir(parents=True)


def a_rare_class(root: Path) -> None:
    for at in range(64):
        store(root / "clean" / f"{at}.png", pixels(at))
    for at in range(3):
        store(root / "pits" / f"{at}.png", pixels(100 + at))


def frames_without_strip(root: Path) -> None:
    plain(root)
    store(root / "pits" / "20.png", np.full((SIDE_PX, SIDE_PX), 90, np.uint8))
    store(root / "pits" / "21.png", pixels(21) // 20)
    image = pixels(23)
    image[:24] = 255
    store(root / "pits" / "22.png", image)


def outliers(root: Path) -> None:
    plain(root)
    store(root / "pits" / "20.png", pixels(20) // 4)
    store(root / "pits" / "21.png", cv2.GaussianBlur(pixels(21), (0, 0), 3).astype(np.uint8))


def larger_defects(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        store(root / "pits" / f"{at}.png", pixels(100 + at, 48))


def jpeg_defects(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        (root / "pits" / f"{at}.png").unlink()
        store(root / "pits" / f"{at}.jpg", pixels(100 + at))


def compressed_defects(root: Path) -> None:
    for label, quality in (("clean", 95), ("pits", 70)):
        for at in range(COUNT):
            store(root / label / f"{at}.jpg", pixels(quality + at), quality)


def coloured_defects(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        grey = pixels(100 + at)
        store(root / "pits" / f"{at}.png", np.dstack([grey, grey // 2, grey]))


def deep_defects(root: Path) -> None:
    plain(root)
    for at in range(COUNT):
        deep = pixels(100 + at).astype(np.uint16) * 257
        cv2.imwrite(str(root / "pits" / f"{at}.png"), deep)


def unknown_depth(root: Path) -> None:
    for path in (root / label / f"{at}.png" for label in ("clean", "pits") for at in range(COUNT)):
        path.parent.mkdir(parents=True, exist_ok=True)
        deep = pixels(int(path.stem) + 100 * (path.parent.name == "pits")).astype(np.uint16) * 16
        cv2.imwrite(str(path), deep)


def wide_images(root: Path) -> None:
    plain(root)
    for number, label in enumerate(("clean", "pits")):
        store(root / label / "50.png", np.hstack([pixels(500 + number), pixels(600 + number)]))


def rotated_photographs(root: Path) -> None:
    compressed_defects(root)
    for at in range(COUNT):
        store(root / "pits" / f"{at}.jpg", pixels(70 + at), 95)
    path = root / "pits" / "3.jpg"
    path.write_bytes(with_orientation(path.read_bytes(), 6))


def parts_with_a_copy(root: Path) -> None:
    for part, number in (("train", 0), ("val", 10)):
        for label in ("clean", "pits"):
            for at in range(COUNT):
                store(
                    root / part / f"{label}_{number * 10 + at}.png", pixels(number * 100 + at + 50 * (label == "pits"))
                )
    shutil.copy(root / "train" / "pits_1.png", root / "val" / "pits_999.png")


def boxes(root: Path) -> None:
    plain(root)
    whole = SIDE_PX
    for at, each in enumerate([
        [("pits", 2, 3, 9, 9), ("pits", 2, 3, 9, 9)],
        [("clean", 2, 3, 9, 9)],
        [("pits", 5, 5, 5, 9)],
        [("pits", 1, 1, whole, whole)],
        [("pits", 2, 3, 20, 20), ("clean", 2, 3, 20, 20)],
    ]):  # fmt: skip
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for label, x, y, right, bottom in each
        )
        size = f"<size><width>{whole}</width><height>{whole}</height></size>"
        path = root / "xml" / f"pits_{at}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation>{size}{objects}</annotation>")
        (root / "pits" / f"{at}.png").rename(root / "pits" / f"pits_{at}.png")


def an_empty_mask(root: Path) -> None:
    plain(root)
    store(root / "masks" / "pits" / "1.png", np.zeros((SIDE_PX, SIDE_PX), np.uint8))
    full = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    full[3:20, 3:20] = 255
    store(root / "masks" / "pits" / "2.png", full)


@dataclass(frozen=True, slots=True)
class Problem:
    """make: writes the data set. errors, warnings, notes: codes of the findings of survey, apart from USUAL. boxes:
    --boxes, below the data folder. text: pattern of the text of a finding.
    """

    make: Callable[[Path], None]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    boxes: str | None = None
    text: str = ""


USUAL = {"small-classes", "skipped-files", "annotation-notes"}
PROBLEMS = [
    Problem(plain),
    Problem(
        truncated,
        errors=("unreadable-files",),
        text=r"7 files cannot be used: \S*pits/1\.png: \w.*pits/5\.png: \w.*; and 2 more; replace or",
    ),
    Problem(
        one_picture_in_two_classes,
        errors=("contradictory-labels",),
        text=r"2 pairs of images are the same picture with different labels: clean/99\.png \(clean\) and pits/0\.png",
    ),
    Problem(
        link_in_another_class,
        errors=("contradictory-labels",),
        text=r"clean/0\.png \(clean\) and pits/99\.png \(pits\) are the same picture with different labels, because "
        r"pits/99\.png is a link to clean/0\.png; keep one",
    ),
    Problem(
        link_in_one_class,
        notes=("same-images",),
        text=r"identical: pits/0\.png and pits/99\.png, because pits/99\.png is a link to pits/0\.png; `?fit",
    ),
    Problem(a_small_class_with_more_contrast),
    Problem(
        images_of_other_kinds,
        errors=("unreadable-files",),
        text=r"2 files cannot be used: \S*50\.tif: unsupported_colour.*; "
        r".*51\.tif: unsupported_format: .*several pages.*supported; save images of other colours or kinds as RGB",
    ),
    Problem(
        brighter_copy_in_another_class,
        warnings=("disputed-duplicates",),
        text=r"1 pair of images is nearly identical with different labels: clean/99\.png \(clean\) and pits/0",
    ),
    Problem(copies_in_one_class, notes=("same-images", "near-duplicates"), text=r"pits/0\.png and pits/98\.png"),
    Problem(
        one_original_per_class,
        errors=("class-in-one-group",),
        warnings=("few-groups",),
        notes=("same-images",),
        text=r"class 'pits' cannot be in each of 2 parts: near duplicates",
    ),
    Problem(few_coils, warnings=("few-groups",), text=r"pits \(12 images, 3 groups\)"),
    Problem(unsorted_images, warnings=("placeholder-labels",), text=r"the class 'unsorted' \(12 images\) is named"),
    Problem(files_of_a_camera, warnings=("placeholder-labels",), text=r"the class 'IMG' \(12 images\) is named"),
    Problem(
        classes_below_lines,
        warnings=("repeated-subfolders", "no-clean-images"),
        text=r"folders below it do not count: line1 \(clean, pits\), line2 \(clean, pits\); if the folders .*manifest",
    ),
    Problem(
        kinds_of_defects_below_one_class,
        notes=("subfolders",),
        text=r"do not count: pits \(deep, flat\); if the folders below are classes, .*column coil",
    ),
    Problem(parts_below_classes),
    Problem(
        a_folder_without_images,
        notes=("empty-classes",),
        text="1 folder next to the classes is empty: scratch; add images, or remove the folder",
    ),
    Problem(a_rare_class, warnings=("imbalanced-classes",), text="clean has 64 images, pits has 3; add images of"),
    Problem(
        frames_without_strip,
        warnings=("blank-frames", "dark-frames", "overexposed-frames"),
        notes=("brightness-outliers", "contrast-outliers", "sharpness-outliers"),
        text=r"1 image is blank, with one grey value: pits/20\.png; remove",
    ),
    Problem(
        outliers,
        notes=("brightness-outliers", "contrast-outliers", "sharpness-outliers"),
        text=r"sharpness outliers among the images of their class \(1 more blurred\): pits/21\.png",
    ),
    Problem(
        larger_defects,
        warnings=("sizes-by-class",),
        notes=("mixed-sizes",),
        text=r"the image size depends on the class \(clean: 100% are 32x32, of the others 0%; pits: 100% are 48x48",
    ),
    Problem(
        jpeg_defects, warnings=("formats-by-class",), notes=("mixed-formats",), text=r"pits: 100% are jpeg of qual"
    ),
    Problem(compressed_defects, warnings=("formats-by-class",), text=r"pits: 100% are jpeg of quality 70, of the oth"),
    Problem(
        coloured_defects, warnings=("colour-by-class",), notes=("mixed-colour",), text=r"images are grey \(12\), colour"
    ),
    Problem(
        deep_defects,
        warnings=("bit-depth-by-class",),
        notes=("mixed-bit-depths",),
        text="pits: 100% are 16 bits, of the others 0%",
    ),
    Problem(unknown_depth, errors=("bit-depth",), text="16-bit samples use only 12 bits.*probably --bit-depth 12"),
    Problem(wide_images, notes=("mixed-sizes", "mixed-aspect-ratios"), text=r"differ from 1\.00 to 2\.00; crop them"),
    Problem(
        rotated_photographs, warnings=("exif-rotation",), text=r"1 of 24 images have an EXIF rotation.*pits/3\.jpg"
    ),
    Problem(
        parts_with_a_copy,
        warnings=("leak-between-parts",),
        notes=("parts-not-used", "same-images"),
        text=r"1 pair of near duplicates.* between the folders train, val: train/pits_1\.png and val/pits_999\.png",
    ),
    Problem(
        boxes,
        warnings=("boxes-of-other-labels", "boxes-with-two-labels", "tiny-boxes"),
        notes=("repeated-boxes", "huge-boxes"),
        boxes="xml",
        text=r"2 of 7 boxes, in 2 images, have a label that the image does not have \(pits with clean: 2\): pits/pits",
    ),
    Problem(
        an_empty_mask,
        warnings=("empty-annotations",),
        boxes="masks",
        text=r"1 image of defects with an empty annotation: pits/1\.png",
    ),
]


def fit_checks(root: Path, problem: Problem) -> None:
    """Read and check the data as fit does."""
    found = read_dataset(root)
    annotations = None if problem.boxes is None else read_annotations(found, root / problem.boxes)
    task: FitTask = "multiclass"
    dataset, clean_label = for_task(found, task, next(iter(likely_clean(found.labels)), None))
    check = FitCheck(dataset, task, clean_label, annotations)
    prepare_data(dataset, DecodeSpec(64, 64), SplitPlan(0.2, 0), lambda: None, check=check)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.make.__name__)
def test_survey_finds_the_problem_and_fit_repeats_it(
    problem: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem.make(tmp_path)
    boxes_at = None if problem.boxes is None else tmp_path / problem.boxes
    findings = run_survey(SurveySettings(tmp_path, boxes=boxes_at)).findings
    by_level = {"error": problem.errors, "warning": problem.warnings, "note": problem.notes}
    for level, codes in by_level.items():
        assert {each.code for each in findings if each.level == level} - USUAL == set(codes)
    assert any(re.search(problem.text, each.text) for each in findings) or not problem.text
    capsys.readouterr()
    if problem.errors:
        with pytest.raises(StripwatchError) as raised:
            fit_checks(tmp_path, problem)
        for finding in findings:
            assert finding.level != "error" or finding.text in str(raised.value)
        return
    fit_checks(tmp_path, problem)
    printed = [line for line in capsys.readouterr().err.splitlines() if re.fullmatch(r"warning: .*]", line)]
    assert printed == [finding.line for finding in findings if finding.level == "warning"]


def test_skipped_images_of_other_types_should_be_saved_as_png(tmp_path: Path) -> None:
    images_of_other_kinds(tmp_path)
    (finding,) = [each for each in run_survey(SurveySettings(tmp_path)).findings if each.code == "skipped-files"]
    assert finding.text.endswith("(type .gif: 1): pits/52.gif; save images of other types as RGB or grey PNG files")


def test_unreadable_files_are_skipped_and_not_used(tmp_path: Path) -> None:
    truncated(tmp_path)
    found = run_survey(SurveySettings(tmp_path))
    assert found.files.text.startswith(
        "17 used, 7 skipped: cannot be read: 7 (pits/1.png, pits/2.png, pits/3.png, ...)"
    )
    assert summarize(found)["files"]["used"] == summarize(found)["images"] == 17


def test_every_kind_of_finding_has_a_plain_name_and_a_sentence() -> None:
    for code, kind in KINDS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert kind.meaning.endswith(".")
        assert kind.remedy == "" or kind.remedy.endswith(".")


def test_a_single_image_of_another_kind_says_what_to_do(tmp_path: Path) -> None:
    plain(tmp_path)
    (tmp_path / "pits" / "50.jpg").write_text("<html>no image</html>")
    (page,) = [each for each in run_survey(SurveySettings(tmp_path)).findings if each.level == "error"]
    assert "PNG file;" not in page.text
    (tmp_path / "pits" / "50.jpg").unlink()
    cv2.imwrite(str(tmp_path / "pits" / "50.tif"), pixels(50).astype(np.float32))
    (tiff,) = [each for each in run_survey(SurveySettings(tmp_path)).findings if each.level == "error"]
    assert "only unsigned samples are supported; save it as an RGB or grey PNG file" in tiff.text
