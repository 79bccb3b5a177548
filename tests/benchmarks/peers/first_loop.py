"""First-written loop, as most users would start: poll, decode, infer one frame, send, commit."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from kafka import KafkaConsumer, KafkaProducer

from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.bundle import INPUT_NAME, SCORES_NAME
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.benchmarks.peers.task import SESSION_MS, read_task


def main() -> None:
    task = read_task()
    bundle = read_bundle(Path(task.bundle))
    labels, spec = bundle.manifest.labels, bundle.manifest.decode
    session = ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    producer = KafkaProducer(bootstrap_servers=task.bootstrap_servers)
    consumer = KafkaConsumer(
        bootstrap_servers=task.bootstrap_servers,
        group_id=task.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_MS,
    )
    consumer.subscribe([task.topics["frames"]])
    consumer.topics()  # otherwise kafka-python 3.0.12 may join and get no partitions
    while True:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                pixels = decode(record.value, spec).pixels
                scores = session.run([SCORES_NAME], {INPUT_NAME: pixels[np.newaxis]})[0][0]
                best = int(scores.argmax())
                event = {
                    "frame": {"camera": record.key.decode(), "partition": record.partition, "offset": record.offset},
                    "label": labels[best],
                    "score": float(scores[best]),
                }
                producer.send(task.topics["results"], json.dumps(event).encode(), key=record.key)
        consumer.commit()


if __name__ == "__main__":
    main()
