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
from stripwatch.export.runs.keras_model import BoxOutput, exported_view, view_outputs
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
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, HeatmapKind
from stripwatch.worker.model.heatmaps import Heatmap, HeatmapDecoder

_OVERLAP_MIN = 0.5
_BATCH = 32
_USUAL_THRESHOLD = 0.5
_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_BOX_THRESHOLDS = tuple(round(0.05 * at, 2) for at in range(2, 17))
_FRAMES_CHOSEN_BY_MAX = 256


@dataclass(frozen=True, slots=True)
class LocatedFrame:
    """One frame and one of its labels, with the heatmap of the model and the annotations of the frame.

    cell_boxes: the boxes that the model predicts for the label, [h, w, 5]; None if it predicts none.
    """

    label: str
    heatmap: Heatmap
    marks: Annotations
    cell_boxes: Heatmap | None = None


@dataclass(frozen=True, slots=True)
class ChosenDecoding:
    """How to decode the locations of a fitted model. box_threshold: None if it does not predict boxes."""

    heatmaps: HeatmapFacts
    box_threshold: float | None = None


def locate(
    model: keras.Model,
    head: Head,
    part: Subset,
    spec: DecodeSpec,
    progress: Progress,
    boxes: BoxOutput | None = None,
) -> list[LocatedFrame]:
    """Return every pair of a frame and one of its annotated labels. boxes: of the run, if it predicts boxes."""
    view, names = exported_view(model, head, boxes=boxes), view_outputs(head, boxes=boxes)
    task = progress.add_task("heatmaps", total=len(part.files))
    found: list[LocatedFrame] = []
    at = 0
    for frames, targets in read_batches(part, spec, _BATCH):
        outputs = dict(zip(names, view.predict_on_batch(frames), strict=True))
        predicted = outputs.get(BOXES_NAME)
        for row_at, (heatmap, row) in enumerate(zip(outputs[HEATMAPS_NAME], targets.numpy(), strict=True)):
            marks, at = part.annotations[at], at + 1
            labels = [int(label) for label in np.flatnonzero(row)] if marks else []
            found += [
                LocatedFrame(
                    part.labels[label],
                    np.ascontiguousarray(heatmap[..., label]),
                    marks,
                    None if predicted is None else predicted[row_at, :, :, label],
                )
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
    predicted: BoxOutput | None = None,
) -> dict[str, Localization] | None:
    """Return the localization counts of scored frames by label.

    The arguments are those of `locate_scored`. Returns None for a head without heatmaps, and if no frame is annotated.
    Raises what read_annotations raises.
    """
    decoder = run.heatmap_decoder
    if decoder is None or (boxes is None and run.marks is None):
        if boxes is not None:
            say(f"note: --boxes is ignored because head {run.configuration.head} has no heatmaps")
        return None
    return (
        localize(locate_scored(model, run, scored, boxes, layout, progress, boxes_format, test, predicted), decoder)
        or None
    )


def locate_scored(
    model: keras.Model,
    run: Run,
    scored: ScoredFrames,
    boxes: Path | None,
    layout: str,
    progress: Progress,
    boxes_format: str = AUTO,
    test: bool = False,
    predicted: BoxOutput | None = None,
) -> list[LocatedFrame]:
    """Return every pair of a scored frame and one of its annotated labels.

    boxes, boxes_format: location and format of the annotations; None uses those that belong to the layout of test
    frames, or those of the fit. layout: of the folder of the frames. test: they are not frames of the run. predicted:
    the box regressor of the run, if it has one. Raises what read_annotations raises.
    """
    anomaly = run.configuration.task == "anomaly"  # annotations have labels of defects that the model does not know
    also = collected_folders(scored.root, (frame.name for frame in scored.frames))
    found = read_dataset(scored.root, layout, also, run.configuration.merge_labels, one_class=test or anomaly)
    dataset, clean = for_task(found, run.configuration.task, run.clean_label, clean_required=not test)
    if boxes is None and run.marks and run.marks.path and not (test and found.layout in OWN_ANNOTATIONS):
        boxes, boxes_format = path_of(run.marks.path), run.configuration.boxes_format
    marks = read_annotations(found if anomaly else dataset, boxes, boxes_format).marks
    if anomaly:
        marks = {name: relabelled(each, ANOMALY_LABEL) for name, each in marks.items()}
    find = annotations_finder(marks, clean)
    files = [file_below(scored.root, frame.name) for frame in scored.frames]
    part = Subset(files, scored.targets, run.labels, [find(frame) for frame in scored.frames])
    return locate(model, run.configuration.head, part, run.decode, progress, predicted)


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


def choose_decoding(
    model: keras.Model,
    facts: HeatmapFacts,
    head: Head,
    prepared: PreparedData,
    boxes: BoxOutput | None,
    progress: Progress,
) -> ChosenDecoding:
    """Return how to decode the locations of a fitted model, with the thresholds that suit training frames best.

    Training frames are used so that validation frames select nothing. The threshold of the heatmaps is the one for
    which most pairs have a correct box. That of the predicted boxes has the highest F1 over all boxes, because with a
    low one many boxes would be reported of which one is correct by chance.
    """
    marked = [at for at, marks in enumerate(prepared.train.annotations) if marks is not None and marks.labels]
    if not marked:
        return ChosenDecoding(facts, None if boxes is None else _USUAL_THRESHOLD)
    picked = [marked[at] for at in _spread(len(marked), _FRAMES_CHOSEN_BY_MAX)]
    located = locate(model, head, _pick(prepared.train, picked), prepared.spec, progress, boxes)
    size = prepared.spec.height_px, prepared.spec.width_px
    decoder = HeatmapDecoder(facts.kind, facts.grid, facts.threshold, *size)
    boxes_right = [total(localize(located, replace(decoder, threshold=threshold))).boxes for threshold in _THRESHOLDS]
    chosen = msgspec.structs.replace(facts, threshold=_THRESHOLDS[int(np.argmax(boxes_right))])
    if boxes is None:
        return ChosenDecoding(chosen)
    decoders = [replace(decoder, cell_boxes=CellBoxDecoder(threshold, *size)) for threshold in _BOX_THRESHOLDS]
    quality = [total(localize(located, each)).box_f1 for each in decoders]
    return ChosenDecoding(chosen, _BOX_THRESHOLDS[int(np.argmax(quality))])


def heatmap_facts(backbone: keras.Model, head: Head) -> HeatmapFacts | None:
    """Return the kind and the geometry of the heatmaps of a head, with the usual threshold; None without heatmaps."""
    if head == "paper-baseline":
        return None
    kind: HeatmapKind = "place" if head == "dense" else "activation"
    return HeatmapFacts(kind, cell_grid(backbone), _USUAL_THRESHOLD)


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
    found = [_corners(box) for box in decoder.locate(each.heatmap, each.cell_boxes, marks.width_px, marks.height_px)]
    whole = LabelledBox(each.label, 0, 0, marks.width_px, marks.height_px)
    right = [[_overlap(box, other) >= _OVERLAP_MIN for other in truth] for box in found]
    return Localization(
        pairs=1,
        pointing=int(_inside(mask, *peak)),
        boxes=int(any(any(row) for row in right)),
        centre=int(_inside(mask, 0.5, 0.5)),
        whole=int(any(_overlap(whole, other) >= _OVERLAP_MIN for other in truth)),
        first=int(bool(right) and any(right[0])),
        predicted=len(found),
        matched=_matched([[_overlap(box, other) for other in truth] for box in found]),
        annotated=len(truth),
    )


def _matched(overlaps: list[list[float]]) -> int:
    """Return how many predicted boxes are correct, best first, if each annotated box counts once (as in PASCAL VOC).

    overlaps: of each predicted box with each annotated box.
    """
    used: set[int] = set()
    for row in overlaps:
        free = [at for at, overlap in enumerate(row) if at not in used and overlap >= _OVERLAP_MIN]
        if free:
            used.add(max(free, key=row.__getitem__))
    return len(used)


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
