"""Measure the cost of exactly-once delivery: `python -m tests.benchmarks.delivery --frames 20000 --rounds 3`

The same frames, waiting on Apache Kafka, go through a worker with each delivery setting in turn. The time is measured
from the assignment of the partitions until the group has committed all frames. Model and frames are tiny, so that
delivery dominates the cost. The last line is JSON; its ratio is exactly-once / at-least-once, of medians.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from kafka import TopicPartition

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import apache_broker
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, running_worker
from tests.tiny import encode_frame, write_bundle

DELIVERIES = ("at-least-once", "exactly-once")
LOOK_S = 0.05
FRAMES_PER_SECOND_MIN = 50  # a slower run is stopped, after one extra minute for the start


@contextmanager
def kafka() -> Iterator[BrokerHandle]:
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield BrokerHandle("apache", address, 6000)
        return
    with apache_broker() as running:
        yield BrokerHandle("apache", running.bootstrap_servers, 6000)


def measure(line: Line, bundle: Path, delivery: str, count: int) -> float:
    """Measure frames per second in a new group. Raises BrokerUnavailableError if frames are not committed in time."""
    group = uuid4().hex
    options = ("--set", f"delivery={delivery}", "--set", f"instance_id={group}")
    partitions = [TopicPartition(line.topics["frames"], number) for number in range(line.partitions)]
    with running_worker(line, bundle, group, *options) as worker, line.broker.consumer(group_id=group) as consumer:
        worker.await_ready()
        started_s = time.monotonic()
        while sum(consumer.committed(partition) or 0 for partition in partitions) < count:
            if time.monotonic() > started_s + 60 + count / FRAMES_PER_SECOND_MIN:
                raise BrokerUnavailableError(f"{delivery}: not all {count} frames were committed in time")
            time.sleep(LOOK_S)
        seconds = time.monotonic() - started_s
        worker.stop()
    return count / seconds


def main(
    count: Annotated[int, typer.Option("--frames", help="Frames per round.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Rounds. Each runs both delivery settings.")] = 3,
) -> None:
    """Measure frames per second with each delivery setting, and their ratio. Example: --frames 20000 --rounds 3"""
    rates: dict[str, list[float]] = {delivery: [] for delivery in DELIVERIES}
    with kafka() as broker, tempfile.TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder, "tiny.onnx"))
        line = Line.on(broker)
        line.send([encode_frame(n % 100 / 100, seed=n % 100) for n in range(count)], key=b"a")
        for number in range(rounds):
            for delivery in DELIVERIES:
                rates[delivery].append(measure(line, bundle, delivery, count))
                print(f"round {number + 1}, {delivery}: {rates[delivery][-1]:.0f} frames/s", file=sys.stderr)
    medians = {delivery: statistics.median(found) for delivery, found in rates.items()}
    print(
        json.dumps(
            {
                "frames": count,
                "rounds": rounds,
                "frames_per_second": {delivery: round(rate) for delivery, rate in medians.items()},
                "ratio": round(medians["exactly-once"] / medians["at-least-once"], 3),
            }
        )
    )


if __name__ == "__main__":
    typer.run(main)
