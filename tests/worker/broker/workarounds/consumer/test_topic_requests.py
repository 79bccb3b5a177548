"""Requests for topics. `tests/worker/pipeline/consume/test_output_topics.py` tests a missing topic.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from stripwatch.worker.broker.workarounds.consumer.topic_requests import request_topics
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until


def test_kafka_python_blocks_until_kafka_answers(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    with embedded_broker.consumer() as consumer:
        assert topic in consumer.topics()
        assert consumer.partitions_for_topic(topic) == {0}


def test_the_future_receives_the_answer(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    with embedded_broker.consumer() as consumer:
        answer = request_topics(consumer, [topic])
        wait_until(lambda: answer.is_done)
        assert [found.name for found in answer.value.topics] == [topic]
