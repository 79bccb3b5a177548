"""Frames in and out of the worker, and where they wait."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import BYTES, FRAMES, PER_S, SECONDS, Panel, Query, Row

THROUGHPUT = Row(
    "Throughput",
    (
        Panel(
            "In and out",
            "timeseries",
            (
                Query(f"sum by (instance) (rate(stripwatch_frames_total{{{OF_WORKER}}}{RATE}))", "{{instance}} taken"),
                Query(
                    f'sum by (instance) (rate({{__name__=~"stripwatch_(results|rejects)_total", {OF_WORKER}}}{RATE}))',
                    "{{instance}} settled",
                ),
            ),
            "Frames a second taken from Kafka, and acknowledged as result or reject. The two lines lie on each other.",
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
            "Frames in Kafka without acknowledged result. One partition alone: one camera sends more than its share.",
            FRAMES,
        ),
        Panel(
            "In flight",
            "timeseries",
            (Query(f"stripwatch_inflight_frames{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Frames between Kafka and acknowledged result. Flat at inflight.frames_max: the worker is at its limit.",
            FRAMES,
        ),
        Panel(
            "Bytes in flight",
            "timeseries",
            (
                Query(f"stripwatch_inflight_bytes{{{OF_WORKER}}}", "{{instance}} {{process}} encoded"),
                Query(f"stripwatch_inflight_decoded_bytes{{{OF_WORKER}}}", "{{instance}} {{process}} decoded"),
            ),
            "Their encoded bytes, and the memory for decoding and for pixels that wait for the model. decoded at "
            "inflight.decoded_bytes_max: frames wait for memory before they are decoded.",
            unit=BYTES,
        ),
        Panel(
            "Waiting",
            "timeseries",
            (Query(f"stripwatch_queue_frames{{{OF_WORKER}}}", "{{instance}} {{process}} {{queue}}"),),
            "decode full: the device or the decoders bind. publish full: making events binds.",
            FRAMES,
        ),
        Panel(
            "Age of results",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Capture to acknowledged result.",
            unit=SECONDS,
        ),
    ),
)
