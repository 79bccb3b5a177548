"""Creates the publisher for the setting `delivery`."""

from collections.abc import Callable

from kafka import KafkaProducer
from kafka.structs import ConsumerGroupMetadata

from stripwatch.worker.broker.producers import open_producer, producer_config
from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.produce.at_least_once import AtLeastOnce
from stripwatch.worker.pipeline.produce.exactly_once import ExactlyOnce, TransactionLimits
from stripwatch.worker.pipeline.produce.producer_recovery import ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder
from stripwatch.worker.pipeline.produce.record_clock import RecordClock

Delivery = AtLeastOnce | ExactlyOnce


def open_delivery(
    settings: Settings,
    tracker: OffsetTracker,
    metrics: Metrics,
    limits: TopicLimits,
    clock: RecordClock,
    group: Callable[[], ConsumerGroupMetadata],
    failed: Callable[[BaseException], None],
    limiter: InFlightLimiter | None = None,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> Delivery:
    """Create a publisher with its producer. Raises BrokerUnavailableError.

    limits: size limits of the topics. clock: timestamps of records. group: returns the current group membership of this
    worker; other threads may not use the consumer itself. failed: called when nothing can be delivered any more.
    limiter: says how long a result may wait for others (at-least-once only). is_gone: returns whether a topic of frames
    unknown to the broker was deleted (exactly-once only).
    """
    records = RecordBuilder(settings.topics, settings.rejects.bytes_max, limits, metrics.rejects_shortened)
    topics = (settings.topics.results, settings.topics.defects, settings.topics.rejects)

    def open_one() -> KafkaProducer:
        """Open a producer with the size limits known at this time."""
        in_transactions = settings.delivery == "exactly-once"
        config = producer_config(settings, limits, settings.rejects.bytes_max, in_transactions=in_transactions)
        return open_producer(config, topics, is_gone)

    recovery = ProducerRecovery(open_one, records, metrics, settings.broker.away_s_max, clock)
    if settings.delivery == "at-least-once":
        return AtLeastOnce(records, tracker, recovery, failed, limiter)
    transactions = TransactionLimits(
        linger_s=settings.exactly_once.transaction_ms / 1000,
        frames_max=max(1, settings.inflight.frames_max // 2),  # the other half continues while these are committed
        timeout_s=settings.exactly_once.transaction_s_max,
        send_s_max=settings.send_s_max,
    )
    return ExactlyOnce(records, tracker, recovery, group, transactions, metrics, failed)
