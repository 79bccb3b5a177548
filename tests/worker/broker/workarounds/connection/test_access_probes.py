"""Asking for access to a group and a transactional id.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import pytest
from kafka.errors import InvalidProducerIdMappingError, KafkaError, UnknownMemberIdError

from stripwatch.worker.broker.workarounds.connection.access_probes import group_error, transaction_error
from tests.brokers.handle import BrokerHandle

pytestmark = pytest.mark.kafka


def test_asks_for_transactions_without_fencing_the_producer(apache_broker: BrokerHandle) -> None:
    name, topic = apache_broker.new_name("transactions"), apache_broker.new_topic(1)
    with apache_broker.producer(transactional_id=name, acks="all") as owner, apache_broker.admin() as admin:
        assert transaction_error(admin, name) is InvalidProducerIdMappingError  # nobody used the id so far
        owner.init_transactions()
        owner.begin_transaction()
        owner.send(topic, b"x").get(timeout=30)
        assert transaction_error(admin, name) is InvalidProducerIdMappingError
        owner.commit_transaction()
    with apache_broker.consumer(isolation_level="read_committed", consumer_timeout_ms=30_000) as reader:
        reader.subscribe([topic])
        assert next(reader).value == b"x"


def test_asks_for_a_group_without_joining_it(apache_broker: BrokerHandle) -> None:
    group_id, topic = apache_broker.new_name("group"), apache_broker.new_topic(1)
    with apache_broker.consumer(topic, group_id=group_id) as member, apache_broker.admin() as admin:
        while not member.assignment():
            member.poll(timeout_ms=200)
        generation = member.group_metadata().generation_id
        assert group_error(admin, group_id) is UnknownMemberIdError
        for _ in range(5):
            member.poll(timeout_ms=200)
        assert member.group_metadata().generation_id == generation
        assert group_error(admin, apache_broker.new_name("group")) is UnknownMemberIdError


def test_kafka_python_fences_the_owner_by_the_only_public_way_to_ask(apache_broker: BrokerHandle) -> None:
    name, topic = apache_broker.new_name("transactions"), apache_broker.new_topic(1)
    with apache_broker.producer(transactional_id=name) as owner, apache_broker.producer(transactional_id=name) as asks:
        owner.init_transactions()
        asks.init_transactions()
        with pytest.raises(KafkaError):  # noqa: PT012 - the producer notices it at one of these calls
            owner.begin_transaction()
            owner.send(topic, b"x").get(timeout=30)
            owner.commit_transaction()
