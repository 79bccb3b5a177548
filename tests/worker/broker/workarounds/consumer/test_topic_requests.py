"""Asking for topics. The test that ends in `_by_itself` fails when the workaround can go.

`tests/worker/pipeline/consume/test_output_topics.py` has a topic that is missing.
"""

from stripwatch.worker.broker.workarounds.consumer.topic_requests import request_topics
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until


def test_the_answer_is_waited_for_by_itself(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    with embedded_broker.consumer() as consumer:
        assert topic in consumer.topics()
        assert consumer.partitions_for_topic(topic) == {0}


def test_an_answer_comes_later(embedded_broker: BrokerHandle) -> None:
    topic = embedded_broker.new_topic()
    with embedded_broker.consumer() as consumer:
        answer = request_topics(consumer, [topic])
        wait_until(lambda: answer.is_done)
        assert [found.name for found in answer.value.topics] == [topic]
