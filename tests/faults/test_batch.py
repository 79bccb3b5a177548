"""The hand-made batch is valid: clients can read it and brokers accept it."""

import time

import pytest
from kafka.record.default_records import DefaultRecordBatch

from tests.brokers.clients import read
from tests.brokers.handle import BrokerHandle
from tests.faults.batch import BatchRefusedError, giant_batch, produce

HEADERS = [[("number", b"%d" % number)] for number in range(70)]


def test_a_small_batch_holds_all_records() -> None:
    batch = giant_batch(HEADERS, 100_000, 1_700_000_000_000)
    assert len(batch) < 5_000
    read_back = DefaultRecordBatch(batch)
    assert read_back.validate_crc()
    records = list(read_back)
    assert [(record.offset, record.headers) for record in records] == list(enumerate(HEADERS))
    assert {record.value for record in records} == {bytes(100_000)}
    assert {record.timestamp for record in records} == {1_700_000_000_000}


def produced(servers: str, topic: str, batch: bytes) -> int:
    """Send the batch once the broker knows that it leads the partition; return the batch's offset."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            return produce(servers, topic, 1, batch)
        except BatchRefusedError as error:
            if not error.passes or time.monotonic() > deadline_s:
                raise
        time.sleep(0.1)


@pytest.mark.kafka
def test_a_broker_accepts_the_batch(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic(partitions=2)
    batch = giant_batch(HEADERS[:3], 1_000, 1_700_000_000_000)
    servers = apache_broker.bootstrap_servers
    assert [produced(servers, topic, batch) for _ in range(2)] == [0, 3]
    assert [record.offset for record in read(apache_broker, topic, 6)] == list(range(6))
    with pytest.raises(BatchRefusedError, match=r"error code 2$"):  # a changed byte
        produce(servers, topic, 1, batch[:-1] + bytes([batch[-1] ^ 1]))
