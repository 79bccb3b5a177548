"""`stripwatch export list`: the bundles of a store, for people and for programs."""

from typing import Any

from rich.console import Console
from rich.table import Table

from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.model.bundle_store import RegistryEntry


def as_json(found: list[RegistryEntry]) -> dict[str, Any]:
    """promoted: name to version. bundles: one an entry, in the order of the store."""
    return {
        "promoted": {entry.name: entry.version for entry in found if entry.promoted},
        "bundles": [
            {
                "name": entry.name,
                "version": entry.version,
                "promoted": entry.promoted,
                "sha256": entry.sha256,
                "bytes": entry.size_bytes,
                "problem": entry.problem,
            }
            for entry in found
        ],
    }


def print_table(found: list[RegistryEntry], console: Console) -> None:
    table = Table("name", "version", "promoted", "precision", "accuracy", "MB", "sha256")
    for entry in found:
        table.add_row(path_text(entry.name), path_text(entry.version), "yes" if entry.promoted else "", *_facts(entry))
    console.print(table)


def _facts(entry: RegistryEntry) -> tuple[str, str, str, str]:
    manifest = entry.manifest
    if manifest is None or entry.sha256 is None:
        return "unusable", "", "", ""
    measured = manifest.fidelity.accuracy if manifest.fidelity else manifest.validation.accuracy
    return manifest.precision, f"{measured:.4f}", f"{entry.size_bytes / 1e6:.2f}", entry.sha256[:12]
