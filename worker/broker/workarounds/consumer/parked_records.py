"""A partition that was paused and resumed while another partition was read is never read again.

Version: kafka-python 3.0.12
Symptom: Records of the paused partition that were fetched already are put aside, and the partition is not fetched again
    while they wait. They are taken up only if nothing else was ever read in between (`is None`), because the finished
    records of another partition stay in line.
Workaround: Before each poll, remove from the line what has no more records.
Shown by: test_kafka_python_never_reads_a_resumed_partition_again
"""

from kafka.consumer.fetcher import Fetcher


def release_parked_records(fetcher: Fetcher) -> None:
    """Let the next poll take up the records of a partition that was resumed."""
    if not fetcher._next_partition_records:
        fetcher._next_partition_records = None
