"""A result of a search with three timed candidates, for tests of reports."""

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.training.frontier.plan.result import SCHEMA, Cost, EntryResult, FrontierResult, Machine, RateResult


def entry(
    name: str, errors: int, cost_ms: float | None, on_front: bool = True, p_value: float | None = 0.5
) -> EntryResult:
    cost = None
    if cost_ms is not None:
        cost = Cost(0.25, cost_ms - 0.25, cost_ms, 0.9 * cost_ms, 1.2 * cost_ms, batch=1, rounds=5)
    return EntryResult(
        name=name,
        network="mobilenet",
        alpha=0.25,
        weights="w$<b>.h5",
        cut="",
        input="96x96",
        decode="grey",
        precision="fp32",
        frames=1000,
        errors=errors,
        accuracy=share_interval(1000 - errors, 1000),
        p_value=p_value,
        estimated_ms=cost_ms,
        cost=cost,
        on_front=on_front,
    )


def a_rate(reached_by: str | None) -> RateResult:
    return RateResult(
        frames_per_second=360,
        cameras=12,
        cores=4,
        utilisation=0.7,
        other_ms=0.6,
        frame_ms_max=7.78,
        decode_factor=10.24,
        reached_by=reached_by,
        frame_ms={"cheap": 3.5, "middle": 4.0, "dear": 23.0},
        cores_needed={"cheap": 1.8, "middle": 2.1, "dear": 11.8},
    )


def a_result(rate: RateResult | None = None) -> FrontierResult:
    entries = [entry("cheap", 60, 0.5), entry("middle", 5, 1.0), entry("dear", 2, 20.0, p_value=None)]
    return FrontierResult(
        schema=SCHEMA,
        created_at="2026-11-29T12:00:00Z",
        data="/plant/<images>",
        frames=1000,
        groups=900,
        labels=["pits", "scale"],
        task="multiclass",
        folds=5,
        seed=0,
        colour=False,
        frame_size="200x200",
        machine=Machine("A processor", 2, "1.2.3"),
        within_points=0.5,
        best="dear",
        within="middle",
        winner="middle" if rate is None else rate.reached_by,
        selected_accuracy=Interval(0.994, 0.985, 0.999),
        rate=rate,
        front=["cheap", "middle", "dear"],
        entries=[*entries, entry("slow", 100, None, on_front=False)],
        untried={"mobilenet 224x224 grey": "not tried: it takes about 9 min, over the time budget"},
        rejected={"cheap-int8": "int8, every convolution: accuracy loss in percentage points is 3, the limit is 0.5"},
        minutes=12.0,
        budget_minutes=20,
        command="stripwatch train frontier --data x",
    )
