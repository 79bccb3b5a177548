"""Counts of the files that a command used and skipped in the folders that it read."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stripwatch.worker.common.terminal.facts import facts_of

UNREADABLE = "cannot be read"
_NAMED_MAX = 3
_ALSO_COUNTED = ("files", "files_skipped", "file_counts")  # entries of earlier versions, which the counts repeat


class SkippedFiles(msgspec.Struct, frozen=True):
    """Files and folders that were skipped for one reason: their number, and the first few names."""

    files: int
    first: list[str]


class FileCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many files were used, and which were skipped, by reason. annotations: used annotation files."""

    used: int
    skipped: dict[str, SkippedFiles]
    annotations: int = 0

    @property
    def text(self) -> str:
        """Return the counts for people."""
        total = sum(each.files for each in self.skipped.values())
        reasons = ", ".join(
            f"{why}: {each.files} ({', '.join(each.first)}{', ...' if each.files > len(each.first) else ''})"
            for why, each in self.skipped.items()
        )
        files = "annotation file" if self.annotations == 1 else "annotation files"
        annotations = f" and {self.annotations:,} {files}" if self.annotations else ""
        return f"{self.used:,} used{annotations}, {total:,} skipped" + (f": {reasons}" if reasons else "")


def count_files(used: int, skipped: Mapping[str, Sequence[str]], annotations: int = 0) -> FileCounts:
    """Return the counts for a number of used files, of used annotation files, and the skipped ones by reason."""
    named = sorted(((why, names) for why, names in skipped.items() if names), key=lambda item: -len(item[1]))
    first = {why: SkippedFiles(len(names), list(names[:_NAMED_MAX])) for why, names in named}
    return FileCounts(used, first, annotations)


def with_counts(
    summary: Mapping[str, Any], counts: FileCounts | None, facts: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Return the JSON object and the table of a command with the counts at the end of both.

    summary: the JSON object, which gets the entry "file_counts". facts: the table for people; None takes it from the
    summary. Both are unchanged without counts.
    """
    if counts is None:
        return dict(summary), None if facts is None else dict(facts)
    shown = facts_of({name: value for name, value in summary.items() if name not in _ALSO_COUNTED})
    table = dict(shown if facts is None else facts) | {"files": counts.text}
    return dict(summary) | {"file_counts": msgspec.to_builtins(counts)}, table
