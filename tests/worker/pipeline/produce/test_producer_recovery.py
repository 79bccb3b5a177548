"""What a producer of kafka-python 3.0.12 does not survive, and so is replaced.

The tests that end in `_by_itself` fail on the day when a work-around is not needed any more.
"""

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.transaction_manager import TransactionManager
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.produce.producer_recovery import DeliveryError, ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder
from tests.brokers.handle import BrokerHandle
from tests.fake_producer import FakeProducer

AWAIT_S_MAX = 30


def recovery(*openings: KafkaProducer | Exception, give_up_s: float = 60) -> tuple[ProducerRecovery, Metrics]:
    left = iter(openings)

    def open_producer() -> KafkaProducer:
        if isinstance(found := next(left), Exception):
            raise found
        return found

    metrics = Metrics(CollectorRegistry())
    return ProducerRecovery(open_producer, RecordBuilder(Topics(), 1000), metrics, give_up_s), metrics


def test_a_new_producer_is_tried_until_there_is_one() -> None:
    made, metrics = recovery(
        BrokerUnavailableError("not yet"), BrokerUnavailableError("not yet"), heir := FakeProducer()
    )
    assert made.recover(old := FakeProducer(), DeliveryError(KafkaError("broken"))) is heir
    assert old.closed
    assert metrics.registry.get_sample_value("stripwatch_producer_rebuilds_total") == 1


def test_patience_ends_when_nothing_at_all_is_delivered() -> None:
    made, _ = recovery(FakeProducer(), FakeProducer(), FakeProducer(), give_up_s=0)
    made.recover(FakeProducer(), DeliveryError(KafkaError("the first")))
    made.delivered()
    made.recover(FakeProducer(), DeliveryError(KafkaError("another first")))
    with pytest.raises(BrokerUnavailableError, match=r"nothing could be delivered for 0 s; .*the second"):
        made.recover(FakeProducer(), DeliveryError(KafkaError("the second")))


@pytest.mark.kafka
def test_the_client_is_dead_after_a_record_that_is_too_large_by_itself(apache_broker: BrokerHandle) -> None:
    """Java fails the one record and continues with a new epoch."""
    topic = apache_broker.new_topic(max_message_bytes="1000")
    producer = apache_broker.producer(enable_idempotence=True)
    try:
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, bytes(2000)).get(AWAIT_S_MAX)
        with pytest.raises(KafkaError):
            producer.send(topic, b"small").get(AWAIT_S_MAX)
    finally:
        force_close(producer)


def test_a_record_that_expired_does_not_abort_its_transaction_by_itself() -> None:
    """The transaction is not informed, and can be committed without it; Java aborts."""
    manager = TransactionManager("id", api_version=(2, 5))
    assert manager.classify_batch_error(KafkaTimeoutError(), None) == manager.ERROR_CLASS_RETRIABLE
