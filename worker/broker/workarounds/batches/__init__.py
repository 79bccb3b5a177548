"""kafka-python 3.0.12 reads a record batch into memory whatever its unpacked size, and never gets past a damaged one.

Symptoms: a batch of 1 MB that unpacks to 1 GB takes 2 GB; one forged number of headers takes gigabytes; after an error
in the middle of a batch `poll` never returns; a header name that is not UTF-8 raises CorruptRecordError forever.
Here no batch takes more than its limits, and each of its offsets comes out: as a record, or as one whose value is a
DiscardedValue. `tests/worker/broker/workarounds/batches/test_record_batches.py` fails the day kafka-python does so too.
"""
