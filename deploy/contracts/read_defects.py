"""Reads defect events with plain kafka-python: python read_defects.py HOST:PORT [GROUP]"""

import json
import sys

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    "inspection.defects",
    bootstrap_servers=sys.argv[1],
    group_id=sys.argv[2] if len(sys.argv) > 2 else "defect-reader",
    auto_offset_reset="earliest",
    enable_auto_commit=False,  # we commit when we have acted, so that nothing is lost
    isolation_level="read_committed",
)
seen = set()  # keep it where your data is: a repeat has the same ce_id
for record in consumer:
    event, ce_id = json.loads(record.value), dict(record.headers)["ce_id"]
    if ce_id not in seen:
        for defect in event["defects"]:
            print(event["frame"]["coil"], event["frame"]["camera"], defect["label"], defect["strip_mm"], flush=True)
    seen.add(ce_id)
    consumer.commit()
