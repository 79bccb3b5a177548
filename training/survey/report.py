"""Report of a survey: one JSON object and a contact sheet for each class."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.annotations.reading import AnnotationSet
from stripwatch.training.datasets.dataset import CLEAN
from stripwatch.training.preparation.sample_depths import DepthGroup
from stripwatch.training.survey.contact_sheets import draw_contact_sheet
from stripwatch.training.survey.page import survey_page
from stripwatch.training.survey.survey import Survey
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import encodable, path_text

PAGE_FILE = "survey.html"
_NAME_CHARS_MAX = 50  # characters of a class in a file name, which is limited to 255 bytes


def write_survey(found: Survey, out: Path) -> None:
    """Write survey.json, survey.html, and contact-NUMBER-CLASS.png for each class.

    Raises InputError if a file cannot be written.
    """
    make_folder(out)
    for number, label in enumerate(found.balance, 1):
        members = [sample for sample in found.samples if label in (sample.labels or (CLEAN,))]
        name = re.sub(r"[^\w.-]", "_", label)[:_NAME_CHARS_MAX]
        atomic_write(
            out / f"contact-{number}-{name}.png",
            draw_contact_sheet(found.dataset.root, label, members, found.bit_depth),
        )
    atomic_write(out / PAGE_FILE, encodable(survey_page(found)).encode())
    lists = {
        "same_files": _named(found.same),
        "similar_files": _named(found.similar),
        "disputed_files": _named(found.disputed),
        "unreadable_files": found.unreadable,
        "finding_files": [
            {"code": each.code, "files": list(each.files), "pairs": _named(list(each.pairs))} for each in found.findings
        ],
        "annotation_problems": list(found.problems),
        "skipped_files": [{"file": each.name, "reason": each.why} for each in found.dataset.skipped],
    }
    atomic_write(out / "survey.json", msgspec.json.format(msgspec.json.encode(encodable(summarize(found) | lists))))


def _named(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"first": first, "second": second} for first, second in pairs]


def _depth_row(group: DepthGroup) -> dict[str, Any]:
    row = asdict(group)
    del row["first"]
    return row


def _annotation_counts(annotations: AnnotationSet) -> dict[str, Any]:
    marks = annotations.marks.values()
    return {
        "format": annotations.format,
        "images": len(marks),
        "boxes": sum(len(each.boxes) for each in marks),
        "masks": sum(len(each.masks) for each in marks),
    }


def summarize(found: Survey) -> dict[str, Any]:
    """Return the counts of a survey as JSON. The names of pairs and files are only in survey.json."""
    return {
        "data": path_text(found.dataset.root),
        "layout": found.dataset.layout,
        "images": len(found.samples),
        "classes": found.balance,
        "several_labels": sum(len(sample.labels) > 1 for sample in found.samples),
        "coils": len({sample.coil for sample in found.samples} - {None}),
        "sizes": found.sizes,
        "bit_depths": [_depth_row(group) for group in found.depth_groups],
        "fit_needs": None if found.bit_depth is None else f"--bit-depth {found.bit_depth}",
        "annotations": None if found.annotations is None else _annotation_counts(found.annotations),
        "same": len(found.same),
        "similar": len(found.similar),
        "disputed": len(found.disputed),
        "warnings": found.warnings,
        "findings": [
            {"level": each.level, "code": each.code, "text": each.text, "files": len(each.files)}
            for each in found.findings
        ],
        "clean_label": found.clean_label,
        "alike_labels": [list(group) for group in found.dataset.alike],
        "unreadable": len(found.unreadable),
        "files_skipped": len(found.dataset.skipped),
        "files": msgspec.to_builtins(found.files),
    }
