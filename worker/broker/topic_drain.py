"""Read one topic up to its current end, for commands that must terminate."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stripwatch.worker.broker.admin import require_topic
from stripwatch.worker.broker.connection import ClientConfig, broker_errors, unreachable
from stripwatch.worker.broker.consumers import from_kafka, open_reader, read_from_beginning
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.contracts.positions import Record

STANDSTILL_S_MAX = 30.0
_POLL_MS = 500


@contextmanager
def open_drain(
    client: ClientConfig, topic: str, title: str, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Iterator[Record]]:
    """Yield the records of a topic from its beginning, with a progress bar.

    Raises BrokerUnavailableError, also while the records are read.
    """
    require_topic(client, topic)
    with open_reader(client) as consumer, new_progress() as progress:
        with broker_errors(consumer):
            read_from_beginning(consumer, [topic])
            ends = consumer.end_offsets(consumer.assignment())
            begins = consumer.beginning_offsets(consumer.assignment())
        bar = progress.add_task(title, total=sum(ends.values()) - sum(begins.values()))
        yield _read_to(consumer, ends, stopped, lambda: progress.advance(bar))


def _read_to(
    consumer: Any, ends: dict[Any, int], stopped: Callable[[], bool], advance: Callable[[], None]
) -> Iterator[Record]:
    moved_s = time.monotonic()
    while not stopped() and _is_before(consumer, ends):
        with broker_errors(consumer):
            polled = consumer.poll(timeout_ms=_POLL_MS)
        if polled:
            moved_s = time.monotonic()
        elif time.monotonic() - moved_s > STANDSTILL_S_MAX:
            why = unreachable(consumer) or "its brokers can be reached; check that each partition has a leader"
            raise BrokerUnavailableError(
                f"Kafka sent nothing for {STANDSTILL_S_MAX:.0f} s before the end of the topic: {why}"
            )
        for partition, records in polled.items():
            for record in records:
                if record.offset < ends[partition]:
                    advance()
                    yield from_kafka(record)


def _is_before(consumer: Any, ends: dict[Any, int]) -> bool:
    with broker_errors(consumer):
        return any(consumer.position(partition) < end for partition, end in ends.items())
