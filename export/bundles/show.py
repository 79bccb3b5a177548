"""`stripwatch export show`: what a bundle says of itself, for people and for programs."""

from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from stripwatch.export.bundles.model_cost import multiply_adds, parameters
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.model.bundle import Bundle, Manifest
from stripwatch.worker.model.onnx_metadata import graph_sha256
from stripwatch.worker.model.reference import Reference

LABEL_COLUMNS = ("label", "frames", "precision", "recall", "F1", "unsure from", "precision there", "recall there",
                 "sure from", "precision there", "recall there")  # fmt: skip
LABEL_NOTE = (
    "precision, recall, F1: of Keras, for the best label, or in multilabel for scores from 0.5 on; "
    "there: of this file, for scores from that threshold on"
)


@dataclass(frozen=True, slots=True)
class BundleCard:
    """A bundle, and what its file tells beyond the contract.

    graph_sha256: of the graph alone. operations: multiply-adds a frame, None where not known. parameters: numbers in
    its constants.
    """

    bundle: Bundle
    graph_sha256: str
    operations: int | None
    parameters: int


def read_card(bundle: Bundle) -> BundleCard:
    return BundleCard(bundle, graph_sha256(bundle.model), multiply_adds(bundle.model), parameters(bundle.model))


def as_json(card: BundleCard) -> dict[str, Any]:
    """The contract with what the file tells; a golden frame's bytes give way to their number."""
    manifest = card.bundle.manifest
    said: dict[str, Any] = msgspec.to_builtins(manifest)
    for shown, golden in zip(said["golden"], manifest.golden, strict=True):
        shown["encoded"] = len(golden.encoded)
    told = {
        "sha256": card.bundle.sha256,
        "graph_sha256": card.graph_sha256,
        "bytes": len(card.bundle.model),
        "operations": card.operations,
        "parameters": card.parameters,
    }
    return told | said


def print_card(card: BundleCard, console: Console) -> None:
    """One table of facts and one of labels."""
    manifest = card.bundle.manifest
    table = Table("fact", "value", title=f"{manifest.name} {manifest.version}", show_header=False)
    table.columns[1].overflow = "fold"
    for name, value in facts(card).items():
        table.add_row(name, value)
    console.print(table)
    labels = Table(*LABEL_COLUMNS, caption=LABEL_NOTE)
    for row in label_rows(manifest):
        labels.add_row(*row)
    console.print(labels)


def facts(card: BundleCard) -> dict[str, str]:
    bundle, manifest = card.bundle, card.bundle.manifest
    decode, origin, golden = manifest.decode, manifest.provenance, manifest.golden
    golden_bytes = sum(len(frame.encoded) for frame in golden)
    return {
        "file": f"{path_text(bundle.path)}, {len(bundle.model):,} bytes",
        "sha256": bundle.sha256,
        "sha256 of the graph": card.graph_sha256,
        "training frames": str(manifest.trained) if manifest.trained else "sizes not stated: the worker flags none",
        "input": f"{decode.height_px}x{decode.width_px} {decode.name}, {decode.fit}, {decode.interpolation}",
        "model": f"{origin.network}, {manifest.task}, {manifest.precision}, opset {manifest.opset}, "
        f"heatmaps: {manifest.heatmaps or 'none'}",
        "size": f"{card.parameters:,} parameters" + _of_operations(card.operations),
        "trained": f"{origin.created_at} on {origin.data}, weights {origin.weights}, seed {origin.seed}",
        "run": origin.run_id,
        "data sha256": origin.data_sha256,
        "code": origin.commit or "no commit known",
        "versions": ", ".join(f"{name} {version}" for name, version in origin.versions.items()),
        "Keras": _of_keras(manifest),
        "this file": _of_file(manifest),
        "golden frames": f"{len(golden)}, {golden_bytes:,} bytes, scores within {manifest.score_tolerance:.2g}",
        "thresholds": f"{manifest.thresholds_chosen}; scores at temperature {manifest.temperature:g}",
        "reference": _of_reference(manifest.reference),
    }


def label_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """As LABEL_COLUMNS has them."""
    return [_label_row(manifest, label) for label in manifest.labels]


def _of_operations(operations: int | None) -> str:
    return f", {operations / 1e6:,.1f} million multiply-adds a frame" if operations is not None else ""


def _of_keras(manifest: Manifest) -> str:
    found = manifest.validation
    f1 = f", macro-F1 {found.macro_f1:.4f}" if found.macro_f1 is not None else ""
    return f"accuracy {found.accuracy:.2%} of {found.frames} validation frames{f1}"


def _of_file(manifest: Manifest) -> str:
    found = manifest.fidelity
    if found is None:
        return "not compared with Keras on the validation frames"
    return (
        f"{found.scheme}: same answer as Keras on {found.agreement:.2%}, a score differs by at most "
        f"{found.score_difference:.2g}, accuracy {found.accuracy:.2%}, macro-F1 {found.macro_f1:.4f}"
    )


def _of_reference(found: Reference | None) -> str:
    if found is None:
        return "none: the worker cannot tell drift"
    spreads = {name: getattr(found, name) for name in ("brightness", "contrast", "sharpness")}
    told = ", ".join(f"{name} {spread.mean:.3g} ± {spread.deviation:.2g}" for name, spread in spreads.items())
    return f"{told} of {found.frames} training frames; answers on {found.answers} validation frames"


def _label_row(manifest: Manifest, label: str) -> tuple[str, ...]:
    threshold, figures = manifest.thresholds[label], manifest.validation.classes.get(label)
    measured: tuple[str, ...] = ("-",) * 4
    if figures:
        measured = (str(figures.frames), *_ratios(figures.precision, figures.recall, figures.f1))
    at_unsure: tuple[str, ...] = ("-", "-")
    at_sure: tuple[str, ...] = ("-", "-")
    there = manifest.threshold_figures.get(label) if manifest.threshold_figures else None
    if there:
        at_unsure = _ratios(there.unsure_precision, there.unsure_recall)
        at_sure = _ratios(there.sure_precision, there.sure_recall)
    name = f"{label} (no defect)" if label == manifest.clean_label else label
    return name, *measured, _exact(threshold.unsure), *at_unsure, _exact(threshold.sure), *at_sure


def _ratios(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)


def _exact(threshold: float) -> str:
    """With all its digits: whoever copies it into the settings gets the threshold that was measured."""
    return repr(threshold)
