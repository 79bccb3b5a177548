"""Compare predicted boxes with regions of the heatmap: `python -m tests.benchmarks.box_kinds FOLDS/fold-?`

Each run is scored on its own validation frames, once with the boxes that it predicts and once with the regions of its
heatmaps. The last line is JSON, with the counts of all runs together by label.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from stripwatch.export.results.run_evaluation import Localization, total
from stripwatch.export.runs.keras_model import load_boxes, load_model
from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.evaluation.localization import localize, locate_scored
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.training.preparation.prepared_data import to_targets
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import path_of
from stripwatch.worker.common.terminal.console import new_progress

Counts = dict[str, Localization]


def compare(folder: Path) -> dict[str, Counts]:
    """Return the localization counts by label, for both kinds of boxes."""
    run, model = read_run(folder), load_model(folder)
    predicted = load_boxes(folder, run)
    decoder, frames = run.heatmap_decoder, run.split.validation
    if predicted is None or decoder is None:
        raise InputError(f"{folder} predicts no boxes; fit it with --head dense and --boxes")
    targets = to_targets([frame.labels for frame in frames], run.labels)
    unscored = ScoredFrames(path_of(run.data), frames, targets, targets)  # positions do not depend on the scores
    with new_progress() as progress:
        layout = run.configuration.layout
        located = locate_scored(model, run, unscored, None, layout, progress, predicted=predicted)
    return {"regions": localize(located, replace(decoder, cell_boxes=None)), "predicted": localize(located, decoder)}


def pooled(runs: list[dict[str, Counts]], kind: str) -> Counts:
    """Return the counts of all runs together."""
    found: dict[str, Localization] = {}
    for run in runs:
        for label, counts in run[kind].items():
            found[label] = found[label] + counts if label in found else counts
    return found


def summary(counts: Counts) -> dict[str, Any]:
    every = total(counts)
    shares = {name: round(value, 4) for name, value in every.shares.items()}
    per_frame = {"frames": every.pairs, "boxes_per_frame": round(every.predicted / every.pairs, 3)}
    return per_frame | shares | {"by_label": {label: round(each.shares["boxes"], 4) for label, each in counts.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="Run folders with the head dense and predicted boxes.")
    runs = []
    for folder in parser.parse_args().runs:
        runs.append(compare(folder))
        shares = {kind: round(total(counts).shares["boxes"], 4) for kind, counts in runs[-1].items()}
        print(f"{folder}: {shares}", file=sys.stderr)
    print(json.dumps({kind: summary(pooled(runs, kind)) for kind in ("regions", "predicted")}))


if __name__ == "__main__":
    main()
