"""The board for engineers."""

from deploy.boards.common import ALERTS, LINE, NEW_BUNDLE, OF_LINE, OF_WORKER, RATE
from deploy.boards.panels import Board, Panel, Query, Row, Variable


def _quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    labels = f"{by}, le" if by else "le"
    return tuple(
        Query(
            f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{OF_WORKER}}}{RATE})))",
            f"{{{{{by}}}}} p{q * 100:g}" if by else f"p{q * 100:g}",
        )
        for q in (0.5, 0.99)
    )


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
            unit="suffix: /s",
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
        ),
        Panel(
            "In flight",
            "timeseries",
            (Query(f"stripwatch_inflight_frames{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Frames between Kafka and acknowledged result. Flat at inflight.frames_max: the worker is at its limit.",
        ),
        Panel(
            "Bytes in flight",
            "timeseries",
            (Query(f"stripwatch_inflight_bytes{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Their encoded bytes.",
            unit="bytes",
        ),
        Panel(
            "Waiting",
            "timeseries",
            (Query(f"stripwatch_queue_frames{{{OF_WORKER}}}", "{{instance}} {{process}} {{queue}}"),),
            "decode full: the device or the decoders bind. publish full: making events binds.",
        ),
        Panel(
            "Age of results",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Capture to acknowledged result.",
            unit="s",
        ),
    ),
)

STAGES = Row(
    "Stages",
    (
        Panel(
            "Time by stage",
            "timeseries",
            _quantiles("stripwatch_stage_seconds", "stage"),
            "Which stage takes the time. queue: decoded and waiting for the device.",
            width=16,
            unit="s",
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
            unit="s",
        ),
        Panel(
            "Batch fill",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_batch_frames_bucket{{{OF_WORKER}}}{RATE}))", "{{le}}"),),
            "Frames in a batch. All at 1 under load: one at a time is fastest here, or decoding binds.",
        ),
        Panel(
            "Device busy",
            "timeseries",
            (Query(f"rate(stripwatch_device_busy_seconds_total{{{OF_WORKER}}}{RATE})", "{{instance}} {{process}}"),),
            "Share of the time in which a batch is on the device. Under load the nearer to 1 the better.",
            unit="percentunit",
        ),
        Panel(
            "Batches",
            "timeseries",
            (
                Query(
                    f"sum by (instance) (rate(stripwatch_batch_frames_count{{{OF_WORKER}}}{RATE}))",
                    "{{instance}} {{process}}",
                ),
            ),
            "Batches a second.",
            unit="suffix: /s",
        ),
    ),
)

HEALTH = Row(
    "Health",
    (
        Panel(
            "What runs",
            "table",
            (Query(f"stripwatch_bundle_info{{{OF_WORKER}}}"),),
            "The bundle and the provider of each worker: as labelled by `device`, and the same on one line.",
            width=16,
        ),
        Panel(
            "Ready",
            "timeseries",
            (Query(f"stripwatch_ready{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "0 while the worker loads, drains, or has a fault; /readyz names it.",
        ),
        Panel(
            "Faults",
            "timeseries",
            (
                Query(f"sum by (header) (rate(stripwatch_header_faults_total{{{OF_WORKER}}}{RATE}))", "{{header}}"),
                Query(f"sum(rate(stripwatch_negative_frame_ages_total{{{OF_WORKER}}}{RATE}))", "from the future"),
                Query(f"sum(rate(stripwatch_late_frames_total{{{OF_WORKER}}}{RATE}))", "late"),
                Query(f"sum(rate(stripwatch_commit_failures_total{{{OF_WORKER}}}{RATE}))", "commits"),
                Query(f"sum by (fault) (rate(stripwatch_batch_faults_total{{{OF_WORKER}}}{RATE}))", "batch {{fault}}"),
                Query(f"sum(rate(stripwatch_memory_shortages_total{{{OF_WORKER}}}{RATE}))", "memory short"),
                Query(f"sum(rate(stripwatch_unlocated_defects_total{{{OF_WORKER}}}{RATE}))", "unlocated defects"),
            ),
            "A second. Headers that cannot be read, frames from the future or too late, commits that Kafka refused, "
            "record batches that cannot be read, memory that is short, defects whose place is not known.",
        ),
        Panel(
            "Memory",
            "timeseries",
            (
                Query(
                    f'process_resident_memory_bytes{{job="stripwatch-worker", {OF_WORKER}}}', "{{instance}} {{process}}"
                ),
            ),
            "Resident. Flat after the first minutes.",
            unit="bytes",
        ),
        Panel(
            "Cores",
            "timeseries",
            (
                Query(
                    f'rate(process_cpu_seconds_total{{job="stripwatch-worker", {OF_WORKER}}}{RATE})',
                    "{{instance}} {{process}}",
                ),
            ),
            "Processor cores that the worker uses.",
        ),
        Panel(
            "Open files",
            "timeseries",
            (Query(f'process_open_fds{{job="stripwatch-worker", {OF_WORKER}}}', "{{instance}} {{process}}"),),
            "Files and sockets. Flat.",
        ),
    ),
)

KAFKA = Row(
    "Kafka",
    (
        Panel(
            "Silence",
            "timeseries",
            (Query(f"stripwatch_broker_silence_seconds{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Time since Kafka was last heard. At broker.away_s_max the worker ends, and is started again.",
            unit="s",
        ),
        Panel(
            "Trouble",
            "timeseries",
            (
                Query(f"sum(stripwatch_partitions_without_leader{{{OF_WORKER}}})", "partitions without leader"),
                Query(f"sum(line:stripwatch_partitions_unread:sum{{{OF_LINE}}})", "partitions that nobody reads"),
                Query(f"sum(increase(stripwatch_instance_ids_taken_total{{{OF_WORKER}}}[10m]))", "instance ids taken"),
                Query(f"max(stripwatch_unwritable_topics{{{OF_WORKER}}})", "topics that cannot be written"),
                Query(f"sum(increase(stripwatch_producer_rebuilds_total{{{OF_WORKER}}}[10m]))", "producers replaced"),
                Query(f"sum(increase(stripwatch_frames_read_again_total{{{OF_WORKER}}}[10m]))", "frames read again"),
                Query(f"sum(increase(stripwatch_frames_deleted_total{{{OF_WORKER}}}[10m]))", "frames deleted"),
            ),
            "Over ten minutes. Frames read again are inspected later; frames deleted never.",
        ),
        Panel(
            "Refused records",
            "timeseries",
            (
                Query(
                    f"sum by (reason) (increase(stripwatch_producer_failures_total{{{OF_WORKER}}}[10m]))", "{{reason}}"
                ),
                Query(f"sum(increase(stripwatch_rejects_shortened_total{{{OF_WORKER}}}[10m]))", "rejects shortened"),
                Query(f"sum(stripwatch_clock_refused{{{OF_WORKER}}})", "workers whose clock is refused"),
            ),
            "Failures of the producer over ten minutes, by reason. Rejects shortened: their topic takes no more.",
        ),
        Panel(
            "Topic",
            "timeseries",
            (
                Query(
                    f"sum(increase(stripwatch_frames_skipped_at_start_total{{{OF_WORKER}}}[10m]))",
                    "frames skipped at start",
                ),
                Query(f"sum(increase(stripwatch_offset_resets_total{{{OF_WORKER}}}[10m]))", "positions that jumped"),
                Query(f"sum(increase(stripwatch_partitions_added_total{{{OF_WORKER}}}[10m]))", "partitions added"),
            ),
            "Over ten minutes: the topic was recreated or truncated, gained partitions, or its start was passed over.",
        ),
        Panel(
            "Health port",
            "timeseries",
            (
                Query(
                    f"sum by (reason) (increase(stripwatch_health_connections_closed_total{{{OF_WORKER}}}[10m]))",
                    "{{reason}}",
                ),
            ),
            "Idle or slow connections that were closed, over ten minutes. too_many: for a new one.",
        ),
        Panel(
            "Transactions",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_transactions_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "A second, with delivery = exactly-once; empty otherwise. Aborted ones are read and inspected again.",
            unit="suffix: /s",
        ),
    ),
)

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
            width=6,
        ),
        Panel(
            "Shadow",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_shadow_frames_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "Frames that the shadow judged like the first model, otherwise, or not at all. Empty without a shadow.",
            width=6,
            stacked=True,
            unit="suffix: /s",
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
            width=6,
        ),
        Panel(
            "Time of the shadow",
            "timeseries",
            _quantiles("stripwatch_shadow_seconds"),
            "Decoding and inference of a frame, one at a time. Empty without a shadow.",
            width=6,
            unit="s",
        ),
        Panel(
            "Shadow's faults",
            "timeseries",
            (
                Query(f"sum(stripwatch_shadow_outdated{{{OF_WORKER}}})", "workers with an outdated bundle"),
                Query(
                    f"sum(rate(stripwatch_shadow_unpublished_total{{{OF_WORKER}}}{RATE}))",
                    "results not taken, a second",
                ),
            ),
            "A shadow that should run and does not; results that its topic did not take.",
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


def _outcomes(title: str, metric: str, description: str) -> Panel:
    query = Query(f"sum by (outcome) (rate({metric}{{{OF_WORKER}}}{RATE}))", "{{outcome}}")
    return Panel(title, "timeseries", (query,), description, stacked=True, unit="suffix: /s")


ASIDES = Row(
    "Evidence and review",
    (
        _outcomes(
            "Pictures of defects",
            "stripwatch_evidence_frames_total",
            "Frames with a defect, by their picture; failed: the event promised one. 0 while switched off.",
        ),
        _outcomes(
            "Frames for review",
            "stripwatch_review_frames_total",
            "Frames the model is unsure of. Much over quota: label some, and train. 0 while switched off.",
        ),
    ),
)

WORKER_BOARD = Board(
    "stripwatch-worker",
    "Stripwatch: worker",
    "For engineers: where does the time go, and what is about to give way?",
    (LINE, Variable("instance", f"label_values(stripwatch_ready{{{OF_LINE}}}, instance)")),
    (NEW_BUNDLE, ALERTS),
    (THROUGHPUT, STAGES, HEALTH, KAFKA, MODELS, ASIDES),
)
