"""Metrics of the topics that a worker reads and writes, and of its consumer group."""

from contextlib import suppress

from stripwatch.worker.monitoring.metric_groups.metric_group import MetricGroup


class KafkaMetrics(MetricGroup):
    """The part of a worker's metrics that describes Kafka. `Metrics` creates it."""

    def _create_kafka(self) -> None:
        self._create_delivery()
        self._create_reading()

    def _create_delivery(self) -> None:
        """Create the metrics of the results that are due, of commits and transactions, and of the producer."""
        # Grows while frames_total rises if the worker is too slow for its cameras. It is also current while the worker
        # is full and does not fetch, or stuck.
        self.lag_frames = self._gauge(
            "consumer_lag_frames", "Frames in Kafka without an acknowledged result, by partition.", "partition"
        )
        self.commit_failures = self._counter("commit_failures", "Offset commits that Kafka refused.")
        # Some aborted transactions are normal after a rebalance or a broker outage; their frames are read again. If the
        # count rises quickly, read the log.
        self.transactions = self._counter(
            "transactions",
            'Kafka transactions by outcome: committed or aborted. Only with delivery = "exactly-once".',
            "outcome",
        )
        # Each replacement points to a broker fault or to a topic setting. The log names it.
        self.producer_rebuilds = self._counter("producer_rebuilds", "Producers replaced after a failure.")
        # too_large, timestamp and missing_topic point to a topic setting or a clock. rebalance is normal with
        # exactly-once.
        self.producer_failures = self._counter(
            "producer_failures", "Failures of the producer of results, by reason.", "reason"
        )
        # A truncated reject cannot be replayed. Raise max.message.bytes of the topic of rejects.
        self.rejects_shortened = self._counter(
            "rejects_shortened", "Rejects whose frame was truncated or omitted to fit the topic's max.message.bytes."
        )
        # If it is 1, correct the clock. Until then records carry the timestamps of their frames.
        self.clock_refused = self._gauge(
            "clock_refused", "1 while Kafka refuses records stamped with the time of this host, else 0."
        )
        # Inspected but not published, after a rebalance whose drain timed out or after a fault.
        self.frames_read_again = self._counter(
            "frames_read_again", "Frames dropped before their result was published. They are read again."
        )

    def _create_reading(self) -> None:
        """Create the metrics of read positions, partitions, topics and the consumer group."""
        # The retention of the topic is too short, or the worker was stopped or too slow for too long.
        self.frames_deleted = self._counter("frames_deleted", "Frames that Kafka deleted before they were read.")
        # deleted: retention removed the frames. recreated: the topic was recreated. truncated: a broker lost its newest
        # frames.
        self.offset_resets = self._counter(
            "offset_resets", "Jumps of the read position, by cause: deleted, recreated or truncated.", "cause"
        )
        # The partition of a camera may have changed, so the order of its frames is not guaranteed around this moment.
        self.partitions_added = self._counter(
            "partitions_added", "Partitions added while the group was running. Each is read from its beginning."
        )
        # Expected once, when a new group starts at the end of the topic. Later it means that the offsets of the group
        # were deleted.
        self.frames_skipped_at_start = self._counter(
            "frames_skipped_at_start",
            'Frames skipped because start_at is "latest" and the group had no committed offset.',
        )
        self.broker_silence = self._gauge("broker_silence_seconds", "Seconds since data was last received from Kafka.")
        self.leaderless = self._gauge(
            "partitions_without_leader", "Partitions of the topic of frames that have no leader and cannot be read."
        )
        # Two workers share an instance_id. The newer one keeps it. The older one continues as a dynamic member, so its
        # next restart pauses the group.
        self.instance_ids_taken = self._counter(
            "instance_ids_taken", "Times that another worker joined the group with the instance_id of this worker."
        )
        # The sum over all workers should equal topic_partitions. If it stays lower, some partitions are not read.
        self.partitions_read = self._gauge(
            "partitions_read", "Partitions of the topic of frames that this worker is reading."
        )
        self.topic_partitions = self._gauge("topic_partitions", "Partitions of the topic of frames.")
        # The topic of results, defects or rejects (or of evidence or review, where enabled) is missing or has no
        # leader.
        self.unwritable_topics = self._gauge(
            "unwritable_topics",
            "Output topics that cannot be written: missing, without a leader, or hidden by access rules.",
        )

    def forget_partition(self, number: int) -> None:
        """Remove the lag of a partition that is now assigned to another worker."""
        with suppress(KeyError):  # the partition may never have had a lag
            self.lag_frames.remove(str(number))
