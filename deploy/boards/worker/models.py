"""Another model: swaps, and the shadow beside the first."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import COUNT, FRAMES, PER_S, SECONDS, Panel, Query, Row
from deploy.boards.worker.quantiles import quantiles

MODELS = Row(
    "Another model",
    (
        Panel(
            "Swaps",
            "timeseries",
            (
                Query(f"sum by (outcome) (increase(stripwatch_bundle_swaps_total{{{OF_WORKER}}}[10m]))", "{{outcome}}"),
                Query(f"sum(stripwatch_bundle_outdated{{{OF_WORKER}}})", "workers with an outdated bundle"),
            ),
            "Bundles put in place over ten minutes, and workers that do not run what was put in place.",
            COUNT,
            "bundles, workers",
            width=6,
        ),
        Panel(
            "Shadow",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_shadow_frames_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "Frames that the shadow judged like the first model, otherwise, or not at all. Empty without a shadow.",
            width=6,
            stacked=True,
            unit=PER_S,
        ),
        Panel(
            "Where the two differ",
            "bargauge",
            (
                Query(
                    "sum by (verdict, shadow_verdict)"
                    f" (increase(stripwatch_shadow_verdicts_total{{{OF_WORKER}}}[$__range]))",
                    "{{verdict}}, shadow {{shadow_verdict}}",
                ),
            ),
            "Frames by both verdicts. A defect that the shadow calls clean would be missed. Empty without a shadow.",
            FRAMES,
            width=6,
        ),
        Panel(
            "Difference of scores",
            "heatmap",
            (
                Query(
                    f"sum by (le) (increase(stripwatch_shadow_score_difference_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"
                ),
            ),
            "The largest difference of a score between the two, by frame. Empty without a shadow.",
            COUNT,
            "difference of scores",
            width=6,
        ),
        Panel(
            "Time of the shadow",
            "timeseries",
            quantiles("stripwatch_shadow_seconds"),
            "Decoding and inference of a frame, one at a time. Empty without a shadow.",
            width=6,
            unit=SECONDS,
        ),
        Panel(
            "Shadow's faults",
            "timeseries",
            (
                Query(f"sum(stripwatch_shadow_outdated{{{OF_WORKER}}})", "workers with an outdated bundle"),
                Query(f"sum(increase(stripwatch_shadow_unpublished_total{{{OF_WORKER}}}[10m]))", "results not taken"),
            ),
            "A shadow that should run and does not; results that its topic did not take, over ten minutes.",
            COUNT,
            "workers, results",
            width=6,
        ),
        Panel(
            "Shadows that run",
            "table",
            (Query(f"stripwatch_shadow_info{{{OF_WORKER}}}"),),
            "Empty without a shadow.",
            width=12,
        ),
    ),
)
