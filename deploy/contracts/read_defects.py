"""Print defect events, one line per defect: python read_defects.py HOST:PORT [GROUP]"""

import json
import sys

from kafka import KafkaConsumer
from kafka.errors import KafkaError

if len(sys.argv) not in (2, 3):
    sys.exit(f"usage: {__doc__}")
servers, group = (*sys.argv[1:], "defect-reader")[:2]
broker = {"bootstrap_servers": servers, "bootstrap_timeout_ms": 10_000, "group_id": group}
options = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed"}
seen = set()  # ids of handled events; keep them with your data, because an event can be repeated
try:
    consumer = KafkaConsumer("inspection.defects", **broker, **options)
    for record in consumer:
        event, ce_id = json.loads(record.value), dict(record.headers)["ce_id"]
        if ce_id not in seen:
            for defect in event["defects"]:
                print(event["frame"]["coil"], event["frame"]["camera"], defect["label"], defect["strip_mm"], flush=True)
        seen.add(ce_id)
        consumer.commit()  # only after the event was handled, so that none is lost
except KafkaError as error:
    print(f"cannot read from Kafka at {servers}: {error!r}", file=sys.stderr)
    sys.exit(4)
except KeyboardInterrupt:
    sys.exit(130)
