"""Listing of the bundles in a registry and of its history, as a table and as JSON."""

from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.export.bundles.registry import LOCK_FILE, NamedChange, RegistryEntry
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.common.terminal.file_counts import FileCounts, count_files
from stripwatch.worker.model.loading.bundle_store import POINTER_FILE


def as_json(bundles: list[RegistryEntry]) -> dict[str, Any]:
    """Return the listing as JSON. promoted: version by name. bundles: one object per bundle, in registry order."""
    return {
        "promoted": {entry.name: entry.version for entry in bundles if entry.promoted},
        "bundles": [
            {
                "name": entry.name,
                "version": entry.version,
                "promoted": entry.promoted,
                "sha256": entry.sha256,
                "bytes": entry.size_bytes,
                "problem": entry.problem,
            }
            for entry in bundles
        ],
    }


def count_entries(store: Path, bundles: list[RegistryEntry]) -> FileCounts:
    """Return how many bundles of a registry are usable, and which are not, with the other files in its folders."""
    found = {entry.path for entry in bundles}
    unusable = [name_below(store, entry.path) for entry in bundles if entry.problem]
    folders = [store, *(path for path in store.iterdir() if path.is_dir())]
    files = (path for folder in folders for path in sorted(folder.iterdir()) if not path.is_dir())
    own = (POINTER_FILE, LOCK_FILE)
    others = [name_below(store, path) for path in files if path not in found and path.name not in own]
    return count_files(len(bundles) - len(unusable), {"unusable bundle": unusable, "not a bundle": others})


def as_table(bundles: list[RegistryEntry]) -> Table:
    """Return a table with one row per bundle."""
    table = Table("name", "version", "promoted", "precision")
    for header in ("accuracy", "MB", "sha256"):
        table.add_column(header, justify="right")
    for entry in bundles:
        table.add_row(path_text(entry.name), path_text(entry.version), "yes" if entry.promoted else "", *_facts(entry))
    return table


def _facts(entry: RegistryEntry) -> tuple[str, str, str, str]:
    manifest = entry.manifest
    if manifest is None or entry.sha256 is None:
        return "unusable", "", "", ""
    measured = manifest.fidelity.accuracy if manifest.fidelity else manifest.validation.accuracy
    return manifest.precision, f"{measured:.4f}", f"{entry.size_bytes / 1e6:,.2f}", entry.sha256[:12]


def history_as_json(changes: list[NamedChange]) -> list[dict[str, Any]]:
    """Return one object per change, oldest first."""
    return [{"name": each.name} | msgspec.to_builtins(each.change) for each in changes]


def history_table(changes: list[NamedChange]) -> Table:
    """Return a table with one row per change, newest first."""
    table = Table()
    for header in ("when", "name", "change", "from", "to", "who", "why"):
        table.add_column(header, no_wrap=header == "when")  # a time is never shortened
    for name, change in reversed([(each.name, each.change) for each in changes]):
        before = change.from_.version if change.from_ else ""
        table.add_row(
            *(change.at, path_text(name), change.action, before, change.to.version),
            *(change.by or "not recorded", change.reason or ""),
        )
    return table
