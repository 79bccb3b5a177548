"""The row of throughput: frames in and out of the worker, and the queues between."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import BYTES, FRAMES, PER_S, SECONDS, Panel, Query, Row

THROUGHPUT = Row(
    "Throughput",
    (
        Panel(
            "Frames in and out",
            "timeseries",
            (
                Query(
                    f"sum by (instance) (rate(stripwatch_frames_total{{{OF_WORKER}}}{RATE}))", "{{instance}} consumed"
                ),
                Query(
                    f'sum by (instance) (rate({{__name__=~"stripwatch_(results|rejects)_total", {OF_WORKER}}}{RATE}))',
                    "{{instance}} settled",
                ),
            ),
            "Frames per second consumed from Kafka, and settled as results or rejects. The two lines should coincide.",
            unit=PER_S,
        ),
        Panel(
            "Lag by partition",
            "timeseries",
            (
                Query(
                    f"sum by (line, partition) (stripwatch_consumer_lag_frames{{{OF_WORKER}}})",
                    "{{line}} {{partition}}",
                ),
            ),
            "Frames without acknowledged result. If a single partition lags, one camera sends more than its share.",
            FRAMES,
        ),
        Panel(
            "In flight",
            "timeseries",
            (Query(f"stripwatch_inflight_frames{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Frames consumed but not yet settled. Constantly at inflight.frames_max: the worker is at its limit.",
            FRAMES,
        ),
        Panel(
            "Bytes in flight",
            "timeseries",
            (
                Query(f"stripwatch_inflight_bytes{{{OF_WORKER}}}", "{{instance}} {{process}} encoded"),
                Query(f"stripwatch_inflight_decoded_bytes{{{OF_WORKER}}}", "{{instance}} {{process}} decoded"),
            ),
            "Encoded bytes of the frames in flight, and memory for decoding and for decoded images. If decoded is at "
            "inflight.decoded_bytes_max, frames wait for memory before they are decoded.",
            unit=BYTES,
        ),
        Panel(
            "Queues",
            "timeseries",
            (Query(f"stripwatch_queue_frames{{{OF_WORKER}}}", "{{instance}} {{process}} {{queue}}"),),
            "decode full: the device or the decoders are the bottleneck. publish full: building events is.",
            FRAMES,
        ),
        Panel(
            "Result age",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Time from capture to acknowledged result.",
            unit=SECONDS,
        ),
    ),
)
