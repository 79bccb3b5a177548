"""The results of a novelty detector as tables, for pages and for the terminal."""

from collections.abc import Iterator
from html import escape
from typing import Any

from rich.table import Table

from stripwatch.export.reporting.html import table
from stripwatch.export.results.novelty_results import MissedFrame, NoveltyResults, UnknownFrames
from stripwatch.worker.common.terminal.tables import numbers_table
from stripwatch.worker.contracts.model.model_record import DetectedShare

COLUMNS = ("unknown to the model", "frames", "detected", "95 % from", "to", "AUROC", "false alarms")
_MISSED_MAX = 200
_DETECTED = "Detected: share of the frames above the novelty threshold."
_LEFT_OUT = (
    "Each class was left out in turn: classifier, detector and threshold were fitted without it and then judged its "
    "frames."
)
_KNOWN = (
    "AUROC: 1 separates these frames from held-out frames of known classes perfectly, 0.5 is chance. False alarms: "
    "share of those held-out frames above the same threshold."
)


def novelty_section(results: NoveltyResults) -> str:
    """Return the results as HTML: figures, table, notes and the names of missed frames."""
    facts = novelty_facts(results)
    parts = [
        "<h2>Novelty</h2>",
        table((), facts.items(), "facts"),
        *_listing(results),
        *(f'<p class="note">{escape(note)}</p>' for note in results.notes),
        _missed(results),
    ]
    return "\n".join(parts)


def novelty_facts(results: NoveltyResults) -> dict[str, str]:
    """Return the main figures as text, by name."""
    facts = {"false alarms": f"{share_text(results.false_alarms)}; aimed for {results.false_alarm_rate:.1%}"}
    if results.left_out_mean is not None and results.left_out_min is not None:
        facts["left-out classes"] = (
            f"{results.left_out_mean:.1%} detected on average, {results.left_out_min:.1%} at least"
        )
    for folder, found in results.unknown.items():
        facts[f"unknown: {folder}"] = share_text(found.detected)
    return facts


def _listing(results: NoveltyResults) -> list[str]:
    """Return the table with its note, or nothing if no class was left out and no folder was given."""
    found = rows(results)
    if not found:
        return []
    note = " ".join([_DETECTED, *([_LEFT_OUT] if results.left_out else []), _KNOWN])
    return [f'<p class="note">{note}</p>', table(COLUMNS, found, "numbers")]


def novelty_tables(results: NoveltyResults | None) -> list[Table]:
    """Return the table for the terminal, unless no class was left out and no folder was given."""
    if results is None or not rows(results):
        return []
    found = numbers_table(*COLUMNS)
    for row in rows(results):
        found.add_row(*row)
    return [found]


def rows(results: NoveltyResults) -> list[tuple[str, ...]]:
    """Return one row per class and folder, with the columns of COLUMNS, the lowest share of the classes first."""
    classes = sorted(results.left_out.items(), key=lambda item: item[1].unknown.detected.share)
    found = [
        _row(label if each.counted else f"{label} (no defect; not in the mean)", each.unknown, each.false_alarms)
        for label, each in classes
    ]
    if results.left_out_mean is not None:
        found.append(("mean of the classes", "", f"{results.left_out_mean:.3f}", "", "", "", ""))
    return found + [_row(folder, each, results.false_alarms) for folder, each in results.unknown.items()]


def _row(name: str, found: UnknownFrames, false: DetectedShare) -> tuple[str, ...]:
    share = found.detected
    detected = (f"{share.share:.3f}", f"{share.low:.3f}", f"{share.high:.3f}") if share.frames else ("-", "-", "-")
    area = "-" if found.auroc is None else f"{found.auroc:.3f}"
    return name, f"{share.frames:,}", *detected, area, f"{false.share:.3f}" if false.frames else "-"


def share_text(share: DetectedShare) -> str:
    """Return a share with its interval as text."""
    if not share.frames:
        return "- (no frames)"
    return f"{share.share:.1%} of {share.frames:,} frames, 95 % interval {share.low:.1%} to {share.high:.1%}"


def novelty_summary(results: NoveltyResults) -> dict[str, Any]:
    """Return the figures that a command prints as JSON. The JSON file of the command has the missed frames."""
    return {
        "thresholds": [float(f"{value:.6g}") for value in results.thresholds],
        "false_alarm_rate": results.false_alarm_rate,
        "false_alarms": _share_json(results.false_alarms),
        "left_out": {
            label: {**_unknown_json(found.unknown), "false_alarms": round(found.false_alarms.share, 4)}
            for label, found in results.left_out.items()
        },
        "left_out_mean": None if results.left_out_mean is None else round(results.left_out_mean, 4),
        "left_out_min": None if results.left_out_min is None else round(results.left_out_min, 4),
        "unknown": {folder: _unknown_json(found) for folder, found in results.unknown.items()},
        "notes": results.notes,
    }


def _share_json(share: DetectedShare) -> dict[str, float]:
    limits = {"value": share.share, "low": share.low, "high": share.high}
    return {"frames": share.frames, **{name: round(value, 4) for name, value in limits.items()}}


def _unknown_json(found: UnknownFrames) -> dict[str, Any]:
    return {
        **_share_json(found.detected),
        "auroc": None if found.auroc is None else round(found.auroc, 4),
        "median_margin": None if found.median_margin is None else float(f"{found.median_margin:.6g}"),
        "missed": len(found.missed),
    }


def _missed(results: NoveltyResults) -> str:
    groups = list(_missed_by_group(results))
    every = [(group, frame) for group, frames in groups for frame in frames]
    if not every:
        return ""
    shown = [
        (group, frame.frame, frame.predicted, f"{frame.score:.3f}", f"{frame.margin:.3g}")
        for group, frames in groups
        for frame in frames[: max(1, _MISSED_MAX // len(groups))]
    ]
    more = f'<p class="note">{len(shown)} of {len(every):,}; the JSON file has all.</p>'
    listing = table(("unknown to the model", "frame", "predicted label", "score", "margin"), shown, "texts")
    summary = f"<summary>{len(every):,} missed frames, the most confident predictions of each group first</summary>"
    return f"<details>{summary}{more if len(shown) < len(every) else ''}{listing}</details>"


def _missed_by_group(results: NoveltyResults) -> Iterator[tuple[str, list[MissedFrame]]]:
    for label, left_out in results.left_out.items():
        if left_out.unknown.missed:
            yield label, left_out.unknown.missed
    for folder, found in results.unknown.items():
        if found.missed:
            yield folder, found.missed
