"""Commands `stripwatch export run` and `stripwatch export verify`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stripwatch.export.convert import cli_options as options
from stripwatch.export.runs.cli_options import BundleArgument, MovedData, RunFolder
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.progress import duration

if TYPE_CHECKING:
    from stripwatch.export.convert.export_run import Exported


def run(
    folder: RunFolder,
    out: options.NewBundle,
    name: options.ModelName = None,
    version: options.ModelVersion = "1",
    golden: options.GoldenFrames = None,
    data: MovedData = None,
    precision: options.PrecisionOption = "fp32",
    agreement_min: options.AgreementMin = None,
    score_difference_max: options.ScoreDifferenceMax = None,
    accuracy_drop_max: options.AccuracyDropMax = None,
    f1_drop_max: options.F1DropMax = None,
    novelty_agreement_min: options.NoveltyAgreementMin = None,
    false_alarm_rise_max: options.FalseAlarmRiseMax = None,
    box_agreement_min: options.BoxAgreementMin = None,
    json_file: JsonFile = None,
) -> None:
    """Export a run to a bundle after checking that ONNX Runtime reproduces the Keras scores.

    The bundle contains golden frames: a few validation frames with the scores that Keras computed for them. The worker
    runs them when it loads the bundle, and rejects the bundle if the scores differ.

    The export compares the converted model with Keras on every validation frame. If a limit is exceeded, the command
    reports by how much and writes no file. For int8 it first quantizes every convolution, then fewer and fewer until
    the limits are met.

    \b
    Example:
      stripwatch export run runs/first --out model.onnx --name plant-a --version 2
      stripwatch export run runs/first --out small.onnx --precision int8 --accuracy-drop-max 0.2
    """
    given = {
        "agreement_min": agreement_min,
        "score_difference_max": score_difference_max,
        "accuracy_drop_max": accuracy_drop_max,
        "f1_drop_max": f1_drop_max,
        "novelty_agreement_min": novelty_agreement_min,
        "false_alarm_rise_max": false_alarm_rise_max,
        "box_agreement_min": box_agreement_min,
    }
    started = time.perf_counter()
    load_tensorflow()
    require("onnx", "tf2onnx", "onnxruntime", "sklearn")
    from stripwatch.export.convert.accuracy_gate import LIMITS
    from stripwatch.export.convert.export_run import ExportSettings, export_run

    limits = replace(LIMITS[precision], **{name: value for name, value in given.items() if value is not None})
    done = export_run(ExportSettings(folder, out, name, version, golden, data, precision, limits))
    seconds = time.perf_counter() - started
    step = command_text("check", "--bundle", out)
    finish(Outcome(_summary(out, done, seconds), _facts(out, done, seconds), next_steps=[step]), json_file)


def _summary(out: Path, done: Exported, seconds: float) -> dict[str, Any]:
    manifest = done.manifest
    return {
        "bundle": str(out),
        "name": manifest.name,
        "version": manifest.version,
        "bytes": done.model_bytes,
        "golden_frames": len(manifest.golden),
        "score_difference": done.parity.score_difference,
        "heatmap_difference": done.parity.heatmap_difference,
        "novelty_difference": done.parity.novelty_difference,
        "box_difference": done.parity.box_difference,
        "precision": manifest.precision,
        "fidelity": msgspec.to_builtins(manifest.fidelity),
        "seconds": round(seconds, 2),
        "warnings": [text for text in [manifest.no_clean_verdict] if text],
    }


def _facts(out: Path, done: Exported, seconds: float) -> dict[str, str]:
    """Return the table for people."""
    manifest, fidelity = done.manifest, done.manifest.fidelity
    facts = {
        "bundle": f"{path_text(out)}, {done.model_bytes:,} bytes",
        "model": f"{manifest.name} {manifest.version}, {manifest.precision}",
        "golden frames": f"{len(manifest.golden)}, scores within {manifest.score_tolerance:.2g}",
    }
    if fidelity is not None:
        facts |= {
            "same labels as Keras": f"{fidelity.agreement:.2%} of the validation frames",
            "largest score difference": f"{fidelity.score_difference:.2g}",
            "accuracy": f"{fidelity.accuracy:.4f}",
            "macro-F1": f"{fidelity.macro_f1:.4f}",
        }
    if manifest.novelty is not None and manifest.novelty.measured_share is not None:
        facts["novel frames"] = f"{manifest.novelty.measured_share:.2%} of the validation frames"
    if fidelity is not None and fidelity.boxes is not None:
        facts["predicted boxes"] = f"{fidelity.boxes.agreement:.2%} overlap those of Keras by half or more"
    return facts | {"time": duration(seconds)}


def verify(file: BundleArgument, json_file: JsonFile = None) -> None:
    """Verify that a bundle is intact and reproduces the scores of the trained model.

    Needs only the bundle file and the packages onnx and onnxruntime, but no TensorFlow. Exits with code 3 and an error
    message if a check fails.

    \b
    Example:
      stripwatch export verify model.onnx
    """
    require("onnx", "onnxruntime")
    from stripwatch.export.convert.verify import verify as verify_bundle

    verified = verify_bundle(file)
    manifest = verified.bundle.manifest
    summary = {
        "bundle": str(file),
        "name": manifest.name,
        "version": manifest.version,
        "sha256": verified.bundle.sha256,
        "golden_frames": len(manifest.golden),
        "golden_difference": verified.golden_difference,
        "score_tolerance": manifest.score_tolerance,
        "frames_per_second": verified.frames_per_second,
    }
    step = command_text("check", "--bundle", file)
    finish(Outcome(summary, next_steps=[step]), json_file)
