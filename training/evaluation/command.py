"""Command `stripwatch train evaluate`."""

from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.export.results.run_evaluation import Evaluation, Interval, total
from stripwatch.export.runs.cli_options import MovedData, RunFolder
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.training.datasets.cli_options import BoxesFormat, LeaveOneOut, StressFrames, TestLayout, Unknown
from stripwatch.training.evaluation import cli_options as options
from stripwatch.worker.common.terminal.facts import as_text, interval_text
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.common.terminal.tables import numbers_table


def evaluate(
    run: RunFolder,
    data: MovedData = None,
    test: options.TestImages = None,
    test_layout: TestLayout = "auto",
    recall: options.Recall = None,
    boxes: options.Boxes = None,
    boxes_format: BoxesFormat = "auto",
    unknown: Unknown = None,
    leave_one_out: LeaveOneOut = True,
    cache: options.Cache = None,
    stress_frames: StressFrames = 100,
    out: options.ReportFolder = None,
    json_file: JsonFile = None,
) -> None:
    """Evaluate a finished run: accuracy, calibration and thresholds, with plots and an HTML report.

    The results are also written to evaluation.json in the run folder, from which `export run` takes the thresholds.
    Thresholds and temperature are always chosen on the validation frames of the run.

    A threshold lies between two scores, at least 5e-5 away from both, so that other devices give the same results; with
    many frames, up to 1 % of those at or above the threshold may be closer. Precision and recall are counted at exactly
    this value. In the JSON object, "unreached" lists the labels that miss the requested recall, and "sure_unreached"
    those whose precision at `sure` is below 99 %.

    "novelty" states how much of what the model does not know its novelty detector finds. Each class is left out in
    turn: a classifier, the detector and the threshold are fitted on the features of the other classes, and the frames
    of the class should come out as novel. This takes one more pass over the training frames, and then seconds per
    class; --no-leave-one-out omits it, and --cache makes the next evaluation faster.

    "stress" states what the model withstands: --stress-frames of the frames are made darker, noisy, blurred, dusty and
    so on, at several strengths, and judged as a worker would judge them. For each kind of change it states the strength
    up to which the model is reliable. This takes about 50 predictions per frame; the command prints how long that will
    take on this machine before it starts.

    For a run of fit --task anomaly, "anomaly" states the AUROC, the share of defects found at the threshold, and both
    for each kind of defect if the images are sorted into classes. --recall, --unknown, --no-leave-one-out and --cache
    have no meaning then.

    \b
    Example:
      stripwatch train evaluate runs/first --recall 0.98
      stripwatch train evaluate runs/first --unknown other-steel/ --unknown new-defect/
    """
    load_tensorflow()
    require("matplotlib", "scipy", "sklearn")
    from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run
    from stripwatch.training.novelty.report import novelty_tables
    from stripwatch.training.stress.report import stress_table

    settings = EvaluateSettings(
        *(run, data, test, recall, out, boxes, boxes_format),
        unknown=tuple(unknown or ()),
        leave_one_out=leave_one_out,
        cache=cache,
        test_layout=test_layout,
        stress_frames=stress_frames,
    )
    found = evaluate_run(settings)
    report = (out or run / "evaluation") / "report.html"
    moved: list[str | Path] = ["--data", data] if data else []
    step = command_text("export", "run", run, *moved, "--out", Path(f"{run.resolve().name}.onnx"))
    summary = {"run": str(run), **_summary(found), "report": str(report)}
    tables = [_labels(found), *_kinds(found), *novelty_tables(found.novelty)]
    tables += [stress_table(found.stress)] if found.stress else []
    finish(Outcome(summary, _facts(found), tables, [step], {"report": report}), json_file)


def _summary(found: Evaluation) -> dict[str, Any]:
    from stripwatch.training.novelty.report import novelty_summary
    from stripwatch.training.stress.report import stress_summary

    return {
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
        "novelty": found.novelty and novelty_summary(found.novelty),
        "file_counts": msgspec.to_builtins(found.files),
        "stress": found.stress and stress_summary(found.stress),
        **({"anomaly": msgspec.to_builtins(found.anomaly)} if found.anomaly else {}),
    }


def _facts(found: Evaluation) -> dict[str, str]:
    """Return the table for people."""
    from stripwatch.training.evaluation.evaluation_report import share_text
    from stripwatch.training.novelty.report import novelty_facts

    calibration = found.calibration
    facts = {
        "measured on": f"{found.frames:,} {found.measured_on} frames",
        "accuracy": interval_text(rounded(found.accuracy)),
        "macro-F1": interval_text(rounded(found.macro_f1)) if found.macro_f1 else "- (no frame has a label)",
        "calibration error": f"{calibration.error:.4f}; {calibration.error_scaled:.4f} at temperature "
        f"{calibration.temperature:.2f}",
        "thresholds": found.thresholds_chosen,
    }
    if found.anomaly:
        facts |= {
            "AUROC": share_text(found.anomaly.auroc),
            "found at the threshold": share_text(found.anomaly.found),
            "false alarms": share_text(found.anomaly.false_alarms),
        }
    unreached = [label for label, chosen in found.thresholds.items() if not chosen.unsure.reached]
    sure = [label for label, chosen in found.thresholds.items() if not chosen.sure.reached]
    if unreached:
        facts["recall not reached"] = ", ".join(unreached)
    if sure:
        facts["sure below 99 %"] = ", ".join(sure)
    if found.localisation:
        facts["localization"] = as_text(total(found.localisation).shares)
    facts |= novelty_facts(found.novelty) if found.novelty else {}
    return facts | {f"{name} files": counts.text for name, counts in found.files.items()}


def _labels(found: Evaluation) -> Table:
    table = numbers_table("label", "frames", "precision", "recall", "F1", "unsure", "sure")
    for label, chosen in found.thresholds.items():
        figures = found.classes[label]
        ratios = [f"{ratio:.4f}" for ratio in (figures.precision, figures.recall, figures.f1)]
        table.add_row(label, f"{figures.frames:,}", *ratios, f"{chosen.unsure.value}", f"{chosen.sure.value}")
    return table


def _kinds(found: Evaluation) -> list[Table]:
    """Return a table of the kinds of defects that an anomaly model was measured on, if they have names."""
    from stripwatch.training.evaluation.evaluation_report import kind_rows

    if found.anomaly is None or found.anomaly.kinds is None:
        return []
    table = numbers_table("kind of defect", "frames", "found", "AUROC")
    for row in kind_rows(found.anomaly.kinds):
        table.add_row(*row)
    return [table]


def rounded(found: Interval) -> dict[str, float]:
    """Return a value and the limits of its 95 % interval as JSON, rounded to four digits."""
    return {"value": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
