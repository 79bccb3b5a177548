"""Page of a survey: findings with their images first, then classes, distributions and contact sheets."""

from collections.abc import Iterable, Iterator
from html import escape

import numpy as np

from stripwatch.export.reporting.html import Html, inline, page, table
from stripwatch.training.preparation.finding import Finding, counted
from stripwatch.training.preparation.finding_kinds import LEVELS
from stripwatch.training.survey.plots import draw_distributions
from stripwatch.training.survey.survey import Survey
from stripwatch.training.survey.thumbnails import Thumbnails
from stripwatch.worker.common.path_text import path_text

_SHOTS_MAX, _PAIRS_MAX = 8, 6  # images and pairs of a finding
_SHEET_MAX, _SHEET_IMAGES_MAX = 24, 480  # images of a class, and of all classes
_NAMES_MAX = 500
_SIZES_MAX = 10
_WITH_BOXES = ("boxes", "annotations")
# Findings about nearly all files of a class, where a few images do not show what is meant.
_WITHOUT_SHOTS = frozenset(
    {"unreadable-files", "skipped-files", "unused-images", "small-classes", "few-groups"}
    | {"repeated-subfolders", "subfolders", "unused-annotations"}
)
_PLOT_NOTE = (
    "Each box holds the middle half of the images of a class, with the median as a line. Points are images far from "
    "the others."
)
_LEGEND = (
    '<p class="legend">Boxes are <b class="agreed">blue</b>, or <b class="other">orange</b> if the image does not have '
    "their label.</p>"
)
_STYLE = """
.finding { border: 1px solid #d8dde4; border-left-width: 6px; border-radius: 6px; padding: .7rem 1rem; margin: 1rem 0 }
.finding.error { border-left-color: #b42318 } .finding.warning { border-left-color: #b35c00 }
.finding.note { border-left-color: #5a6675 } .finding p { margin: .2rem 0 .5rem; overflow-wrap: anywhere }
.badge { color: #fff; border-radius: 4px; padding: .05rem .45rem; font-size: .8rem; font-weight: 600 }
.badge { margin-right: .4rem } .finding.error, .finding.warning, .finding.note { background: #fff; color: #1c2430 }
.error .badge, .badge.error { background: #b42318 } .warning .badge, .badge.warning { background: #9a4f00 }
.note .badge, .badge.note { background: #4a5565 } .finding code { color: #3d4856; font-size: .85rem }
.shots { display: flex; flex-wrap: wrap; gap: .8rem; align-items: flex-start } .shots figure { width: auto; margin: 0 }
.shots img { display: block; max-height: 8.5rem; max-width: 100%; height: auto; width: auto }
.shots figcaption { max-width: 16rem; color: #3d4856; margin-top: .2rem } .wide figcaption { max-width: none }
.pair { display: flex; flex-wrap: wrap; gap: .3rem; border: 1px solid #e3e7ec; border-radius: 6px; padding: .4rem }
.sheet img { max-height: 6rem } .sheet { gap: .35rem } .sheet figcaption { display: none }
.bars td { text-align: left } .bars td + td { text-align: right; white-space: nowrap }
.bars td:last-child { width: 100%; text-align: left } .bars i { display: block; height: .8rem; background: #0072B2 }
.bars td:first-child { overflow-wrap: anywhere; min-width: 8rem }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } .plots img { flex: 0 1 23rem; min-width: 0; max-width: 100% }
.finding .legend { font-size: .85rem; margin-top: .5rem } .agreed { color: #005b8e } .other { color: #a84300 }
details { margin-top: .5rem } summary { cursor: pointer; color: #0b5394 }
details ul { columns: 18rem; font-size: .85rem; overflow-wrap: anywhere; padding-left: 1.2rem }
"""


def survey_page(found: Survey) -> str:
    """Return the page, with all images embedded."""
    shots = Thumbnails(found)
    counts = {level: sum(finding.level == level for finding in found.findings) for level in LEVELS}
    summary = ", ".join(counted(count, level) for level, count in counts.items())
    note = f"{counted(len(found.samples), 'image')} in {counted(len(found.balance), 'class', 'classes')}. {summary}."
    parts = [
        _facts(found),
        "<h2>Findings</h2>",
        *(_finding(finding, shots) for finding in found.findings),
        "" if found.findings else "<p>Nothing to correct was found.</p>",
        "<h2>Classes</h2>",
        _bars(found.balance),
        "<h2>Brightness, contrast and sharpness</h2>",
        f'<p class="note">{_PLOT_NOTE}</p>',
        f'<div class="plots">{"".join(_plots(found))}</div>',
        *_sheets(found, shots),
    ]
    return page(f"Survey of {path_text(found.dataset.root.resolve().name)}", note, parts, _STYLE)


def _facts(found: Survey) -> str:
    sizes = [f"{size} ({count:,})" for size, count in found.sizes.items()]
    more = f" and {len(sizes) - _SIZES_MAX:,} more" if len(sizes) > _SIZES_MAX else ""
    rows = {
        "data": path_text(found.dataset.root.resolve()),
        "layout": found.dataset.layout,
        "files": found.files.text,
        "sizes": ", ".join(sizes[:_SIZES_MAX]) + more,
        "bits": "; ".join(group.text for group in found.depth_groups),
    }
    if found.annotations is not None:
        marks = found.annotations.marks.values()
        boxes, masks = sum(len(each.boxes) for each in marks), sum(len(each.masks) for each in marks)
        rows["annotations"] = f"{len(marks):,} images, {boxes:,} boxes, {masks:,} masks, {found.annotations.format}"
    return table((), rows.items(), "facts")


def _finding(finding: Finding, shots: Thumbnails) -> str:
    title = f'<span class="badge">{finding.level}</span><code>{finding.code}</code>'
    body = [f'<section class="finding {finding.level}"><div>{title}</div><p>{escape(_sentence(finding.text))}</p>']
    boxes = any(word in finding.code for word in _WITH_BOXES)
    if finding.pairs:
        body.append(f'<div class="shots">{"".join(_pairs(finding, shots))}</div>')
    elif finding.code not in _WITHOUT_SHOTS and finding.files:
        body.append(_shots(finding.files[:_SHOTS_MAX], shots, boxes))
        body.append(_LEGEND if boxes else "")
    if finding.files:
        names = finding.files[:_NAMES_MAX]
        more = (
            ""
            if len(names) == len(finding.files)
            else f"<p>{len(finding.files) - len(names):,} more in survey.json</p>"
        )
        items = "".join(f"<li>{escape(name)}</li>" for name in names)
        count = counted(len(finding.files), "file")
        body.append(f"<details><summary>{count}</summary><ul>{items}</ul>{more}</details>")
    return "".join([*body, "</section>"])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _pairs(finding: Finding, shots: Thumbnails) -> Iterator[str]:
    for pair in finding.pairs[:_PAIRS_MAX]:
        yield f'<div class="pair">{"".join(_figure(name, shots, False) for name in pair)}</div>'


def _shots(names: Iterable[str], shots: Thumbnails, boxes: bool) -> str:
    return f'<div class="shots">{"".join(_figure(name, shots, boxes) for name in names)}</div>'


def _figure(name: str, shots: Thumbnails, boxes: bool) -> str:
    shot = shots.make(name, boxes)
    if shot is None:
        return f"<figure><figcaption>{escape(name)}</figcaption></figure>"
    caption = f"{escape(name)}<br>{escape(shots.labels(name))}"
    wide = ' class="wide"' if shot.aspect > 2 else ""
    return f'<figure{wide}><img alt="{escape(name)}" src="{shot.url}"><figcaption>{caption}</figcaption></figure>'


def _bars(balance: dict[str, int]) -> str:
    largest = max(balance.values())
    rows = [
        (label, f"{count:,}", Html(f'<i style="width:{100 * count / largest:.1f}%"></i>'))
        for label, count in balance.items()
    ]
    return table((), rows, "bars")


def _plots(found: Survey) -> Iterator[str]:
    for name, png in draw_distributions(found):
        yield f'<img alt="{name} by class" src="{inline(png)}">'


def _sheets(found: Survey, shots: Thumbnails) -> Iterator[str]:
    """Yield a contact sheet for each class, with images evenly spaced over its members."""
    per_class = max(4, min(_SHEET_MAX, _SHEET_IMAGES_MAX // len(found.balance)))
    for label in found.balance:
        members = [sample.name for sample in found.samples if label in (sample.labels or ("clean",))]
        picked = np.unique(np.linspace(0, len(members) - 1, min(len(members), per_class)).round().astype(int))
        names = [members[at] for at in picked]
        title = f"{escape(label)}: {len(names):,} of {counted(len(members), 'image')}"
        figures = "".join(_figure(name, shots, False) for name in names)
        yield f'<h2>{title}</h2><div class="shots sheet">{figures}</div>'
