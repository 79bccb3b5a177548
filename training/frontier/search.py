"""The search: accuracies first, then the costs of what could be on the frontier, then int8 versions of the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.training.frontier.measure.accuracies import Scored, score_passes
from stripwatch.training.frontier.measure.costs import CostMeter, choose_to_time
from stripwatch.training.frontier.measure.eight_bits import try_eight_bits, worth_quantizing
from stripwatch.training.frontier.measure.search_context import SearchContext
from stripwatch.training.frontier.plan.candidates import key_of
from stripwatch.training.frontier.plan.choice import Rated, find_front, most_accurate, selected_accuracy
from stripwatch.training.frontier.plan.paired_test import mcnemar_p
from stripwatch.training.frontier.plan.result import EntryResult
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.terminal.console import say

_SCORING_SHARE = 0.6  # of the budget; the rest is for timing and int8
_QUANTIZED_MAX, _QUANTIZED_POINTS = 4, 1.0  # int8 versions are tried of the cheapest candidates this near the best


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    scored: all candidates by name. estimated_ms: estimated costs by name. meter: measured costs. untried: why something
    was not measured, by name. rejected: why int8 candidates were rejected. schemes: how they were quantized.
    """

    scored: dict[str, Scored]
    estimated_ms: dict[str, float]
    meter: CostMeter
    untried: dict[str, str]
    rejected: dict[str, str] = field(default_factory=dict)
    schemes: dict[str, str] = field(default_factory=dict)

    @property
    def rated(self) -> list[Rated]:
        """Return the candidates whose cost was measured."""
        costs = self.meter.cost_ms
        return [Rated(name, each.accuracy, costs[name]) for name, each in self.scored.items() if name in costs]


def search(context: SearchContext) -> Found:
    """Measure candidates within the time budget. Raises DataError if no candidate could be timed."""
    scored, untried = score_passes(context, context.budget.part(_SCORING_SHARE))
    by_name = {each.candidate.name: each for each in scored}
    meter = CostMeter(context)
    say("timing the most accurate candidate of each network")
    estimated = meter.estimate(scored)
    found = Found(by_name, {each.name: each.cost_ms for each in estimated}, meter, untried)
    names = _stored(context, "timed", _timing_key(context, scored), lambda: choose_to_time(estimated))
    say(f"timing {len(names)} of {len(by_name)} candidates; the others cannot be on the frontier")
    meter.measure([by_name[name].candidate for name in names])
    if context.settings.eight_bits:
        _quantize(context, found)
    untried |= meter.untried
    if not found.rated:
        raise DataError(f"no candidate could be timed: {'; '.join(untried.values())}")
    return found


def _timing_key(context: SearchContext, scored: Sequence[Scored]) -> str:
    """Return the key of the candidates to time: of all that the choice depends on, except for measured times."""
    results = sorted((context.cost_key(each.candidate), int(each.right.sum())) for each in scored)
    return key_of(results, context.cost_ms(1.0, 0.0))


def _stored(context: SearchContext, kind: str, key: str, choose: Callable[[], list[str]]) -> list[str]:
    """Return the names that were chosen before, or choose and store them.

    Times vary, so a repeated search would otherwise choose others, and measure again.
    """
    known = context.store.read_record(kind, key, list[str])
    if known is None:
        known = choose()
        context.store.write_record(kind, key, known)
    return known


def _quantize(context: SearchContext, found: Found) -> None:
    """Add int8 versions of the cheapest candidates near the best, as far as the budget allows."""
    front = [found.scored[name] for name in find_front(found.rated)]
    points = max(_QUANTIZED_POINTS, context.settings.within_points)
    key = key_of(_timing_key(context, list(found.scored.values())), points)
    worth = _stored(
        context,
        "quantized",
        key,
        lambda: [each.candidate.name for each in worth_quantizing(front, points, _QUANTIZED_MAX)],
    )
    accepted = []
    for each in [found.scored[name] for name in worth]:
        name = each.candidate.name.removesuffix("-fp32") + "-int8"
        if context.budget.left_s <= 0:
            found.untried[name] = "not tried: the time budget is used up"
            continue
        say(f"quantizing {each.candidate.name}")
        tried = try_eight_bits(context, each, found.meter.backbone_of(each.candidate.source), found.meter.is_timed)
        if tried.scored is None:
            found.rejected[name] = tried.scheme
            say(f"{name}: rejected by the accuracy gate: {tried.scheme}")
            continue
        found.scored[name] = tried.scored
        found.schemes[name] = tried.scheme
        accepted.append(tried.candidate)
    found.meter.measure(accepted)


def entries_of(found: Found) -> list[EntryResult]:
    """Return the results of all candidates: timed ones from low to high cost, then the others by accuracy."""
    costs, rated = found.meter.cost_ms, found.rated
    best, front = found.scored[most_accurate(rated).name], set(find_front(rated))
    entries = [_entry(found, name, each, best, name in front) for name, each in found.scored.items()]
    return sorted(
        entries,
        key=lambda entry: (costs.get(entry.name, float("inf")), -entry.accuracy.value, entry.name),
    )


def _entry(found: Found, name: str, scored: Scored, best: Scored, on_front: bool) -> EntryResult:
    candidate, frames = scored.candidate, len(scored.right)
    choice, (height, width) = candidate.source.choice, candidate.source.size
    right = int(scored.right.sum())
    return EntryResult(
        name=name,
        network=choice.network,
        alpha=choice.alpha,
        weights=choice.weights,
        cut=candidate.cut,
        input=f"{height}x{width}",
        decode=candidate.source.decode,
        precision=candidate.precision,
        frames=frames,
        errors=frames - right,
        accuracy=share_interval(right, frames),
        p_value=None if scored is best else mcnemar_p(best.right, scored.right),
        estimated_ms=found.estimated_ms.get(name),
        cost=found.meter.costs.get(name),
        on_front=on_front,
        precision_note=found.schemes.get(name, ""),
    )


def accuracy_of_choice(context: SearchContext, found: Found) -> Interval:
    """Return the accuracy of the choice by `within` on frames that did not take part in it; see `selected_accuracy`."""
    costs: Mapping[str, float] = {each.name: each.cost_ms for each in found.rated}
    right = np.stack([found.scored[name].right for name in costs], axis=1)
    settings = context.settings
    return selected_accuracy(right, list(costs.values()), context.frames.groups, settings.within_points, settings.seed)
