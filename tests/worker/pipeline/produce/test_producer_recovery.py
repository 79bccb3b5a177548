"""Errors from which a producer of kafka-python 3.0.12 does not recover, so that it is replaced.

The tests that end in `_without_workaround` fail once a workaround is no longer needed.
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


def test_retries_until_a_new_producer_can_be_opened() -> None:
    made, metrics = recovery(
        BrokerUnavailableError("not yet"), BrokerUnavailableError("not yet"), heir := FakeProducer()
    )
    assert made.recover(old := FakeProducer(), DeliveryError(KafkaError("broken"))) is heir
    assert old.closed
    assert metrics.registry.get_sample_value("stripwatch_producer_rebuilds_total") == 1


def test_gives_up_if_nothing_is_delivered() -> None:
    made, _ = recovery(FakeProducer(), FakeProducer(), FakeProducer(), give_up_s=0)
    made.recover(FakeProducer(), DeliveryError(KafkaError("the first")))
    made.delivered()
    made.recover(FakeProducer(), DeliveryError(KafkaError("another first")))
    with pytest.raises(BrokerUnavailableError, match=r"nothing could be delivered for 0 s; .*the second"):
        made.recover(FakeProducer(), DeliveryError(KafkaError("the second")))


@pytest.mark.kafka
def test_the_client_fails_after_a_record_that_is_too_large_without_workaround(apache_broker: BrokerHandle) -> None:
    """The Java client fails that record and continues with a new epoch."""
    topic = apache_broker.new_topic(max_message_bytes="1000")
    producer = apache_broker.producer(enable_idempotence=True)
    try:
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, bytes(2000)).get(AWAIT_S_MAX)
        with pytest.raises(KafkaError):
            producer.send(topic, b"small").get(AWAIT_S_MAX)
    finally:
        force_close(producer)


def test_an_expired_record_does_not_abort_its_transaction_without_workaround() -> None:
    """The transaction is not notified and can be committed without the record. The Java client aborts it."""
    manager = TransactionManager("id", api_version=(2, 5))
    assert manager.classify_batch_error(KafkaTimeoutError(), None) == manager.ERROR_CLASS_RETRIABLE
