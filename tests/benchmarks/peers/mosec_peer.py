"""mosec peer: a decoding and an inference stage with dynamic batching, as in its examples, or one stage for both."""

import sys
from typing import Any

from mosec import Server, Worker

from stripwatch.worker.images.decode_spec import Image
from tests.benchmarks.peers.inspector import Inspector
from tests.benchmarks.peers.task import read_task

TIMEOUT_MS = 60_000


class _Bytes(Worker):  # type: ignore[misc]
    """Pass request and response bodies through as raw bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.inspector = Inspector(read_task())

    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize(self, data: bytes) -> bytes:
        return data


class Decoding(_Bytes):
    def forward(self, data: bytes) -> Image:
        return self.inspector.decode(data)


class Inference(_Bytes):
    def forward(self, data: Any) -> Any:
        return self.inspector.answer(data) if isinstance(data, list) else self.inspector.answer([data])[0]


class Both(_Bytes):
    def forward(self, data: Any) -> Any:
        encoded = data if isinstance(data, list) else [data]
        answers = self.inspector.answer([self.inspector.decode(frame) for frame in encoded])
        return answers if isinstance(data, list) else answers[0]


def main() -> None:
    task = read_task()
    setting = task.setting
    options = ["--address", "127.0.0.1", "--port", str(task.port), "--timeout", str(TIMEOUT_MS)]
    sys.argv[1:] = [*options, "--log-level", "warning", "--capacity", "4096"]
    server = Server()
    batching = {"max_batch_size": setting.batch, "max_wait_time": setting.wait_ms}
    if setting.stages == 2:
        server.append_worker(Decoding, num=setting.processes)
    server.append_worker(Inference if setting.stages == 2 else Both, num=setting.processes, **batching)
    server.run()


if __name__ == "__main__":
    main()
