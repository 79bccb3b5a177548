"""Print defect events, one line per defect: python read_defects.py HOST:PORT [GROUP]"""

import json
import sys

from kafka import KafkaConsumer
from kafka.errors import KafkaError

servers, group = (*sys.argv[1:], "defect-reader")[:2]
seen = set()  # ids of events that were handled; keep them with your data, because an event can be repeated
try:
    consumer = KafkaConsumer(
        "inspection.defects",
        bootstrap_servers=servers,
        bootstrap_timeout_ms=10_000,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,  # commit after an event was handled, so that none is lost
        isolation_level="read_committed",
    )
    for record in consumer:
        event, ce_id = json.loads(record.value), dict(record.headers)["ce_id"]
        if ce_id not in seen:
            for defect in event["defects"]:
                print(event["frame"]["coil"], event["frame"]["camera"], defect["label"], defect["strip_mm"], flush=True)
        seen.add(ce_id)
        consumer.commit()
except KafkaError as error:
    print(f"reading from Kafka at {servers} failed: {error!r}", file=sys.stderr)
    sys.exit(4)
except KeyboardInterrupt:
    sys.exit(130)
