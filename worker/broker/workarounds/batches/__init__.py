"""A record batch is unpacked into memory whatever its size, and reading never gets past a damaged batch.

Version: kafka-python 3.0.12
Symptom: A batch of 1 MB that unpacks to 1 GB takes 2 GB of memory. A single forged header count takes gigabytes. After
    an error in the middle of a batch `poll` never returns. A header name that is not UTF-8 raises CorruptRecordError on
    every poll.
Workaround: Enforce limits on each batch, and return each of its offsets: as a record, or as a record whose value is a
    DiscardedValue.
Shown by: test_kafka_python_unpacks_without_a_limit_and_rejects_header_names_that_are_not_utf8
"""
