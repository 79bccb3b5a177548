"""The row of model reloads and the shadow model."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import COUNT, FRAMES, PER_S, SECONDS, Panel, Query, Row
from deploy.boards.worker.quantiles import quantiles

MODELS = Row(
    "Model reload and shadow",
    (
        Panel(
            "Model reloads",
            "timeseries",
            (
                Query(f"sum by (outcome) (increase(stripwatch_bundle_swaps_total{{{OF_WORKER}}}[10m]))", "{{outcome}}"),
                Query(f"sum(stripwatch_bundle_outdated{{{OF_WORKER}}})", "workers with an outdated bundle"),
            ),
            "New bundles over ten minutes by outcome, and workers that do not run the newest one.",
            COUNT,
            "bundles, workers",
            width=6,
        ),
        Panel(
            "Shadow",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_shadow_frames_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "Frames on which the shadow agreed, differed, was dropped or failed. Empty without a shadow.",
            width=6,
            stacked=True,
            unit=PER_S,
        ),
        Panel(
            "Verdicts of both models",
            "bargauge",
            (
                Query(
                    "sum by (verdict, shadow_verdict)"
                    f" (increase(stripwatch_shadow_verdicts_total{{{OF_WORKER}}}[$__range]))",
                    "{{verdict}}, shadow {{shadow_verdict}}",
                ),
            ),
            "Frames by both verdicts. The shadow would miss a defect it calls clean. Empty without a shadow.",
            FRAMES,
            width=6,
        ),
        Panel(
            "Score difference",
            "heatmap",
            (
                Query(
                    f"sum by (le) (increase(stripwatch_shadow_score_difference_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"
                ),
            ),
            "Largest difference of a score between both models, per frame. Empty without a shadow.",
            COUNT,
            "score difference",
            width=6,
        ),
        Panel(
            "Novelty scores",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_novelty_ratio_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Novelty score by its threshold, per frame. Above 1: novel. Empty if the bundle has no novelty score.",
            COUNT,
            "multiple of the threshold",
            width=6,
        ),
        Panel(
            "Shadow time per frame",
            "timeseries",
            quantiles("stripwatch_shadow_seconds"),
            "Decoding and inference of single frames. Empty without a shadow.",
            width=6,
            unit=SECONDS,
        ),
        Panel(
            "Shadow faults",
            "timeseries",
            (
                Query(f"sum(stripwatch_shadow_outdated{{{OF_WORKER}}})", "workers with an outdated bundle"),
                Query(f"sum(increase(stripwatch_shadow_unpublished_total{{{OF_WORKER}}}[10m]))", "unpublished results"),
            ),
            "Workers whose shadow does not run the newest bundle; results not published over ten minutes.",
            COUNT,
            "workers, results",
            width=6,
        ),
        Panel(
            "Running shadows",
            "table",
            (Query(f"stripwatch_shadow_info{{{OF_WORKER}}}"),),
            "The shadow bundle of each worker. Empty without a shadow.",
            width=12,
        ),
    ),
)
