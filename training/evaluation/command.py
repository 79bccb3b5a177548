"""Command `stripwatch train evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.cli_options import MovedData, RunFolder
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_evaluation import Interval, total
from stripwatch.worker.common.terminal.console import print_summary


def evaluate(
    run: RunFolder,
    data: MovedData = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Folder of test images to measure on. Default: the validation frames of the run."),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Recall that the `unsure` threshold of each label must reach. Default: choose the best F1 instead.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Boxes for measuring localization: a folder of VOC XML files, or truth.jsonl as written by simulate. "
            "Default: those that fit used."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html and its plots. Default: RUN/evaluation.")
    ] = None,
) -> None:
    """Evaluate a finished run: accuracy, calibration and thresholds, with plots and an HTML report.

    The results are also written to evaluation.json in the run folder, from which `export run` takes the thresholds.
    Thresholds and temperature are always chosen on the validation frames of the run.

    A threshold lies between two scores, at least 5e-5 away from both, so that other devices give the same results; with
    many frames, up to 1 % of those at or above the threshold may be closer. Precision and recall are counted at exactly
    this value. In the summary, "unreached" lists the labels that miss the requested recall, and "sure_unreached" those
    whose precision at `sure` is below 99 %.

    \b
    Example:
      stripwatch train evaluate runs/first --recall 0.98
    """
    load_tensorflow()
    require("matplotlib", "scipy", "sklearn")
    from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run

    settings = EvaluateSettings(run, data, test, recall, out, boxes)
    found = evaluate_run(settings)
    print_summary(
        {
            "run": str(run),
            "measured_on": found.measured_on,
            "frames": found.frames,
            "accuracy": rounded(found.accuracy),
            "macro_f1": found.macro_f1 and rounded(found.macro_f1),
            "calibration_error": round(found.calibration.error, 4),
            "temperature": round(found.calibration.temperature, 3),
            "calibration_error_scaled": round(found.calibration.error_scaled, 4),
            "temperature_applied": round(found.calibration.applied, 3),
            "thresholds": {
                label: {"unsure": chosen.unsure.value, "sure": chosen.sure.value}
                for label, chosen in found.thresholds.items()
            },
            "unreached": [label for label, chosen in found.thresholds.items() if not chosen.unsure.reached],
            "sure_unreached": [label for label, chosen in found.thresholds.items() if not chosen.sure.reached],
            "localisation": found.localisation and total(found.localisation).shares,
            "report": str((out or run / "evaluation") / "report.html"),
        }
    )


def rounded(found: Interval) -> list[float]:
    """Return value, lower and upper limit, rounded to four digits."""
    return [round(limit, 4) for limit in (found.value, found.low, found.high)]
