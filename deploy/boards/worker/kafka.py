"""The row of Kafka: connection, partitions, producer failures and transactions."""

from deploy.boards.common import OF_LINE, OF_WORKER, RATE
from deploy.boards.panels import COUNT, PER_S, SECONDS, Panel, Query, Row

KAFKA = Row(
    "Kafka",
    (
        Panel(
            "Broker silence",
            "timeseries",
            (Query(f"stripwatch_broker_silence_seconds{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Time since the last response from Kafka. At broker.away_s_max the worker exits and is restarted.",
            unit=SECONDS,
        ),
        Panel(
            "Kafka problems",
            "timeseries",
            (
                Query(f"sum(stripwatch_partitions_without_leader{{{OF_WORKER}}})", "partitions without leader"),
                Query(f"sum(line:stripwatch_partitions_unread:sum{{{OF_LINE}}})", "unread partitions"),
                Query(f"sum(increase(stripwatch_instance_ids_taken_total{{{OF_WORKER}}}[10m]))", "instance ids taken"),
                Query(f"max(stripwatch_unwritable_topics{{{OF_WORKER}}})", "unwritable topics"),
                Query(f"sum(increase(stripwatch_producer_rebuilds_total{{{OF_WORKER}}}[10m]))", "producers replaced"),
                Query(f"sum(increase(stripwatch_frames_read_again_total{{{OF_WORKER}}}[10m]))", "frames read again"),
                Query(f"sum(increase(stripwatch_frames_deleted_total{{{OF_WORKER}}}[10m]))", "frames deleted"),
            ),
            "Over ten minutes. Frames read again are inspected later. Deleted frames are never inspected.",
            COUNT,
            "partitions, topics, frames",
        ),
        Panel(
            "Producer failures",
            "timeseries",
            (
                Query(
                    f"sum by (reason) (increase(stripwatch_producer_failures_total{{{OF_WORKER}}}[10m]))", "{{reason}}"
                ),
                Query(f"sum(increase(stripwatch_rejects_shortened_total{{{OF_WORKER}}}[10m]))", "rejects shortened"),
                Query(f"sum(stripwatch_clock_refused{{{OF_WORKER}}})", "workers with a rejected clock"),
            ),
            "Producer failures over ten minutes by reason. rejects shortened: cut to the topic's message size limit.",
            COUNT,
            "records, workers",
        ),
        Panel(
            "Offsets and partitions",
            "timeseries",
            (
                Query(
                    f"sum(increase(stripwatch_frames_skipped_at_start_total{{{OF_WORKER}}}[10m]))",
                    "frames skipped at start",
                ),
                Query(f"sum(increase(stripwatch_offset_resets_total{{{OF_WORKER}}}[10m]))", "offset jumps"),
                Query(f"sum(increase(stripwatch_partitions_added_total{{{OF_WORKER}}}[10m]))", "partitions added"),
            ),
            "Over ten minutes: topic recreated or truncated, partitions added, frames skipped at the first start.",
            COUNT,
            "frames, positions, partitions",
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
            "Connections closed over ten minutes. timeout: idle or slow; too_many: closed to admit a new one; "
            "handshake: failed TLS handshake.",
            COUNT,
            "connections",
        ),
        Panel(
            "Certificate of the health port",
            "timeseries",
            (Query(f"stripwatch_health_certificate_expiry_timestamp_seconds{{{OF_WORKER}}} - time()", "{{instance}}"),),
            "Remaining validity. Empty without metrics.certificate_file.",
            SECONDS,
        ),
        Panel(
            "Transactions",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_transactions_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "Transactions per second. Empty unless delivery is exactly-once. Aborted frames are inspected again.",
            unit=PER_S,
        ),
    ),
)
