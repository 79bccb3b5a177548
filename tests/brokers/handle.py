"""What a test holds of a broker: its address, fresh names, and clients that are closed with the block."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


@dataclass(frozen=True, slots=True)
class BrokerHandle:
    """A broker that runs for the whole session; tests share it and keep apart by fresh topics and groups.

    replication: of new topics.
    """

    name: str
    bootstrap_servers: str
    session_timeout_ms: int
    replication: int = 1

    def new_name(self, stem: str) -> str:
        """A name for a topic, group or transactional id that no other test has."""
        return f"{stem}-{uuid4().hex[:12]}"

    def new_topic(self, partitions: int = 1, **settings: str) -> str:
        """A new, empty topic; `settings` are Kafka's topic settings, with underscores for dots."""
        topic = self.new_name("topic")
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        options = {"num_partitions": partitions, "replication_factor": self.replication, "configs": configs}
        with self.admin() as admin:
            admin.create_topics({topic: options}, wait_for_metadata=True)
        return topic

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)

    def producer(self, **settings: Any) -> KafkaProducer:
        return KafkaProducer(bootstrap_servers=self.bootstrap_servers, **settings)

    def consumer(self, *topics: str, **settings: Any) -> KafkaConsumer:
        """A consumer that starts at the beginning, commits by hand, and is soon missed in its group."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            **{
                "auto_offset_reset": "earliest",
                "enable_auto_commit": False,
                "session_timeout_ms": self.session_timeout_ms,
                "heartbeat_interval_ms": 500,
            }
            | settings,
        )
        if topics:
            consumer.subscribe(topics)
            consumer.topics()  # as the worker does: kafka-python 3.0.12 may otherwise join and be assigned nothing
        return consumer
