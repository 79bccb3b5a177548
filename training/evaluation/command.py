"""`stripwatch train evaluate`: what it takes, and the summary it ends with."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.cli_options import MovedData, RunFolder
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_evaluation import Interval, total
from stripwatch.worker.common.console import print_summary


def evaluate(
    run: RunFolder,
    data: MovedData = None,
    test: Annotated[
        Path | None, typer.Option(help="Another data folder to measure on; else the run's validation frames.")
    ] = None,
    recall: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Suspect a label from where this is reached; else best F1.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="VOC XML folder or truth.jsonl, to measure places; else what fit was given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and pictures; else RUN/evaluation.")] = None,
) -> None:
    """Measure a finished run: figures a label, calibration, thresholds, pictures and one report.html.

    evaluation.json in the run folder keeps the figures and the thresholds. Thresholds and temperature are always chosen
    on the run's validation frames. A threshold lies between two scores, at least 5e-5 from both, so that another device
    gives the same answers; on many frames up to 1 % of those called the label may be closer. Precision and recall are
    counted at that value. sure_unreached names the labels that are right in less than 99 % at `sure`.

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
    """Value, low and high."""
    return [round(limit, 4) for limit in (found.value, found.low, found.high)]
