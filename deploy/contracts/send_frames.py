"""Send the images of a folder as frames of one camera: python send_frames.py HOST:PORT FOLDER [SOURCE]"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer
from kafka.errors import KafkaError

TYPES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".bmp": "bmp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
servers, folder, source = (*sys.argv[1:], "/plant/line-1/top-1")[:3]
camera = source.rpartition("/")[2].encode()  # as the key: frames with one key keep their order
images = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in TYPES)
failed = 0
try:
    producer = KafkaProducer(bootstrap_servers=servers, bootstrap_timeout_ms=10_000, max_request_size=40_000_000)
    for path in images:
        headers = {"ce_specversion": "1.0", "ce_type": "stripwatch.frame.v1", "ce_source": source, "ce_id": path.name}
        headers |= {"ce_time": datetime.now(UTC).isoformat(), "content-type": f"image/{TYPES[path.suffix.lower()]}"}
        encoded = [(name, value.encode()) for name, value in headers.items()]
        try:
            producer.send("inspection.frames", path.read_bytes(), key=camera, headers=encoded).get(timeout=60)
        except KafkaError as error:
            failed += 1
            print(f"not sent: {path}: {error!r}", file=sys.stderr)
except KafkaError as error:
    print(f"cannot connect to Kafka at {servers}: {error!r}", file=sys.stderr)
    sys.exit(4)
except KeyboardInterrupt:
    sys.exit(130)
print(f"sent {len(images) - failed} of {len(images)} frames")
sys.exit(failed > 0)
