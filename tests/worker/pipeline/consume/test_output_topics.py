"""The worker notices a missing output topic without sending a record, and does not create the topic."""

from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.consumers import open_group_member
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.output_topics import OutputTopics
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until


def test_names_a_missing_topic_and_does_not_create_it(broker: BrokerHandle) -> None:
    there, missing = broker.new_topic(), broker.new_name("topic")
    settings = load_settings(
        None, {"bootstrap_servers": broker.bootstrap_servers, "group_id": broker.new_name("group")}
    )
    consumer, metrics = open_group_member(settings), Metrics(CollectorRegistry())
    try:
        topics = OutputTopics(consumer, [there, missing], metrics)

        def found(*expected: str) -> bool:
            topics.check()
            return topics.unwritable == expected

        assert found()  # no response has arrived yet
        wait_until(lambda: found(missing))
        assert metrics.registry.get_sample_value("stripwatch_unwritable_topics") == 1
        assert missing not in consumer.topics()
        with broker.admin() as admin:
            admin.create_topics({missing: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        wait_until(lambda: found())
    finally:
        consumer.close()
