"""What Kafka does, and what it refuses."""

from deploy.boards.common import OF_LINE, OF_WORKER, RATE
from deploy.boards.panels import COUNT, PER_S, SECONDS, Panel, Query, Row

KAFKA = Row(
    "Kafka",
    (
        Panel(
            "Silence",
            "timeseries",
            (Query(f"stripwatch_broker_silence_seconds{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Time since Kafka was last heard. At broker.away_s_max the worker ends, and is started again.",
            unit=SECONDS,
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
            COUNT,
            "partitions, topics, frames",
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
            COUNT,
            "records, workers",
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
            "Connections that were closed, over ten minutes. timeout: idle or slow; too_many: for a new one; "
            "handshake: failed TLS handshakes.",
            COUNT,
            "connections",
        ),
        Panel(
            "Certificate of the health port",
            "timeseries",
            (Query(f"stripwatch_health_certificate_expiry_timestamp_seconds{{{OF_WORKER}}} - time()", "{{instance}}"),),
            "For how long it is valid. Empty without metrics.certificate_file.",
            SECONDS,
        ),
        Panel(
            "Transactions",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_transactions_total{{{OF_WORKER}}}{RATE}))", "{{outcome}}"),),
            "A second, with delivery = exactly-once; empty otherwise. Aborted ones are read and inspected again.",
            unit=PER_S,
        ),
    ),
)
