"""The producer of the page: few records, each written because a person asked for it and waits for the answer."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError

from stripwatch.worker.broker.connection import authorization_message
from stripwatch.worker.broker.producers import ProducerConfig, open_producer, producer_config
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.pipeline.produce.producer_recovery import TOO_LARGE

_SEND_S_MAX = 10.0


class PageProducer:
    """Writes one record at a time and waits for its acknowledgement. Thread-safe.

    The producer is opened with the first record and after a failure, so a page on which nobody writes opens none.
    on_outcome: called after each record, with whether Kafka has it.
    """

    def __init__(self, settings: Settings, body_bytes_max: int = 0) -> None:
        self._settings = settings
        self._body_bytes_max = body_bytes_max
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self.on_outcome: Callable[[bool], None] = lambda _: None

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        """Write a record. Raises BrokerUnavailableError if Kafka does not acknowledge it, with the reason."""
        acknowledged = False
        try:
            self._send(topic, key, value, headers)
            acknowledged = True
        finally:
            self.on_outcome(acknowledged)

    def _send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        with self._lock:
            try:
                if self._producer is None:
                    self._producer = open_producer(self._config(), [topic])
                self._producer.send(topic, value, key=key, headers=headers).get(timeout=_SEND_S_MAX)
            except TOO_LARGE as error:
                self._discard()
                raise BrokerUnavailableError(
                    f"the record of {len(value):,} bytes is larger than max.message.bytes of topic {topic!r} allows"
                ) from error
            except AuthorizationError as error:
                self._discard()
                raise BrokerUnavailableError(authorization_message(error)) from error
            except KafkaError as error:
                self._discard()
                raise BrokerUnavailableError(
                    f"topic {topic!r} did not accept the record: {type(error).__name__}: {error}"
                ) from error

    def _config(self) -> ProducerConfig:
        """Return the configuration, with short waits: a person waits for the answer."""
        config = producer_config(self._settings, body_bytes_max=self._body_bytes_max, send_s_max=_SEND_S_MAX)
        return replace(config, client=replace(config.client, wait_s_max=min(_SEND_S_MAX, config.client.wait_s_max)))

    def close(self) -> None:
        with self._lock:
            self._discard()

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                producer.close(timeout=1)
