"""What exactly-once costs: `python -m tests.benchmarks.delivery --frames 20000 --rounds 3`

The same frames, waiting on Apache Kafka, go through a worker with each delivery in turn. Timed is from the moment that
the worker has its partitions until the group has committed all of them. The model is tiny, and so are the frames: what
is left is what delivery costs. The last line is JSON; ratio: exactly-once over at-least-once, of medians.
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
FRAMES_PER_SECOND_MIN = 50  # it is given up below this, a minute for the start apart


@contextmanager
def kafka() -> Iterator[BrokerHandle]:
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield BrokerHandle("apache", address, 6000)
        return
    with apache_broker() as running:
        yield BrokerHandle("apache", running.bootstrap_servers, 6000)


def measure(line: Line, bundle: Path, delivery: str, count: int) -> float:
    """Frames a second, by a group of its own. Raises BrokerUnavailableError if they do not come."""
    group = uuid4().hex
    options = ("--set", f"delivery={delivery}", "--set", f"instance_id={group}")
    partitions = [TopicPartition(line.topics["frames"], number) for number in range(line.partitions)]
    with running_worker(line, bundle, group, *options) as worker, line.broker.consumer(group_id=group) as consumer:
        worker.await_ready()
        started_s = time.monotonic()
        while sum(consumer.committed(partition) or 0 for partition in partitions) < count:
            if time.monotonic() > started_s + 60 + count / FRAMES_PER_SECOND_MIN:
                raise BrokerUnavailableError(f"not all {count} frames were committed, {delivery}")
            time.sleep(LOOK_S)
        seconds = time.monotonic() - started_s
        worker.stop()
    return count / seconds


def main(
    count: Annotated[int, typer.Option("--frames", help="Frames a round.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Of both deliveries, in turn.")] = 3,
) -> None:
    """Frames a second with each delivery, in one run, and their ratio. Example: --frames 20000 --rounds 3"""
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
