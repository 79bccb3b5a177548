"""Report on the seeds: Markdown tables and a JSON summary."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from tests.faults.judge import DELIVERIES, Counts, Delivery
from tests.faults.kinds import FAULTS
from tests.faults.run import Verdict
from tests.faults.silence import Silence, severity

NUMBERS = (
    *(field.name for field in fields(Counts)),
    *("uncommitted", "crashed", "stuck", "silent", "stalled", "swollen", "gave_up", "skipped_markers"),
)


def numbers(verdict: Verdict) -> dict[str, int]:
    """Return every count of a verdict by name."""
    return {name: getattr(verdict.counts if hasattr(verdict.counts, name) else verdict, name) for name in NUMBERS}


def table(verdicts: Sequence[Verdict]) -> str:
    """Return Markdown tables: one row per delivery setting, then one row per fault with counts and longest silences."""
    names = ["seeds", "frames", "faults", *NUMBERS]
    rows = [_row("delivery", *(name.replace("_", " ") for name in names)), "|---" * (len(names) + 1) + "|"]
    for delivery, total in summary(verdicts)["deliveries"].items():
        rows.append(_row(delivery, *(f"{total[name]:,}" for name in names)))
    for delivery in DELIVERIES:
        if own := [verdict for verdict in verdicts if verdict.delivery == delivery]:
            rows += ["", *_fault_rows(delivery, own)]
    impossible = {one.strike.fault for verdict in verdicts for one in verdict.met if not one.possible}
    return "\n".join(rows + [f"not possible on this machine: {name}" for name in sorted(impossible)])


def _fault_rows(delivery: Delivery, verdicts: Sequence[Verdict]) -> list[str]:
    met, missed, broken = (faults(verdicts, which) for which in ("met", "missed", "broken"))
    head = _row(f"{delivery}: fault", "with frames in flight", "with none in flight", "in broken seeds", *_SILENCE)
    rows = [head, "|---" * (4 + len(_SILENCE)) + "|"]
    for name, quiet in silence(verdicts).items():
        cells = (_seconds(quiet[key]) for key in quiet)
        rows.append(_row(name or "(none near)", met[name], missed[name], broken[name], *cells))
    return rows


_SILENCE = (
    *("Kafka unavailable, s", "unaffected: longest, s", "allowed, s", "control consumer, s"),
    *("affected: longest, s", "after Kafka recovered, s", "allowed, s", "isolated fault: longest, s"),
)


def silence(verdicts: Sequence[Verdict]) -> dict[str, dict[str, float | None]]:
    """Return the longest silences of each fault that occurred, in seconds.

    The figures are the longest time that Kafka was unavailable, the worst silence of partitions that the fault did not
    affect and of those that it did, and the allowed length of each. None means that there was no silence, or that it
    is not evaluated.
    """
    found: dict[str, list[Silence]] = defaultdict(list)
    away_s: dict[str, float] = defaultdict(float)
    for verdict in verdicts:
        for one in verdict.silences:
            found[one.fault].append(one)
        for name, seconds in verdict.away_s.items():
            away_s[name] = max(away_s[name], seconds)
    struck = {one.strike.fault for verdict in verdicts for one in verdict.met}
    names = [name for name in ["", *FAULTS] if found[name] or name in struck]
    return {name: {"away_s": away_s.get(name)} | _longest(found[name]) for name in names}


def _longest(found: Sequence[Silence]) -> dict[str, float | None]:
    healthy, victim = (
        max((one for one in found if one.victim is who), key=severity, default=None) for who in (False, True)
    )
    quiet = {
        "healthy_s": healthy.seconds if healthy else None,
        "healthy_allowed_s": healthy.allowed_s if healthy else None,
        "healthy_control_s": healthy.control_s if healthy else None,
        "victims_whole_s": max((one.whole_s for one in found if one.victim), default=None),
        "victims_s": victim.seconds if victim else None,
        "victims_allowed_s": victim.allowed_s if victim else None,
        "alone_s": max((one.whole_s for one in found if one.alone), default=None),
    }
    return {name: None if value is None else round(value, 2) for name, value in quiet.items()}


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def faults(verdicts: Sequence[Verdict], which: str) -> Counter[str]:
    """Count faults by name.

    which: "met" counts faults with frames in flight, "missed" those without, "broken" those in a seed that broke a
    guarantee.
    """
    return Counter(
        one.strike.fault
        for verdict in verdicts
        for one in verdict.met
        if {"met": one.frames > 0, "missed": not one.frames, "broken": bool(verdict.broken) and one.frames > 0}[which]
    )


def summary(verdicts: Sequence[Verdict], failures: Sequence[str] = (), left: int = 0) -> Mapping[str, Any]:
    """Return the JSON summary: totals per delivery setting, the seeds that broke a guarantee, and the silences.

    kept: every guarantee held. failures: failures of the harness; like `stalled`, they are inconclusive. left: number
    of seeds without a verdict.
    """
    deliveries = {}
    for delivery in DELIVERIES:
        own = [verdict for verdict in verdicts if verdict.delivery == delivery]
        if own:
            totals = {name: sum(numbers(verdict)[name] for verdict in own) for name in NUMBERS}
            deliveries[delivery] = {
                "seeds": len(own),
                "seeds_by_kafka": dict(Counter(f"{verdict.kafka}, {verdict.cluster}" for verdict in own)),
                "frames": sum(verdict.frames for verdict in own),
                "faults": sum(verdict.strikes for verdict in own),
                "seconds": round(sum(verdict.seconds for verdict in own), 1),
                **totals,
                "stop_s_max": max(verdict.stop_s_max for verdict in own),
                "models_max": max(verdict.models for verdict in own),
                "memory_mb_max": max(verdict.memory_mb_max for verdict in own),
                "memory_mb_allowed": min(verdict.memory_mb_allowed for verdict in own),
                "broken": {str(verdict.seed): verdict.broken for verdict in own if verdict.broken},
                "not_proved": [verdict.seed for verdict in own if verdict.stalled],
                "silence": silence(own),
            }
    kept = not (failures or left or any(verdict.broken or verdict.stalled for verdict in verdicts))
    return {"kept": kept, "left": left, "failures": list(failures), "deliveries": deliveries}
