"""Send the images of a folder as frames of one camera: python send_frames.py HOST:PORT FOLDER [SOURCE]"""

import mimetypes
import sys
from pathlib import Path

from kafka import KafkaProducer
from kafka.errors import KafkaError

if len(sys.argv) not in (3, 4):
    sys.exit(f"usage: {__doc__}")
servers, folder, source = (*sys.argv[1:], "/plant/line-1/top-1")[:3]
camera = source.rpartition("/")[2].encode()  # as the key: frames with one key keep their order
types = {path: mimetypes.guess_type(path.name, strict=False)[0] or "" for path in sorted(Path(folder).glob("*"))}
images = [path for path in types if types[path].startswith("image/")]
if not images:
    sys.exit(f"the folder {folder} is missing or contains no images")
image = images[0]
try:
    producer = KafkaProducer(bootstrap_servers=servers, bootstrap_timeout_ms=10_000, max_request_size=40_000_000)
    for image in images:  # one at a time: get() waits until Kafka has acknowledged the frame
        headers = {"ce_specversion": b"1.0", "ce_type": b"stripwatch.frame.v1", "ce_source": source.encode()}
        headers |= {"ce_id": image.name.encode(), "content-type": types[image].encode()}
        producer.send("inspection.frames", image.read_bytes(), key=camera, headers=[*headers.items()]).get(timeout=60)
except (KafkaError, OSError) as error:
    print(f"cannot send {image} to Kafka at {servers}: {error!r}", file=sys.stderr)
    sys.exit(4)
except KeyboardInterrupt:
    sys.exit(130)
print(f"sent {len(images)} frames")
