"""Metadata of a bundle, as tables and as JSON."""

from dataclasses import dataclass
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.export.bundles.model_cost import multiply_adds, parameters
from stripwatch.export.results.stress_results import limits_text
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.outcome import Outcome, command_text
from stripwatch.worker.common.terminal.tables import numbers_table
from stripwatch.worker.images.image_statistics import STATISTICS
from stripwatch.worker.model.bundle import Bundle, Manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import graph_sha256
from stripwatch.worker.model.reference import Reference

LABEL_COLUMNS = ("label", "frames", "precision", "recall", "F1", "unsure", "precision at unsure", "recall at unsure",
                 "sure", "precision at sure", "recall at sure")  # fmt: skip
LABEL_NOTE = (
    "precision, recall, F1: Keras model, for the best label, or in multilabel for scores of at least 0.5. "
    "unsure, sure: thresholds. At unsure, at sure: this bundle, for scores at or above that threshold."
)

NOVELTY_COLUMNS = ("class left out of the training", "frames", "detected as novel", "95 % from", "to")
NOVELTY_NOTE = (
    "share of the frames of a class that a model without this class detects as novel: the lower it is, the more new "
    "defects like these are reported as one of the known labels."
)

CHANGE_COLUMNS = ("change of the frames", "reliable to", "fails at", "strength")
CHANGE_NOTE = (
    "strengths of a change up to which the model is reliable: hardly more frames are confidently wrong than without "
    "it, and most of those that were right and certain remain so."
)

LIMIT_COLUMNS = ("camera condition of this model", "image statistic", "limit", "origin")
LIMIT_NOTE = "a worker reports a camera whose frames are beyond these limits on average."

_HEATMAPS = {None: "none", "activation": "class activation maps", "place": "scores of each cell"}


@dataclass(frozen=True, slots=True)
class BundleCard:
    """A bundle with facts that its manifest does not contain.

    graph_sha256: SHA-256 of the graph without metadata. operations: multiply-adds per frame; None if unknown.
    parameters: number of values in the constants of the graph.
    """

    bundle: Bundle
    graph_sha256: str
    operations: int | None
    parameters: int


def read_card(bundle: Bundle) -> BundleCard:
    """Collect the facts of a bundle."""
    return BundleCard(bundle, graph_sha256(bundle.model), multiply_adds(bundle.model), parameters(bundle.model))


def as_json(card: BundleCard) -> dict[str, Any]:
    """Return manifest and facts as JSON. The images of golden frames are replaced by their sizes in bytes."""
    manifest = card.bundle.manifest
    fields: dict[str, Any] = msgspec.to_builtins(manifest)
    for shown, golden in zip(fields["golden"], manifest.golden, strict=True):
        shown["encoded"] = len(golden.encoded)
    measured = {
        "sha256": card.bundle.sha256,
        "graph_sha256": card.graph_sha256,
        "bytes": len(card.bundle.model),
        "operations": card.operations,
        "parameters": card.parameters,
    }
    return measured | {"warnings": [text for text in [manifest.no_clean_verdict] if text]} | fields


def outcome(card: BundleCard) -> Outcome:
    """Return the metadata as JSON, as one table of facts, and one of labels."""
    manifest = card.bundle.manifest
    labels = numbers_table(*LABEL_COLUMNS)
    labels.caption = LABEL_NOTE
    for row in label_rows(manifest):
        labels.add_row(*row)
    tables = [labels]
    if unknown := novelty_rows(manifest):
        novelty = numbers_table(*NOVELTY_COLUMNS)
        novelty.caption = NOVELTY_NOTE
        for row in unknown:
            novelty.add_row(*row)
        tables.append(novelty)
    if limited := limit_rows(manifest):
        limits = Table(*LIMIT_COLUMNS, caption=LIMIT_NOTE)
        for row in limited:
            limits.add_row(*row)
        tables.append(limits)
    if withstood := change_rows(manifest):
        changes = numbers_table(*CHANGE_COLUMNS[:-1])
        changes.add_column(CHANGE_COLUMNS[-1])
        changes.caption = CHANGE_NOTE
        for row in withstood:
            changes.add_row(*row)
        tables.append(changes)
    named = {"bundle": f"{manifest.name} {manifest.version}"}
    step = command_text("check", "--bundle", card.bundle.path)
    return Outcome(as_json(card), named | facts(card), tables, [step], listing=True)


def facts(card: BundleCard) -> dict[str, str]:
    """Return the facts of a bundle as text, by name."""
    bundle, manifest = card.bundle, card.bundle.manifest
    decode, origin, golden = manifest.decode, manifest.provenance, manifest.golden
    golden_bytes = sum(len(frame.encoded) for frame in golden)
    return clean_fact(manifest) | {
        "file": f"{path_text(bundle.path)}, {len(bundle.model):,} bytes",
        "sha256": bundle.sha256,
        "graph sha256": card.graph_sha256,
        "training frames": str(manifest.trained)
        if manifest.trained
        else "sizes not recorded: the worker does not flag untrained sizes",
        "input": f"{decode.height_px}x{decode.width_px} {decode.name}, {decode.fit}, {decode.interpolation}",
        **_colour_fact(manifest),
        "model": f"{origin.network}, {manifest.trained_for or manifest.task}, {manifest.precision}, "
        f"opset {manifest.opset}, heatmaps: {_HEATMAPS[manifest.heatmaps]}",
        "boxes": _of_boxes(manifest),
        "size": f"{card.parameters:,} parameters" + _of_operations(card.operations),
        "trained": f"{origin.created_at} on {origin.data}, weights {origin.weights}, seed {origin.seed}",
        "run": origin.run_id,
        "data sha256": origin.data_sha256,
        "code": origin.commit or "commit unknown",
        "versions": ", ".join(f"{name} {version}" for name, version in origin.versions.items()),
        "Keras": _of_keras(manifest),
        "this bundle": _of_file(manifest),
        "golden frames": f"{len(golden)}, {golden_bytes:,} bytes, scores within {manifest.score_tolerance:.2g}",
        "thresholds": f"{manifest.thresholds_chosen}; scores at temperature {manifest.temperature:g}",
        "drift reference": _of_reference(manifest.reference),
        "novelty score": _of_novelty(manifest),
        "unknown defects": _of_unknown(manifest),
    }


def clean_fact(manifest: Manifest) -> dict[str, str]:
    """Return a warning as a row of a table if the model never gives the verdict clean, else nothing."""
    return {} if manifest.no_clean_verdict is None else {"warning": manifest.no_clean_verdict}


def _colour_fact(manifest: Manifest) -> dict[str, str]:
    """Return a row about the colour of the training images, or nothing if it is unknown or the model sees it."""
    reference, sees_colour = manifest.reference, manifest.decode.colour == "rgb"
    if reference is None or reference.colour is None or (sees_colour and not reference.is_grey):
        return {}
    if sees_colour:
        return {
            "colour": "none in the training images: 'fit --decode grey' makes a model that takes less time per frame"
        }
    if reference.is_grey:
        return {"colour": "none in the training images: the worker reports a camera whose frames gain colour"}
    return {"colour": "the training images have colour, which the model does not see"}


def label_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return one row per label with the columns of LABEL_COLUMNS."""
    return [_label_row(manifest, label) for label in manifest.labels]


def novelty_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return one row per class that was left out with the columns of NOVELTY_COLUMNS, the lowest share first."""
    if manifest.novelty_figures is None:
        return []
    shares = sorted(manifest.novelty_figures.left_out.items(), key=lambda item: item[1].share)
    return [
        (_named(manifest, label), f"{share.frames:,}", *_ratios(share.share, share.low, share.high))
        for label, share in shares
    ]


def change_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return one row per change that was measured, with the columns of CHANGE_COLUMNS."""
    return [(name, *limits_text(each), each.unit) for name, each in (manifest.withstands or {}).items()]


def limit_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return one row per camera condition of the model, with the columns of LIMIT_COLUMNS."""
    return [
        (
            name.replace("_", " "),
            limit.statistic,
            f"{'above' if limit.above else 'below'} {limit.value:.3g}",
            limit.reason,
        )
        for name, limit in (manifest.camera_limits or {}).items()
    ]


def _named(manifest: Manifest, label: str) -> str:
    return f"{label} (no defect)" if label == manifest.clean_label else label


def _of_boxes(manifest: Manifest) -> str:
    if manifest.heatmaps is None or manifest.grid is None:
        return "none, because the bundle has no heatmaps with known positions of the cells"
    if manifest.boxes is None:
        return f"regions of the heatmap with a value of {manifest.box_threshold:g} or more"
    return (
        f"predicted by the model; certainty of {manifest.boxes.threshold:g} or more (score of the cell times quality "
        "of its box)"
    )


def _of_unknown(manifest: Manifest) -> str:
    figures = manifest.novelty_figures
    if manifest.trained_for == "anomaly":
        return "every defect is unknown to an anomaly model, and has the label anomaly"
    if figures is None:
        return "detection of unknown defects not measured"
    false = figures.false_alarms
    alarms = f"{false.share:.2%} of {false.frames:,} validation frames are false alarms"
    if figures.left_out_mean is None:
        return alarms
    return f"{alarms}; {figures.left_out_mean:.1%} of a left-out class detected on average"


def _of_operations(operations: int | None) -> str:
    return f", {operations / 1e6:,.1f} million multiply-adds per frame" if operations is not None else ""


def _of_keras(manifest: Manifest) -> str:
    validation = manifest.validation
    f1 = f", macro-F1 {validation.macro_f1:.4f}" if validation.macro_f1 is not None else ""
    return f"accuracy {validation.accuracy:.2%} on {validation.frames} validation frames{f1}"


def _of_file(manifest: Manifest) -> str:
    fidelity = manifest.fidelity
    if fidelity is None:
        return "not compared with Keras on the validation frames"
    return (
        f"{fidelity.scheme}: same prediction as Keras for {fidelity.agreement:.2%} of the validation frames, largest "
        f"score difference {fidelity.score_difference:.2g}, accuracy {fidelity.accuracy:.2%}, "
        f"macro-F1 {fidelity.macro_f1:.4f}"
    )


def _of_reference(reference: Reference | None) -> str:
    if reference is None:
        return "none: the worker cannot detect drift"
    spreads = {name: spread for name in STATISTICS if (spread := getattr(reference, name)) is not None}
    values = ", ".join(f"{name} {spread.mean:.3g} ± {spread.deviation:.2g}" for name, spread in spreads.items())
    return f"{values} on {reference.frames} training frames; predictions on {reference.answers} validation frames"


def _of_novelty(manifest: Manifest) -> str:
    spec, fidelity = manifest.novelty, manifest.fidelity
    if manifest.trained_for == "anomaly":
        return "none: the worker reports frames unlike the training frames as defects"
    if spec is None:
        return "none: the worker does not detect frames unlike the training frames"
    measured = "" if spec.measured_share is None else f"; novel with this bundle: {spec.measured_share:.2%}"
    if measured and fidelity is not None and fidelity.novelty is not None:
        measured += f" of the validation frames, with Keras: {fidelity.novelty.keras_share:.2%}"
    elif measured:
        measured += " of the validation frames"
    return (
        f"{spec.method}; novel above {spec.threshold:.6g}, chosen for {spec.false_alarm_rate:.2%} false alarms on "
        f"{spec.frames:,} training frames{measured}; golden scores within {spec.tolerance:.2g}"
    )


def _label_row(manifest: Manifest, label: str) -> tuple[str, ...]:
    threshold, figures = manifest.thresholds[label], manifest.validation.classes.get(label)
    measured: tuple[str, ...] = ("-",) * 4
    if figures:
        ratios = _ratios(figures.precision, figures.recall, figures.f1) if figures.frames else ("-",) * 3
        measured = (str(figures.frames), *ratios)
    at_unsure: tuple[str, ...] = ("-", "-")
    at_sure: tuple[str, ...] = ("-", "-")
    at_thresholds = manifest.threshold_figures.get(label) if manifest.threshold_figures else None
    if at_thresholds and (figures is None or figures.frames):
        at_unsure = _ratios(at_thresholds.unsure_precision, at_thresholds.unsure_recall)
        at_sure = _ratios(at_thresholds.sure_precision, at_thresholds.sure_recall)
    return _named(manifest, label), *measured, _exact(threshold.unsure), *at_unsure, _exact(threshold.sure), *at_sure


def _ratios(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)


def _exact(threshold: float) -> str:
    """Return a threshold with all its digits, so that a value copied into the settings is the measured one."""
    return repr(threshold)
