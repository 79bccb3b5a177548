"""Handle of a broker in a test: its address, unique names, and clients that are closed with the block."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer


@dataclass(frozen=True, slots=True)
class BrokerHandle:
    """A broker that runs for the whole session. Tests share it, and use separate topics and groups.

    replication: replication factor of new topics.
    """

    name: str
    bootstrap_servers: str
    session_timeout_ms: int
    replication: int = 1

    def new_name(self, stem: str) -> str:
        """Return a unique name for a topic, group or transactional id."""
        return f"{stem}-{uuid4().hex[:12]}"

    def new_topic(self, partitions: int = 1, **settings: str) -> str:
        """Create an empty topic. settings: Kafka's topic settings, with underscores instead of dots."""
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
        """Open a consumer that starts at the beginning, commits manually, and has a short session timeout."""
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
            consumer.topics()  # as in the worker: otherwise kafka-python 3.0.12 may join and get no partitions
        return consumer
