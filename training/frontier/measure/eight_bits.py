"""Third step of a search: int8 versions of the best candidates, with the limits of the bundle's accuracy gate."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.convert.accuracy_gate import LIMITS, measure_fidelity, violated_limits
from stripwatch.export.convert.ort_cpu import open_cpu
from stripwatch.export.convert.quantize import QuantizedModel
from stripwatch.export.runs.relative_distance import Array
from stripwatch.training.frontier.measure.accuracies import Scored, features_of, fit_heads
from stripwatch.training.frontier.measure.graphs import (
    FEATURES_NAME,
    cut_backbone,
    eight_bit_rungs,
    features_graph,
    worker_graph,
)
from stripwatch.training.frontier.measure.heads import FoldHeads, find_right
from stripwatch.training.frontier.measure.search_context import SearchContext
from stripwatch.training.frontier.plan.candidates import Candidate
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

_CALIBRATION_FRAMES_MAX = 128
_BATCH = 16


class EightBitRecord(msgspec.Struct, frozen=True):
    """Stored result of an int8 candidate. scheme: of the last version. rung: its number. violations: of the gate."""

    scheme: str
    rung: int
    violations: list[str]


@dataclass(frozen=True, slots=True)
class EightBits:
    """An int8 candidate. scored: None if the gate rejects every version. scheme: how it was quantized, or why not."""

    candidate: Candidate
    scored: Scored | None
    scheme: str


def try_eight_bits(
    context: SearchContext, known: Scored, backbone: keras.Model, is_timed: Callable[[Candidate], bool]
) -> EightBits:
    """Quantize a candidate as the export does, until the accuracy gate accepts it, and cross-validate it.

    The heads are those of the float32 features, as in an export, where only the backbone is quantized. The gate
    compares the scores of all frames, each by the head of the fold that holds it out. Its limits for the novelty score
    are left to `export run`.

    known: the float32 candidate. backbone: of its pass. is_timed: whether a candidate needs no graph for timing.
    """
    candidate = replace(known.candidate, precision="int8")
    key = context.eight_bits_key(candidate)
    record, arrays = context.store.read_record("int8", key, EightBitRecord), context.store.read_arrays("int8", key)
    if record is None or arrays is None or not (is_timed(candidate) or _has_graph(context, candidate, record)):
        record, scores = _quantize(context, known, backbone)
        context.store.write_arrays("int8", key, {"scores": scores})
        context.store.write_record("int8", key, record)
    else:
        scores = arrays["scores"]
    if record.violations:
        return EightBits(candidate, None, f"{record.scheme}: {'; '.join(record.violations)}")
    right = find_right(scores, context.frames.subset.targets, context.frames.task)
    return EightBits(candidate, Scored(candidate, right, scores, known.macs), record.scheme)


def _has_graph(context: SearchContext, candidate: Candidate, record: EightBitRecord) -> bool:
    """Return whether the graph for timing exists, or is not needed because the gate rejects the candidate."""
    return bool(record.violations) or context.store.read_graph(context.cost_key(candidate)) is not None


def _quantize(context: SearchContext, known: Scored, backbone: keras.Model) -> tuple[EightBitRecord, Array]:
    candidate = known.candidate
    own = cut_backbone(candidate, backbone)
    heads = _heads(context, candidate)
    spec, files = candidate.source.spec(context.frames.bit_depth), context.frames.subset.files
    chosen = np.random.default_rng(context.settings.seed).permutation(len(files))[:_CALIBRATION_FRAMES_MAX]
    calibration = _read([files[at] for at in chosen], spec)
    rungs = eight_bit_rungs(*features_graph(candidate, own), calibration)
    record, scores = EightBitRecord("int8", 0, ["no version"]), known.scores
    with closing(rungs):  # it holds a temporary folder
        for rung, version in enumerate(rungs):
            scores = heads.scores(_run(context, version, files, spec), known.scores.shape[1])
            record = EightBitRecord(version.scheme, rung, _violations(context, known.scores, scores, version.scheme))
            if not record.violations:
                break
    if not record.violations:
        _store_graph(context, candidate, own, calibration, record.rung)
    return record, scores


def _store_graph(
    context: SearchContext, candidate: Candidate, backbone: keras.Model, frames: Pixels, rung: int
) -> None:
    """Quantize the graph that a worker runs in the same way, and store it for timing."""
    graph, name = worker_graph(candidate, backbone, context.graph_spec)
    rungs = eight_bit_rungs(graph, name, frames)
    with closing(rungs):
        for number, version in enumerate(rungs):
            if number == rung:
                key = context.cost_key(replace(candidate, precision="int8"))
                context.store.write_graph(key, version.proto.SerializeToString())
                return


def _heads(context: SearchContext, candidate: Candidate) -> FoldHeads:
    cuts, features = features_of(context, candidate.source)
    return fit_heads(context, features, next(cut for cut in cuts if cut.name == candidate.cut))


def _read(files: Sequence[Path], spec: DecodeSpec) -> Pixels:
    return np.stack([decode(path.read_bytes(), spec).pixels for path in files])


def _run(context: SearchContext, version: QuantizedModel, files: Sequence[Path], spec: DecodeSpec) -> Array:
    """Return the features of all frames, float32 [n, c]."""
    session = open_cpu(version.proto.SerializeToString())
    task = context.progress.add_task("int8 features", total=len(files))
    parts: list[NDArray[np.float32]] = []
    for at in range(0, len(files), _BATCH):
        pixels = _read(files[at : at + _BATCH], spec)
        parts.append(session.run([FEATURES_NAME], {INPUT_NAME: pixels})[0])
        context.progress.advance(task, len(pixels))
    return np.concatenate(parts)


def _violations(context: SearchContext, by_float: Array, scores: Array, scheme: str) -> list[str]:
    targets = context.frames.subset.targets > 0
    measured = measure_fidelity(by_float, scores, targets, context.frames.task, scheme)
    return violated_limits(measured, LIMITS["int8"])


def worth_quantizing(front: Sequence[Scored], points: float, count: int) -> list[Scored]:
    """Return the cheapest candidates of the front that are near its best: at most `count`.

    front: cheapest first. points: percentage points that they may be below the best.
    """
    if not front:
        return []
    least = max(each.accuracy for each in front) - points / 100 - 1e-9
    return [each for each in front if each.accuracy >= least][:count]
