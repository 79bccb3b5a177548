"""Where the time of a frame goes."""

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
            "Which stage takes the time. queue: decoded and waiting for the device.",
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
            "Decoded and waiting. Long under light load: linger_ms_max or latency_ms_target is too long.",
            unit=SECONDS,
        ),
        Panel(
            "Batch fill",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_batch_frames_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Frames in a batch. All at 1 under load: one at a time is fastest here, or decoding binds.",
            FRAMES,
        ),
        Panel(
            "Device busy",
            "timeseries",
            (Query(f"rate(stripwatch_device_busy_seconds_total{{{OF_WORKER}}}{RATE})", "{{instance}} {{process}}"),),
            "Share of the time in which a batch is on the device. Under load the nearer to 1 the better.",
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
            "Batches a second.",
            unit=PER_S,
        ),
    ),
)
