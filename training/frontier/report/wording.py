"""The frontier in words, for people who decide without reading tables."""

from collections.abc import Sequence

from stripwatch.training.frontier.plan.result import EntryResult, FrontierResult, RateResult

_SIGNIFICANT = 0.05


def describe_entry(entry: EntryResult) -> str:
    """Return a candidate in words, such as "mobilenet 0.25, whole, at 128x128, grey, fp32"."""
    width = f" {entry.alpha:g}" if entry.alpha != 1 else ""
    cut = "whole" if not entry.cut else f"cut at {entry.cut}"
    return f"{entry.network}{width}, {cut}, input {entry.input}, decoded as {entry.decode}, {entry.precision}"


def accuracy_text(entry: EntryResult) -> str:
    """Return the accuracy with its interval and the number of errors."""
    share = entry.accuracy
    return (
        f"{share.value:.2%} (95 % interval {share.low:.2%} to {share.high:.2%}; "
        f"{entry.errors:,} of {entry.frames:,} frames wrong)"
    )


def cost_text(entry: EntryResult) -> str:
    """Return the cost per frame and the rate of a core."""
    cost = entry.cost
    if cost is None:
        return "not timed"
    return (
        f"{cost.total_ms:.2f} ms of processor time per frame ({cost.decode_ms:.2f} ms decoding, "
        f"{cost.inference_ms:.2f} ms inference), {cost.frames_per_second:,.0f} frames per second on one core"
    )


def sections(result: FrontierResult) -> list[tuple[str, list[str]]]:
    """Return headings with paragraphs."""
    chosen = [("Recommendation", _recommendation(result))]
    if result.rate is not None:
        chosen.append(("Cost for the line", _rate(result, result.rate)))
    chosen.append(("What more accuracy would cost", _more(result)))
    return [*chosen, ("What was compared", _compared(result)), ("How far to trust the figures", _limits(result))]


def _recommendation(result: FrontierResult) -> list[str]:
    if result.winner is None:
        return ["No candidate reaches the required frame rate, so none is recommended. See the next section."]
    entry, best = result.entry(result.winner), result.entry(result.best)
    reason = "it is the most accurate candidate that reaches the required frame rate"
    if result.rate is None:
        points = f"{result.within_points:g} percentage points"
        reason = f"it is the cheapest candidate at most {points} below the most accurate one"
    paragraphs = [
        f"Use {entry.name}: {reason}. Its accuracy is {accuracy_text(entry)}. It costs {cost_text(entry)}.",
    ]
    if entry is not best:
        paragraphs.append(f"The most accurate candidate is {best.name}: {accuracy_text(best)}; {_ratio(best, entry)}.")
    return paragraphs


def _ratio(other: EntryResult, entry: EntryResult) -> str:
    if other.cost is None or entry.cost is None:
        return "its cost was not measured"
    frame, inference = (getattr(other.cost, name) / getattr(entry.cost, name) for name in ("total_ms", "inference_ms"))
    return f"its frame costs {frame:.1f} times as much, its inference {inference:.1f} times as much"


def _rate(result: FrontierResult, rate: RateResult) -> list[str]:
    wanted = f"{rate.frames_per_second:,.0f} frames per second"
    if rate.cameras is not None:
        wanted += f" from {rate.cameras} cameras"
    cores = f"{rate.cores} core{'s' if rate.cores != 1 else ''}"
    paragraphs = [
        f"Required: {wanted} on {cores}. At most {rate.utilisation:.0%} of the cores are used, so that a worker can "
        f"catch up after an interruption; that allows {rate.frame_ms_max:.2f} ms per frame. For the other work "
        f"of a worker, such as reading from Kafka and publishing results, {rate.other_ms:g} ms per frame are added to "
        "decoding and inference."
    ]
    if rate.decode_factor != 1:
        paragraphs.append(
            f"A camera's frame has {rate.decode_factor:.2f} times the pixels of a frame of the data set. The time for "
            "decoding is assumed to change by the same factor. Measure with frames of the camera to be sure."
        )
    name = result.winner or min(rate.frame_ms, key=lambda each: rate.frame_ms[each])
    each, needed = rate.frame_ms[name], rate.cores_needed[name]
    if result.winner is None:
        paragraphs.append(
            f"No candidate reaches this. The cheapest one, {name}, takes {each:.2f} ms per frame and needs "
            f"{needed:.1f} cores. Add cores, reduce the frame rate, or search smaller networks and inputs."
        )
        return paragraphs
    text = f"{name} takes {each:.2f} ms per frame and needs {needed:.1f} of {cores}"
    if rate.cameras is not None:
        text += f", which is {needed / rate.cameras:.2f} cores per camera"
    return [*paragraphs, f"{text}."]


def _more(result: FrontierResult) -> list[str]:
    name = result.winner or result.within
    at = result.front.index(name) if name in result.front else None
    if at is None:
        return [f"{name} is not on the frontier; another candidate is cheaper and at least as accurate."]
    entry, paragraphs = result.entry(name), []
    for better in result.front[at + 1 :]:
        other = result.entry(better)
        fewer = entry.errors - other.errors
        paragraphs.append(
            f"{better}: {fewer:,} fewer of {entry.frames:,} frames wrong "
            f"({100 * (other.accuracy.value - entry.accuracy.value):.2f} points); {_ratio(other, entry)}."
        )
    if not paragraphs:
        return ["No timed candidate is more accurate."]
    p_value = entry.p_value
    if p_value is not None:
        verdict = "is statistically significant" if p_value < _SIGNIFICANT else "may be chance"
        paragraphs.append(
            f"The difference between {name} and the most accurate candidate {verdict} (exact McNemar test, "
            f"p = {p_value:.2g})."
        )
    return paragraphs


def _compared(result: FrontierResult) -> list[str]:
    entries, timed = result.entries, result.timed
    machine = result.machine
    paragraphs = [
        f"{len(entries):,} candidates were scored and {len(timed):,} of them timed: {_listed(entries)}. The others "
        "were not timed, because candidates that are at least as accurate are much cheaper, or their accuracy is far "
        "below the best.",
        f"Data: {result.frames:,} frames in {result.groups:,} groups, {len(result.labels)} labels. "
        + (
            "The frames have colour."
            if result.colour
            else "The frames have no colour, so decoding in colour would give the same picture for more time."
        ),
        f"Machine: {machine.processor}, {machine.cores} cores, ONNX Runtime {machine.onnxruntime}, "
        f"{result.created_at[:10]}.",
        "Cost: processor time on one thread for a whole frame, from its bytes to scores"
        + (", heatmaps and the novelty score" if result.novelty else " and heatmaps")
        + ": check of the header, decoding, resizing, and inference with the options of the worker. Candidates took "
        "turns in several rounds; the figures are medians.",
    ]
    if result.untried:
        more = f" {'; '.join(f'{name}: {why}' for name, why in result.untried.items())}."
        paragraphs.append(f"Not measured within {result.budget_minutes:g} minutes:{more}")
    if result.rejected:
        paragraphs.append(
            "Rejected by the accuracy gate for int8: "
            + "; ".join(f"{name} ({why})" for name, why in result.rejected.items())
            + "."
        )
    return paragraphs


def _listed(entries: Sequence[EntryResult]) -> str:
    networks = dict.fromkeys(f"{each.network}{f' {each.alpha:g}' if each.alpha != 1 else ''}" for each in entries)
    sizes = dict.fromkeys(each.input for each in sorted(entries, key=lambda each: int(each.input.split("x")[0])))
    decodings = dict.fromkeys(each.decode for each in entries)
    return f"networks {', '.join(networks)}; inputs {', '.join(sizes)}; decoded as {', '.join(decodings)}"


def _limits(result: FrontierResult) -> list[str]:
    chosen = result.selected_accuracy
    interval = f" (95 % interval {chosen.low:.2%} to {chosen.high:.2%})" if chosen.low < chosen.high else ""
    return [
        f"Accuracy: {result.folds}-fold cross-validation; near duplicates and images of one coil stay in one fold. The "
        "heads are logistic regressions on the feature maps that the head of `fit` reads. That head is linear too, but "
        "also learns from changed copies of the frames, with another optimizer. So the accuracy of the run can differ: "
        "evaluate it.",
        f"The best of many candidates owes part of its accuracy to luck. If the choice by --within "
        f"{result.within_points:g} is repeated on resampled frames and scored on frames that took no part in it, the "
        f"accuracy is {chosen.value:.2%}{interval}.",
        "The frames of the data set may be easier than those of next month. Test the model with `evaluate --test` on "
        "images from other days.",
    ]
