"""A record batch is unpacked into memory whatever its size, and reading never gets past a damaged batch.

Version: kafka-python 3.0.12
Symptom: A batch of 1 MB that unpacks to 1 GB takes 2 GB. One forged number of headers takes gigabytes. After an error
    in the middle of a batch `poll` never returns. A header name that is not UTF-8 raises CorruptRecordError forever.
Workaround: No batch takes more than its limits, and each of its offsets comes out: as a record, or as one whose value
    is a DiscardedValue.
Shown by: test_kafka_python_itself_still_unpacks_everything_and_refuses_header_names
"""
