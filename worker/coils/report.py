"""`stripwatch report`: reports the coils that are still on Kafka as a table, CSV or JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import open_reader
from stripwatch.worker.broker.time_ordered_reader import TimeOrderedReader
from stripwatch.worker.broker.topic_reader import TopicReader, from_beginning
from stripwatch.worker.coils.grading.coil_state import reason_text
from stripwatch.worker.coils.grading.model_labels import ModelLabels
from stripwatch.worker.coils.tracking.coil_part import CoilPart
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules, CoilTracker
from stripwatch.worker.coils.tracking.observations import Observation, observation_from_record
from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.folders import require_place
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import POSITION_FAULTS, CoilSummary

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SAY_EVERY = 50_000
_COLUMNS = (
    *("line", "coil", "ended", "first_captured_at", "last_captured_at", "length_m", "uncovered_m"),
    *("frames_inspected", "frames_skipped", "frames_rejected"),
    *("frames_unsure", "frames_flagged"),
    *("partly_uncovered_m", "cameras_silent", "positions_outlier", "positions_reset", "positions_jump"),
    *("positions_reversed", "positions_still", "revision", "supplement", "strip_defects_total", "gaps_total"),
    *("replaced_rejects", "state", "reasons", "worst_defect", "worst_severity", "frames_novel"),
)


def report(settings: Settings, coil: str | None, csv_path: Path | None, force: bool) -> list[CoilSummary]:
    """Report all coils (or those with one name) in the results and rejects, oldest first.

    Raises BrokerUnavailableError, InputError if the CSV file exists or cannot be written, and SettingsError for a coil
    that is not found.
    """
    require_place("--csv", csv_path)
    if csv_path and csv_path.exists() and not force:
        raise InputError(f"{csv_path} already exists; use --force to replace it")
    found = [one for one in read_coils(settings) if coil is None or one.coil == coil]
    if coil is not None and not found:
        raise SettingsError(f"coil {coil!r} not found in {settings.topics.results} at {settings.bootstrap_servers}")
    if csv_path:
        write_csv(csv_path, found)
    return found


def read_coils(settings: Settings) -> list[CoilSummary]:
    """Summarize all coils from the beginning of the topics to their current end, oldest first."""
    rules, labels = CoilRules.of(settings), ModelLabels()
    collector = CoilCollector(rules)
    topics = [settings.topics.results, settings.topics.rejects]
    read = 0
    with open_reader(client_config(settings, TOOLS_ID)) as consumer:
        reader = TimeOrderedReader(
            TopicReader(consumer, topics, from_beginning),
            lambda record: observation_from_record(record, settings.topics.rejects),
        )
        while not reader.is_caught_up:
            for now_s, observation in reader.poll():
                collector.add(observation, now_s)
                labels.add(observation.model_labels if observation else frozenset())
                read += 1
                if read % _SAY_EVERY == 0:
                    say(f"{read} records read")
    if missing := labels.missing(rules.grading.labels):
        say(f"the settings severity or limits name classes that no model has: {', '.join(missing)}")
    return collector.finish()


class CoilCollector:
    """Collects the newest summary of each coil. It keeps frames only for coils that can still change."""

    def __init__(self, rules: CoilRules) -> None:
        self._tracker = CoilTracker(rules)
        self._summaries: dict[str, CoilSummary] = {}
        self._looked_s = 0.0

    def add(self, observation: Observation | None, now_s: float) -> None:
        if now_s - self._looked_s >= 1:
            self._looked_s = now_s
            self._collect(self._tracker.due(now_s))
        if observation:
            self._tracker.add(observation, now_s)

    def finish(self) -> list[CoilSummary]:
        """Return the summaries of all coils, oldest first. `ended` is None for coils that may still run."""
        self._collect(self._tracker.finish())
        return sorted(self._summaries.values(), key=lambda summary: summary.first_captured_at)

    def _collect(self, parts: list[CoilPart]) -> None:
        for part in parts:
            summary = part.summary()
            self._summaries[summary.id] = summary


def as_table(coils: Sequence[CoilSummary]) -> Table:
    table = Table(box=None)
    labels = sorted({label for coil in coils for label in coil.defects})
    faulty = any(coil.cameras_silent or coil.position_faults for coil in coils)
    novel = any(coil.novel for coil in coils)
    notes = ("partly uncovered (m)", "silent cameras", "position faults") if faulty else ()
    for name in (
        *(
            "coil",
            "line",
            "state",
            "length (m)",
            "not covered (m)",
            "frames",
            "unsure",
            "flagged",
            "rejected",
            "skipped",
        ),
        *notes,
        *(("novel",) if novel else ()),
        *labels,
    ):
        texts = ("coil", "line", "state", "silent cameras", "position faults")
        table.add_column(name, justify="left" if name in texts else "right")
    for coil in coils:
        counts = coil.frames
        table.add_row(
            *(_named(coil), coil.line or "-", coil.state or "-", metres(coil.length_mm), metres(coil.uncovered_mm)),
            str(sum(msgspec.structs.astuple(counts))),
            *(str(n) for n in (coil.verdicts.get("unsure", 0), coil.flagged, counts.rejected, counts.skipped)),
            *(_notes(coil) if faulty else ()),
            *((str(coil.novel),) if novel else ()),
            *(str(coil.defects.get(label, 0)) for label in labels),
        )
    return table


def _notes(coil: CoilSummary) -> tuple[str, str, str]:
    faults = ", ".join(f"{kind} {count}" for kind, count in coil.position_faults.items())
    return metres(coil.partly_uncovered_mm), " ".join(coil.cameras_silent), faults


def _named(coil: CoilSummary) -> str:
    return f"{coil.coil or '-'} (late frames)" if coil.supplement else coil.coil or "-"


def reasons(coils: Sequence[CoilSummary]) -> list[str]:
    """Return a line for each coil that is not ok, with what it exceeds, and one with the classes without a limit."""
    lines = [
        f"{_named(coil)}: {coil.state}: {'; '.join(map(reason_text, coil.exceeded))}" for coil in coils if coil.exceeded
    ]
    if labels := sorted({label for coil in coils for label in coil.without_limit}):
        lines.append(
            f"no limit is set for {', '.join(labels)}, so the state says nothing about them; set "
            "limits.defect_frames_per_100_m"
        )
    return lines


def metres(mm: int | None) -> str:
    return "" if mm is None else f"{mm / 1000:.3f}"


def as_csv(coils: Sequence[CoilSummary]) -> str:
    """Return one row per coil and one column per class. Names that a spreadsheet would run as formulas are quoted."""
    labels = sorted({label for coil in coils for label in coil.defects})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(spreadsheet_text(f"defects {label}") for label in labels)])
    for coil in coils:
        row: list[Any] = [spreadsheet_text(coil.line), spreadsheet_text(coil.coil), coil.ended or ""]
        row += [coil.first_captured_at, coil.last_captured_at, metres(coil.length_mm), metres(coil.uncovered_mm)]
        row += [*msgspec.structs.astuple(coil.frames), coil.verdicts.get("unsure", 0), coil.flagged]
        row += [metres(coil.partly_uncovered_mm), spreadsheet_text(" ".join(coil.cameras_silent))]
        row += [coil.position_faults.get(kind, 0) for kind in POSITION_FAULTS]
        row += [coil.revision, "yes" if coil.supplement else "", coil.strip_defects_total, coil.gaps_total]
        row += [coil.replaced_rejects, coil.state or "", spreadsheet_text("; ".join(map(reason_text, coil.exceeded)))]
        row += (
            [spreadsheet_text(coil.worst.label), coil.severities.get(coil.worst.label, "")] if coil.worst else ["", ""]
        )
        row += [coil.novel, *(coil.defects.get(label, 0) for label in labels)]
        writer.writerow(row)
    return text.getvalue()


def write_csv(path: Path, coils: Sequence[CoilSummary]) -> None:
    """Write the CSV file. Raises InputError with its path if that fails."""
    atomic_write(path, as_csv(coils).encode())


def spreadsheet_text(name: str | None) -> str:
    """Return a name that a spreadsheet does not run as a formula."""
    return f"'{name}" if name and name.startswith(_FORMULA) else name or ""
