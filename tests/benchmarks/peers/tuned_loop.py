"""Hand-tuned loop: the first-written loop with the worker's event, commit after acknowledgement, processes and threads.

`python -m tests.benchmarks.peers.tuned_loop kafka-python|confluent-kafka`
"""

import sys
import time

from stripwatch.worker.contracts.frame import Frame
from tests.benchmarks.peers.clients import Client, Confluent, KafkaPython
from tests.benchmarks.peers.inspector import Inspector
from tests.benchmarks.peers.task import COMMIT_S, read_task

POLL_S = 0.2
POLL_FRAMES = 64


def main(client_name: str) -> None:
    task = read_task()
    inspector = Inspector(task)
    client: Client = Confluent(task) if client_name == "confluent-kafka" else KafkaPython(task)
    size, done = task.setting.batch, list[Frame]()
    due_s = time.monotonic() + COMMIT_S
    while True:
        frames = client.poll(POLL_FRAMES, POLL_S)
        for at in range(0, len(frames), size):
            client.send(inspector.inspect(frames[at : at + size]))
        done += frames
        if done and time.monotonic() >= due_s:
            client.commit(done)
            done.clear()
            due_s = time.monotonic() + COMMIT_S


if __name__ == "__main__":
    main(sys.argv[1])
