"""What the seeds came to: a table for people, and one JSON object."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tests.faults.judge import DELIVERIES, Counts
from tests.faults.plan import Fault
from tests.faults.run import Verdict

NUMBERS = (*(field.name for field in fields(Counts)), "uncommitted", "crashed", "stuck", "gave_up")


def numbers(verdict: Verdict) -> dict[str, int]:
    """Every count by its name."""
    return {name: getattr(verdict.counts if hasattr(verdict.counts, name) else verdict, name) for name in NUMBERS}


def table(verdicts: Sequence[Verdict]) -> str:
    """Markdown: a row for each delivery, and which faults met frames in flight."""
    names = ["seeds", "frames", "faults", *NUMBERS]
    rows = [
        "| delivery | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for delivery, total in summary(verdicts)["deliveries"].items():
        rows.append(f"| {delivery} | " + " | ".join(f"{total[name]:,}" for name in names) + " |")
    rows += ["", "| fault | met frames in flight | met none |", "|---|---|---|"]
    met, missed = faults(verdicts, met=True), faults(verdicts, met=False)
    return "\n".join(rows + [f"| {fault} | {met[fault]} | {missed[fault]} |" for fault in Fault])


def faults(verdicts: Sequence[Verdict], met: bool) -> Counter[str]:
    """By kind, those that met frames in flight, or those that did not."""
    return Counter(one.strike.fault for verdict in verdicts for one in verdict.met if (one.frames > 0) == met)


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The last line: totals of each delivery, and the seeds with a broken promise."""
    deliveries = {}
    for delivery in DELIVERIES:
        own = [verdict for verdict in verdicts if verdict.delivery == delivery]
        if own:
            totals = {name: sum(numbers(verdict)[name] for verdict in own) for name in NUMBERS}
            deliveries[delivery] = {
                "seeds": len(own),
                "frames": sum(verdict.frames for verdict in own),
                "faults": sum(verdict.strikes for verdict in own),
                "seconds": round(sum(verdict.seconds for verdict in own), 1),
                **totals,
                "stop_s_max": max(verdict.stop_s_max for verdict in own),
                "models_max": max(verdict.models for verdict in own),
                "broken": {str(verdict.seed): verdict.broken for verdict in own if verdict.broken},
            }
    return {"kept": not any(verdict.broken for verdict in verdicts), "deliveries": deliveries}
