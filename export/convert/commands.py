"""`stripwatch export run` and `verify`: what they take, and the summaries they end with."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stripwatch.export.runs.cli_options import BundleArgument, MovedData, RunFolder
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.worker.common.console import print_summary
from stripwatch.worker.model.bundle import Precision


def run(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")],
    name: Annotated[str | None, typer.Option(help="Of the model; data folder and network if not given.")] = None,
    version: Annotated[str, typer.Option(help="Of the model.")] = "1",
    golden: Annotated[
        int | None, typer.Option(min=1, help="Golden frames; two a label up to twelve if not given.")
    ] = None,
    data: MovedData = None,
    precision: Annotated[
        Precision, typer.Option("--precision", help="fp16 and int8 are smaller and, where the device helps, faster.")
    ] = "fp32",
    agreement_min: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of validation frames with the same answer as Keras.")
    ] = None,
    score_difference_max: Annotated[float | None, typer.Option(min=0, max=1, help="Of any score to Keras.")] = None,
    accuracy_drop_max: Annotated[
        float | None, typer.Option(min=0, max=100, help="Points of accuracy; else 0 for fp32, 0.1 fp16, 0.5 int8.")
    ] = None,
    f1_drop_max: Annotated[float | None, typer.Option(min=0, max=100, help="Points of macro-F1; likewise.")] = None,
) -> None:
    """Export a run: convert, prove that ONNX Runtime computes what Keras computes, write.

    A few validation frames travel in the file with the scores that Keras gave: the golden frames. The worker runs them
    at load, and refuses a file that gives other scores. Every validation frame goes through the file once: one that
    loses more than the limits is refused, says by how much, and nothing is written. For int8, first every convolution
    is tried in eight bits, then fewer and fewer.

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
    }
    started = time.perf_counter()
    load_tensorflow()
    require("onnx", "tf2onnx", "onnxruntime", "sklearn")
    from stripwatch.export.convert.accuracy_gate import LIMITS
    from stripwatch.export.convert.export_run import ExportSettings, export_run

    limits = replace(LIMITS[precision], **{name: value for name, value in given.items() if value is not None})
    done = export_run(ExportSettings(folder, out, name, version, golden, data, precision, limits))
    fidelity = done.manifest.fidelity
    print_summary(
        {
            "bundle": str(out),
            "name": done.manifest.name,
            "version": version,
            "bytes": done.model_bytes,
            "golden_frames": len(done.manifest.golden),
            "score_difference": done.parity.score_difference,
            "heatmap_difference": done.parity.heatmap_difference,
            "precision": precision,
            "fidelity": msgspec.to_builtins(fidelity),
            "seconds": round(time.perf_counter() - started, 2),
        }
    )


def verify(file: BundleArgument) -> None:
    """Prove from the file alone that a bundle is whole, unchanged, and computes what was trained.

    Ends with exit code 3 and one sentence when it does not.

    \b
    Example:
      stripwatch export verify model.onnx
    """
    require("onnx", "onnxruntime")
    from stripwatch.export.convert.verify import verify as prove

    proved = prove(file)
    manifest = proved.bundle.manifest
    print_summary(
        {
            "bundle": str(file),
            "name": manifest.name,
            "version": manifest.version,
            "sha256": proved.bundle.sha256,
            "golden_frames": len(manifest.golden),
            "golden_difference": proved.golden_difference,
            "score_tolerance": manifest.score_tolerance,
            "frames_per_second": proved.frames_per_second,
        }
    )
