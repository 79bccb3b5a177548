"""First step of a search: the accuracy of every cut of every pass, cheap passes first."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.relative_distance import Array
from stripwatch.training.frontier.measure.cuts import Cut, describe_cuts
from stripwatch.training.frontier.measure.heads import FoldHeads, find_right
from stripwatch.training.frontier.measure.pooled_features import (
    CutFeatures,
    build_for,
    compute_features,
    pool_cuts,
)
from stripwatch.training.frontier.measure.search_context import SearchContext
from stripwatch.training.frontier.plan.budget import Budget
from stripwatch.training.frontier.plan.candidates import Candidate, Pass, plan_passes, size_ladder
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.frontier.plan.passes import PassResult, PlannedPass, run_passes
from stripwatch.training.networks.catalog import find_network
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import duration

_POINTS_FAR = 5.0  # after two cuts in a row that are this far below the best of the pass, earlier ones are not tried
_CUTS_FAR = 2


class PassRecord(msgspec.Struct, frozen=True):
    """Stored facts of a pass. cuts: those that were scored, in order. seconds: duration of the pass."""

    cuts: list[Cut]
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with the result of its cross-validation.

    right: whether each frame was right, bool [n]. scores: float32 [n, labels]. macs: multiplications of one frame.
    """

    candidate: Candidate
    right: NDArray[np.bool_]
    scores: Array
    macs: int

    @property
    def accuracy(self) -> float:
        """Return the share of frames that were right."""
        return float(self.right.mean())


def plan_all_passes(context: SearchContext) -> list[PlannedPass]:
    """Return the passes of all networks. Builds each network once to count its multiplications."""
    found, count = [], len(context.frames.frames)
    for choice in context.settings.choices:
        network = find_network(choice.network)
        sizes = context.settings.sizes or size_ladder(context.frames.facts, network.side_px, network.side_px_min)
        macs = _cuts_of(context, choice)[-1].macs / network.side_px**2
        for each in plan_passes(choice, context.frames.facts, sizes):
            found.append(PlannedPass(each, count * macs * each.size[0] * each.size[1]))
    return found


def _cuts_of(context: SearchContext, choice: NetworkChoice) -> list[Cut]:
    key = context.cuts_key(choice)
    known = context.store.read_record("cuts", key, list[Cut])
    if known is None:
        known = describe_cuts(find_network(choice.network), choice)
        context.store.write_record("cuts", key, known)
    return known


def score_passes(context: SearchContext, budget: Budget) -> tuple[list[Scored], dict[str, str]]:
    """Return all scored candidates, and why passes were not tried, by their titles. budget: for the passes."""
    results, untried = run_passes(
        plan_all_passes(context), budget, partial(_read_pass, context), partial(_score_pass, context)
    )
    return [scored for found in results for scored in found], untried


def _read_pass(context: SearchContext, source: Pass) -> PassResult[list[Scored]] | None:
    key = context.pass_key(source)
    record, arrays = context.store.read_record("pass", key, PassRecord), context.store.read_arrays("scores", key)
    if record is None or arrays is None:
        return None
    return PassResult([_scored(context, source, cut, arrays[cut.layer]) for cut in record.cuts], record.seconds)


def _scored(context: SearchContext, source: Pass, cut: Cut, scores: Array) -> Scored:
    right = find_right(scores, context.frames.subset.targets, context.frames.task)
    return Scored(Candidate(source, cut.name), right, scores, cut.macs)


def _score_pass(context: SearchContext, source: Pass) -> PassResult[list[Scored]]:
    """Compute the features of a pass, score its cuts from the last to the first, and store the results."""
    started, key = time.monotonic(), context.pass_key(source)
    cuts, features = features_of(context, source)
    labels = len(context.frames.dataset.labels)
    found: list[tuple[Cut, Scored]] = []
    task = context.progress.add_task(f"heads of {source.title}", total=len(cuts))
    for cut in reversed(cuts):
        scores = fit_heads(context, features, cut).scores(features.of(cut), labels)
        found.append((cut, _scored(context, source, cut, scores)))
        context.progress.advance(task)
        if _hopeless([scored for _, scored in found]):
            break
    context.progress.update(task, completed=len(cuts))
    seconds = time.monotonic() - started
    arrays: dict[str, NDArray[Any]] = {cut.layer: scored.scores for cut, scored in found}
    context.store.write_arrays("scores", key, arrays)
    context.store.write_record("pass", key, PassRecord([cut for cut, _ in found], seconds))
    best = max((scored for _, scored in found), key=lambda each: each.accuracy)
    where = best.candidate.cut or "the end"
    say(f"{source.title}: {best.accuracy:.2%} at {where}, {duration(context.budget.used_s)} so far")
    return PassResult([scored for _, scored in found], seconds)


def _hopeless(found: list[Scored]) -> bool:
    """Return whether the last cuts are so far below the best one that earlier ones need not be tried."""
    least = max(each.accuracy for each in found) - _POINTS_FAR / 100
    return len(found) > _CUTS_FAR and all(each.accuracy < least for each in found[-_CUTS_FAR:])


def fit_heads(context: SearchContext, features: CutFeatures, cut: Cut) -> FoldHeads:
    """Fit the heads of a cut."""
    frames = context.frames
    data = (frames.subset.targets, frames.folds, frames.task, context.settings.seed)
    return FoldHeads.fit(features.of(cut), features.widths(cut), *data)


class FeaturesRecord(msgspec.Struct, frozen=True):
    """Stored facts of the features of a pass. names: as in CutFeatures."""

    cuts: list[Cut]
    names: dict[str, list[str]]


def features_of(context: SearchContext, source: Pass) -> tuple[Sequence[Cut], CutFeatures]:
    """Return the cuts of a pass and their pooled features, computed or as stored."""
    key = context.pass_key(source)
    stored = context.store.read_arrays("features", key)
    known = context.store.read_record("cuts-of", key, FeaturesRecord)
    if stored is not None and known is not None:
        return known.cuts, CutFeatures(stored, known.names)
    spec = source.spec(context.frames.bit_depth)
    pooling = pool_cuts(source, build_for(source), spec.channels)
    task = context.progress.add_task(f"features of {source.title}", total=len(context.frames.frames))
    features = compute_features(
        pooling, context.frames.subset, spec, lambda count: context.progress.advance(task, count)
    )
    context.store.write_arrays("features", key, features.pooled)
    context.store.write_record("cuts-of", key, FeaturesRecord(list(pooling.cuts), pooling.names))
    return pooling.cuts, features
