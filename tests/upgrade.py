"""Run workers of an earlier revision and of this checkout in one consumer group: `python -m tests.upgrade REVISION`.

The workers run on Apache Kafka while frames arrive. Two workers of the revision are replaced one by one by workers of
this checkout, and one of these is then replaced by a worker of the revision (a rollback). Every frame must have exactly
one result, in order, and both versions must return the same verdict and scores for an image.
Exit code 0: all of this holds; 1: otherwise. The last line on stdout is JSON.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stripwatch.worker.common.process.ports import free_port
from tests.brokers.apache import apache_broker
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, Record, WorkerProcess
from tests.revisions import THIS, Version, checkout
from tests.tiny import encode_frame, write_bundle
from tests.waiting import wait_until

DELIVERIES = ("at-least-once", "exactly-once")
PARTITIONS = 4
FRAMES_BETWEEN = 150
_PAUSE_S = 0.01
_IMAGES = [encode_frame(number / 20, seed=number) for number in range(20)]


@dataclass
class Cameras:
    """Send frames until stopped, and record the image sent at each partition and offset."""

    line: Line
    sent: dict[tuple[int, int], int] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        topic = self.line.topics["frames"]
        with self.line.broker.producer() as producer:
            number = 0
            while not self._stopping.wait(_PAUSE_S):
                image = number % len(_IMAGES)
                meta = producer.send(topic, _IMAGES[image], partition=number % PARTITIONS).get(timeout=30)
                self.sent[meta.partition, meta.offset] = image
                number += 1

    def await_more(self, frames: int) -> None:
        wanted = len(self.sent) + frames
        wait_until(lambda: len(self.sent) >= wanted)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()


def upgrade(line: Line, bundle: Path, old: Version, new: Version, delivery: str) -> dict[str, Any]:
    """Run the upgrade and the rollback, and return what was sent, what was published, and the differences."""
    group, cameras = line.broker.new_name("upgrade"), Cameras(line)
    with ExitStack() as stack:

        def start(version: Version) -> WorkerProcess:
            worker = WorkerProcess(
                *(line, bundle, group, "--set", f"delivery={delivery}"),
                metrics_port=free_port(),
                program=version.program,
                environment=version.environment,
            )
            stack.callback(worker.kill)
            worker.await_ready()
            return worker

        with cameras.running():
            first, second = start(old), start(old)
            cameras.await_more(FRAMES_BETWEEN)
            codes = [first.stop()]
            third = start(new)
            cameras.await_more(FRAMES_BETWEEN)
            codes.append(second.stop())
            fourth = start(new)
            cameras.await_more(FRAMES_BETWEEN)
            codes.append(third.stop())
            fifth = start(old)  # the rollback
            cameras.await_more(FRAMES_BETWEEN)
        results = line.read("results", len(cameras.sent))
        codes += [fourth.stop(), fifth.stop()]
        results += line.read_all("results")[len(results) :]
    return judge(cameras.sent, results, line.committed(group)) | {"delivery": delivery, "exit_codes": codes}


def judge(sent: dict[tuple[int, int], int], results: list[Record], committed: dict[int, int]) -> dict[str, Any]:
    places, answers = [], dict[int, set[str]]()
    for record in results:
        event = record.json
        place = event["frame"]["partition"], event["frame"]["offset"]
        places.append(place)
        scores = {label: round(score, 4) for label, score in event["scores"].items()}  # the batch changes later digits
        said = json.dumps([event["schema"], event["verdict"], event["label"], scores, event["model"]["sha256"]])
        answers.setdefault(sent[place], set()).add(said)
    ends = {partition: max(offset for p, offset in sent if p == partition) + 1 for partition, _ in sent}
    in_order = all(
        offsets == sorted(offsets) for p in ends for offsets in [[offset for at, offset in places if at == p]]
    )
    return {
        "frames_sent": len(sent),
        "results": len(results),
        "lost": len(set(sent) - set(places)),
        "repeated": len(places) - len(set(places)),
        "in_order": in_order,
        "images_with_two_answers": sum(len(said) > 1 for said in answers.values()),
        "everything_committed": committed == ends,
    }


def is_right(found: dict[str, Any]) -> bool:
    return (
        found["lost"] == found["repeated"] == found["images_with_two_answers"] == 0
        and found["in_order"]
        and found["everything_committed"]
        and set(found["exit_codes"]) == {0}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="Earlier revision, in any form that git accepts.")
    revision: str = parser.parse_args().revision
    found = []
    with checkout(revision) as old, tempfile.TemporaryDirectory() as folder, apache_broker() as broker:
        bundle = write_bundle(Path(folder, "tiny.onnx"))
        handle = BrokerHandle("Apache Kafka", broker.bootstrap_servers, 6000)
        for delivery in DELIVERIES:
            found.append(upgrade(Line.on(handle, PARTITIONS), bundle, old, THIS, delivery))
    print(json.dumps({"revision": revision, "right": all(map(is_right, found)), "upgrades": found}))
    sys.exit(not all(map(is_right, found)))


if __name__ == "__main__":
    main()
