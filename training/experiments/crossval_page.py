"""HTML page of a cross-validation: accuracy of the folds, confusion matrix, wrong frames, and links to the runs."""

from collections.abc import Mapping
from pathlib import Path

from stripwatch.export.reporting.charts import draw_confusion, draw_intervals
from stripwatch.export.reporting.confidence_intervals import interval_words
from stripwatch.export.reporting.html import Html, link, page, picture, table
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.evaluation.evaluate import REPORT_FOLDER
from stripwatch.training.evaluation.evaluation_report import REPORT_FILE
from stripwatch.training.experiments.crossval_result import CrossvalResult
from stripwatch.training.novelty.measurement import PICTURES
from stripwatch.training.novelty.report import novelty_section
from stripwatch.training.stress.plots import draw_stress
from stripwatch.training.stress.report import strengths_section, stress_section
from stripwatch.worker.common.terminal.progress import duration

_WRONG_MAX = 200
_STRESS_NOTE = (
    '<p class="note">The model of each fold was tested on frames that it was not fitted on. Its thresholds and its '
    "temperature were chosen on the held-out frames of the other folds.</p>"
)


def crossval_page(result: CrossvalResult, run: Run, command: str, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    run: the run of the first fold. command: the command line that repeats the cross-validation. pictures: plots and
    sheets of the novelty detectors, by names of PICTURES.
    """
    title = f"Cross-validation of {run.configuration.title} on {Path(run.data).name}"
    note = (
        f"Each of the {result.frames:,} frames was scored once, by a model that was not fitted on it. "
        f"{result.errors:,} were wrong. No frame selected an epoch, a threshold or a temperature."
    )
    folds = {fold.run: fold.accuracy for fold in result.folds}
    parts = [
        _facts(result, run, command),
        picture("Accuracy of the folds", draw_intervals({"all folds": result.accuracy, **folds}, "all folds")),
        _folds(result),
        "<h2>Labels</h2>",
        _labels(result),
    ]
    if result.confusion is not None:
        parts.append(picture("Confusion matrix", draw_confusion(run.labels, result.confusion)))
    parts.append(_wrong(result))
    if result.novelty is not None:
        parts.append(novelty_section(result.novelty))
        parts += [picture(PICTURES[name], png) for name, png in pictures.items()]
    if result.stress is not None:
        parts += [stress_section(result.stress), _STRESS_NOTE]
        parts += [picture("Verdicts on changed frames", draw_stress(result.stress)), strengths_section(result.stress)]
    return page(title, note, parts)


def _facts(result: CrossvalResult, run: Run, command: str) -> str:
    f1 = "- (no frame has a label and none is predicted)"
    rows = {
        "accuracy": interval_words(result.accuracy, "Wilson"),
        "macro-F1": interval_words(result.macro_f1, "bootstrap") if result.macro_f1 else f1,
        "folds": f"{len(result.folds)}, seed {run.configuration.seed}",
        **run_facts(run),
        "command": command,
    }
    return table((), rows.items(), "facts")


def run_facts(run: Run) -> Mapping[str, str]:
    """Return the facts that all runs of an experiment share, by name."""
    return {
        "network": f"{run.configuration.title}, weights {run.configuration.weights}, "
        f"input {run.decode.height_px}x{run.decode.width_px} {run.decode.name}",
        "data": f"{run.data}, sha256 {run.data_sha256}",
        "created": run.created_at,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }


def report_link(run: str, note: str = "") -> Html:
    """Return a link to the report of a run. run: its folder below that of the page. note: text after the name."""
    return link(run + note, Path(run, REPORT_FOLDER, REPORT_FILE))


def _folds(result: CrossvalResult) -> str:
    rows = [
        (
            report_link(fold.run),
            f"{fold.frames:,}",
            f"{fold.errors:,}",
            f"{fold.accuracy.value:.4f}",
            f"{fold.accuracy.low:.4f} to {fold.accuracy.high:.4f}",
            duration(fold.seconds),
        )
        for fold in result.folds
    ]
    columns = ("report of the run", "frames", "wrong", "accuracy", "95 % interval", "duration of the fit")
    return table(columns, rows, "numbers")


def _labels(result: CrossvalResult) -> str:
    rows = [
        (label, f"{figures.frames:,}", *(f"{ratio:.4f}" for ratio in (figures.precision, figures.recall, figures.f1)))
        for label, figures in result.classes.items()
    ]
    return table(("label", "frames", "precision", "recall", "F1"), rows)


def _wrong(result: CrossvalResult) -> str:
    if not result.wrong:
        return ""
    shown = result.wrong[:_WRONG_MAX]
    more = f'<p class="note">The first {_WRONG_MAX} of {result.errors:,}; crossval.json has all.</p>'
    rows = [(wrong.frame, wrong.label or "-", wrong.predicted or "-") for wrong in shown]
    listing = table(("frame", "true label", "predicted label"), rows, "texts")
    summary = f"<summary>{result.errors:,} wrong frames; the reports of the runs show the worst ones</summary>"
    return f"<h2>Wrong frames</h2><details>{summary}{more if len(shown) < result.errors else ''}{listing}</details>"
