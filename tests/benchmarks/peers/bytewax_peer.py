"""Bytewax peer: its Kafka source, collect window and Kafka sink, and its recovery instead of a consumer group.

`python -m tests.benchmarks.peers.bytewax_peer` replaces itself with `python -m bytewax.run`, once per process.
"""

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

from stripwatch.worker.contracts.frame import Frame
from tests.benchmarks.peers.clients import FETCH_BYTES_MAX, FETCH_WAIT_MS
from tests.benchmarks.peers.inspector import Inspector, frame_of, record_of
from tests.benchmarks.peers.task import read_task

POLL_FRAMES = 64  # with the default of 1000, events wait for 999 frames, because the sink flushes once per batch


def flow() -> Any:
    task = read_task()
    inspector = Inspector(task)
    brokers, setting = [task.bootstrap_servers], task.setting
    fetching = {"fetch.wait.max.ms": str(FETCH_WAIT_MS), "max.partition.fetch.bytes": str(FETCH_BYTES_MAX)}
    source = KafkaSource(brokers, [task.topics["frames"]], add_config=fetching, batch_size=POLL_FRAMES)

    def inspect(frames: Sequence[Frame]) -> list[Any]:
        return [
            KafkaSinkMessage(key=record.key, value=record.body, topic=record.topic, headers=record.headers)
            for record in inspector.inspect(frames)
        ]

    dataflow = Dataflow("inspection")
    frames = op.map("frame", op.input("frames", dataflow, source), to_frame)
    if setting.batch > 1:
        keyed = op.key_on("camera", frames, lambda frame: frame.camera)
        batches = op.collect("batch", keyed, timedelta(milliseconds=setting.wait_ms), setting.batch)
        found = op.flat_map("inspect", op.key_rm("unkey", batches), inspect)
    else:
        found = op.flat_map("inspect", frames, lambda frame: inspect([frame]))
    op.output("events", found, KafkaSink(brokers, None, add_config={"linger.ms": "2"}))
    return dataflow


def to_frame(message: Any) -> Frame:
    place = message.topic, message.partition, message.offset
    return frame_of(record_of(place, message.timestamp[1], message.key, message.value, message.headers))


def main() -> None:
    task = read_task()
    command = [sys.executable, "-m", "bytewax.run", "tests.benchmarks.peers.bytewax_peer:flow"]
    command += ["-r", str(Path(task.folder, "recovery")), "-s", "1", "-b", "0"]  # whole seconds
    if task.setting.processes > 1:
        addresses = ";".join(f"127.0.0.1:{task.port + number}" for number in range(task.setting.processes))
        command += ["-i", str(task.number), "-a", addresses]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
