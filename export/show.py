"""`export show`: what a bundle says of itself."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from worker.bundle import Bundle, Contract


def as_json(bundle: Bundle) -> dict[str, Any]:
    """The contract with sha256 and size of the file; a golden frame's bytes give way to their number."""
    said: dict[str, Any] = msgspec.to_builtins(bundle.contract)
    for shown, golden in zip(said["golden"], bundle.contract.golden, strict=True):
        shown["encoded"] = len(golden.encoded)
    return {"sha256": bundle.sha256, "bytes": len(bundle.model)} | said


def print_card(bundle: Bundle, console: Console) -> None:
    """For people: one table of facts and one of labels."""
    console.print(_facts(bundle))
    console.print(_labels(bundle.contract))


def _facts(bundle: Bundle) -> Table:
    contract, origin = bundle.contract, bundle.contract.provenance
    decode = contract.decode
    table = Table("fact", "value", title=f"{contract.name} {contract.version}", show_header=False)
    table.columns[1].overflow = "fold"
    rows = {
        "file": f"{bundle.path}, {len(bundle.model):,} bytes",
        "sha256": bundle.sha256,
        "input": f"{decode.height_px}x{decode.width_px} {decode.colour}, {decode.fit}, {decode.interpolation}",
        "model": f"{origin.network}, {contract.precision}, opset {contract.opset}, heatmaps: {contract.heatmaps}",
        "trained": f"{origin.created_at} on {origin.data}, weights {origin.weights}, seed {origin.seed}",
        "run": origin.run_id,
        "data sha256": origin.data_sha256,
        "code": origin.commit or "no commit known",
        "versions": ", ".join(f"{name} {version}" for name, version in origin.versions.items()),
        "accuracy": f"{contract.validation.accuracy:.2%} of {contract.validation.frames} validation frames",
        "golden frames": f"{len(contract.golden)}, scores within {contract.score_tolerance:g}",
        "thresholds": contract.thresholds_chosen,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _labels(contract: Contract) -> Table:
    table = Table("label", "sure", "unsure", "precision", "recall", "F1", "frames")
    for label in contract.labels:
        threshold, figures = contract.thresholds[label], contract.validation.classes.get(label)
        measured = (
            (f"{figures.precision:.3f}", f"{figures.recall:.3f}", f"{figures.f1:.3f}", str(figures.frames))
            if figures
            else ("-",) * 4
        )
        name = f"{label} (no defect)" if label == contract.clean_label else label
        table.add_row(name, f"{threshold.sure:g}", f"{threshold.unsure:g}", *measured)
    return table
