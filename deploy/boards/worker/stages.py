"""The row of the pipeline stages: the time that frames spend in each."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import FRAMES, PER_S, SECONDS, SHARE, Panel, Query, Row
from deploy.boards.worker.quantiles import quantiles

STAGES = Row(
    "Stages",
    (
        Panel(
            "Time by stage",
            "timeseries",
            quantiles("stripwatch_stage_seconds", "stage"),
            "Time per frame in each stage. queue: decoded, waiting for the device.",
            width=16,
            unit=SECONDS,
        ),
        Panel(
            "Wait for the device",
            "heatmap",
            (
                Query(
                    f'sum by (le) (increase(stripwatch_stage_seconds_bucket{{stage="queue", {OF_WORKER}}}{RATE}))',
                    "{{le}}",
                ),
            ),
            "Time between decoding and inference. If it is long under light load, linger_ms_max or latency_ms_target "
            "is too long.",
            unit=SECONDS,
        ),
        Panel(
            "Batch fill",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_batch_frames_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Frames per batch. All at 1 under load: single frames are fastest here, or decoding is the bottleneck.",
            FRAMES,
        ),
        Panel(
            "Device busy",
            "timeseries",
            (Query(f"rate(stripwatch_device_busy_seconds_total{{{OF_WORKER}}}{RATE})", "{{instance}} {{process}}"),),
            "Share of time in which the device runs a batch. Under load it should be near 1.",
            unit=SHARE,
        ),
        Panel(
            "Batches",
            "timeseries",
            (
                Query(
                    f"sum by (instance, process) (rate(stripwatch_batch_frames_count{{{OF_WORKER}}}{RATE}))",
                    "{{instance}} {{process}}",
                ),
            ),
            "Batches per second.",
            unit=PER_S,
        ),
    ),
)
