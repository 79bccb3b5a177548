"""Localization metrics: peaks and boxes of heatmaps, compared with annotations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.results.run_evaluation import NO_LOCALIZATION, Localization, total
from stripwatch.export.runs.keras_model import exported_view
from stripwatch.export.runs.run_folder import ANOMALY_LABEL, Head, HeatmapFacts, Run
from stripwatch.training.annotations.annotations import Annotations, relabelled
from stripwatch.training.annotations.reading import OWN_ANNOTATIONS, read_annotations
from stripwatch.training.datasets.dataset import AUTO, for_task, read_dataset
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.datasets.reviewed_folder import collected_folders
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.training.networks.receptive_field import cell_grid
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset, annotations_finder
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import file_below, path_of, path_text
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.events import Box as FrameBox
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.heatmaps import Heatmap, HeatmapDecoder

_OVERLAP_MIN = 0.5
_BATCH = 32
_USUAL_THRESHOLD = 0.5
_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_FRAMES_CHOSEN_BY_MAX = 256


@dataclass(frozen=True, slots=True)
class LocatedFrame:
    """One frame and one of its labels, with the heatmap of the model and the annotations of the frame."""

    label: str
    heatmap: Heatmap
    marks: Annotations


def locate(model: keras.Model, head: Head, part: Subset, spec: DecodeSpec, progress: Progress) -> list[LocatedFrame]:
    """Return every pair of a frame and one of its annotated labels."""
    view = exported_view(model, head)
    task = progress.add_task("heatmaps", total=len(part.files))
    found: list[LocatedFrame] = []
    at = 0
    for frames, targets in read_batches(part, spec, _BATCH):
        heatmaps = view.predict_on_batch(frames)[1]
        for heatmap, row in zip(heatmaps, targets.numpy(), strict=True):
            marks, at = part.annotations[at], at + 1
            labels = [int(label) for label in np.flatnonzero(row)] if marks else []
            found += [
                LocatedFrame(part.labels[label], np.ascontiguousarray(heatmap[..., label]), marks)
                for label in labels
                if marks and part.labels[label] in marks.labels
            ]
        progress.advance(task, len(frames))
    return found


def localize(located: Sequence[LocatedFrame], decoder: HeatmapDecoder) -> dict[str, Localization]:
    """Return the localization counts by label."""
    counts: dict[str, Localization] = {}
    for each in located:
        counts[each.label] = counts.get(each.label, NO_LOCALIZATION) + score_pair(each, decoder)
    return dict(sorted(counts.items()))


def measure_localization(
    model: keras.Model,
    run: Run,
    scored: ScoredFrames,
    boxes: Path | None,
    layout: str,
    progress: Progress,
    boxes_format: str = AUTO,
    test: bool = False,
) -> dict[str, Localization] | None:
    """Return the localization counts of scored frames by label.

    boxes, boxes_format: location and format of the annotations; None uses those that belong to the layout of test
    frames, or those of the fit. layout: of the folder of the frames. test: they are not frames of the run. Returns None
    for a head without heatmaps, and if no frame is annotated. Raises what read_annotations raises.
    """
    decoder = run.heatmap_decoder
    if decoder is None or (boxes is None and run.marks is None):
        if boxes is not None:
            say(f"note: --boxes is ignored because head {run.configuration.head} has no heatmaps")
        return None
    anomaly = run.configuration.task == "anomaly"  # annotations have labels of defects that the model does not know
    also = collected_folders(scored.root, (frame.name for frame in scored.frames))
    found = read_dataset(scored.root, layout, also, run.configuration.merge_labels, one_class=anomaly)
    dataset, clean = for_task(found, run.configuration.task, run.clean_label)
    if boxes is None and run.marks and run.marks.path and not (test and found.layout in OWN_ANNOTATIONS):
        boxes, boxes_format = path_of(run.marks.path), run.configuration.boxes_format
    marks = read_annotations(found if anomaly else dataset, boxes, boxes_format).marks
    if anomaly:
        marks = {name: relabelled(each, ANOMALY_LABEL) for name, each in marks.items()}
    find = annotations_finder(marks, clean)
    files = [file_below(scored.root, frame.name) for frame in scored.frames]
    part = Subset(files, scored.targets, run.labels, [find(frame) for frame in scored.frames])
    return localize(locate(model, run.configuration.head, part, run.decode, progress), decoder) or None


def require_annotations(run: Run, boxes: Path | None, test: bool = False) -> None:
    """Raise InputError if the annotations that `measure_localization` would read do not exist. test: as there."""
    if boxes is not None and not boxes.exists():
        raise InputError(f"--boxes {path_text(boxes)} does not exist")
    fitted_on = path_of(run.marks.path) if run.marks and run.marks.path and run.heatmap_decoder else None
    if boxes is None and not test and fitted_on is not None and not fitted_on.exists():
        raise InputError(
            f"the annotations {path_text(fitted_on)} of the run do not exist; if they were moved, pass their current "
            "location with --boxes"
        )


def map_facts(
    model: keras.Model, backbone: keras.Model, head: Head, prepared: PreparedData, progress: Progress
) -> HeatmapFacts | None:
    """Return how to decode the heatmaps of a fitted model, or None for a head without heatmaps.

    The threshold is the one with the most correct boxes on annotated training frames, so that validation frames select
    nothing.
    """
    if head == "paper-baseline":
        return None
    kind = "place" if head == "dense" else "activation"
    facts = HeatmapFacts(kind, cell_grid(backbone), _USUAL_THRESHOLD)  # type: ignore[arg-type]
    marked = [at for at, marks in enumerate(prepared.train.annotations) if marks is not None and marks.labels]
    if not marked:
        return facts
    picked = [marked[at] for at in _spread(len(marked), _FRAMES_CHOSEN_BY_MAX)]
    located = locate(model, head, _pick(prepared.train, picked), prepared.spec, progress)
    decoder = HeatmapDecoder(facts.kind, facts.grid, facts.threshold, prepared.spec.height_px, prepared.spec.width_px)
    boxes_right = [total(localize(located, replace(decoder, threshold=threshold))).boxes for threshold in _THRESHOLDS]
    return msgspec.structs.replace(facts, threshold=_THRESHOLDS[int(np.argmax(boxes_right))])


def _spread(count: int, most: int) -> list[int]:
    """Return at most this many positions, evenly spaced from the first to the last."""
    return [int(at) for at in np.unique(np.linspace(0, count - 1, min(count, most)).round())]


def _pick(part: Subset, positions: Sequence[int]) -> Subset:
    files, marks = [part.files[at] for at in positions], [part.annotations[at] for at in positions]
    return Subset(files, part.targets[list(positions)], part.labels, marks)


def score_pair(each: LocatedFrame, decoder: HeatmapDecoder) -> Localization:
    """Return the counts of one pair of a frame and a label."""
    marks = each.marks
    mask, truth = marks.mask(each.label), marks.rectangles(each.label)
    peak = _peak(decoder.enlarge(each.heatmap))
    found = [_corners(box) for box in decoder.boxes(each.heatmap, marks.width_px, marks.height_px)]
    whole = LabelledBox(each.label, 0, 0, marks.width_px, marks.height_px)
    return Localization(
        pairs=1,
        pointing=int(_inside(mask, *peak)),
        boxes=int(any(_overlap(box, other) >= _OVERLAP_MIN for box in found for other in truth)),
        centre=int(_inside(mask, 0.5, 0.5)),
        whole=int(any(_overlap(whole, other) >= _OVERLAP_MIN for other in truth)),
    )


def _peak(large: Heatmap) -> tuple[float, float]:
    """Return the position of the peak, down and across, as shares of the image."""
    height, width = large.shape
    row, column = np.unravel_index(int(large.argmax()), large.shape)
    return (float(row) + 0.5) / height, (float(column) + 0.5) / width


def _inside(mask: NDArray[np.bool_], down: float, across: float) -> bool:
    height, width = mask.shape
    return bool(mask[int(down * height), int(across * width)])


def _corners(box: FrameBox) -> LabelledBox:
    return LabelledBox("", box.x, box.y, box.x + box.width, box.y + box.height)


def _overlap(a: LabelledBox, b: LabelledBox) -> float:
    """Return the intersection over union of two boxes."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    both = max(0, width) * max(0, height)
    return both / (_area(a) + _area(b) - both)


def _area(box: LabelledBox) -> int:
    return (box.right - box.left) * (box.bottom - box.top)
