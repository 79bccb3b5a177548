"""`stripwatch-export`, the same as `python -m export`: every command of export."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export.quiet import load_tensorflow, require
from worker.bundle import read_bundle
from worker.console import new_app, print_summary, run_app

app = new_app("stripwatch-export", "Make a bundle: one ONNX file that says what it is and proves what it computes.")


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that training wrote.")],
    out: Annotated[Path, typer.Option(help="File to write; never overwritten.")],
    name: Annotated[str | None, typer.Option(help="Of the model; data folder and network if not given.")] = None,
    version: Annotated[str, typer.Option(help="Of the model.")] = "1",
    golden: Annotated[
        int | None, typer.Option(min=1, help="Golden frames; two a label up to twelve if not given.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Where the data folder of the run is now, if it moved.")] = None,
) -> None:
    """Export a run: convert, prove that ONNX Runtime computes what Keras computes, write.

    A few validation frames travel in the file with the scores that Keras gave: the golden frames. The worker runs them
    at load, and refuses a file that gives other scores.

    \b
    Example:
      stripwatch-export run runs/first --out model.onnx --name plant-a --version 2
    """
    started = time.perf_counter()
    load_tensorflow()
    require("onnx", "tf2onnx", "onnxruntime")
    from export.run import ExportSettings, export_run

    done = export_run(ExportSettings(folder, out, name, version, golden, data))
    print_summary(
        {
            "bundle": str(out),
            "name": done.name,
            "version": version,
            "bytes": done.model_bytes,
            "golden_frames": done.golden_frames,
            "score_difference": done.parity.score_difference,
            "heatmap_difference": done.parity.heatmap_difference,
            "seconds": round(time.perf_counter() - started, 2),
        }
    )


@app.command()
def verify(file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")]) -> None:
    """Prove from the file alone that a bundle is whole, unchanged, and computes what was trained.

    Ends with exit code 3 and one sentence when it does not.

    \b
    Example:
      stripwatch-export verify model.onnx
    """
    require("onnx", "onnxruntime")
    from export.verify import verify as prove

    proved = prove(file)
    contract = proved.bundle.contract
    print_summary(
        {
            "bundle": str(file),
            "name": contract.name,
            "version": contract.version,
            "sha256": proved.bundle.sha256,
            "golden_frames": len(contract.golden),
            "golden_difference": proved.golden_difference,
            "score_tolerance": contract.score_tolerance,
            "frames_per_second": proved.frames_per_second,
        }
    )


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Print what a bundle says of itself, after its seal was checked.

    \b
    Example:
      stripwatch-export show model.onnx --json
    """
    from export import show as card

    bundle = read_bundle(file)
    if as_json:
        print_summary(card.as_json(bundle))
    else:
        card.print_card(bundle, Console())


def main() -> None:
    run_app(app, "stripwatch-export")
