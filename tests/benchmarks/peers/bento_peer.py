"""BentoML peer: one service with a batchable method, so that adaptive batching combines the requests.

Frames and responses are base64 in JSON. BentoML accepts pickles only from other BentoML services, and multipart forms,
its way to upload files, are parsed in Python and written to disk.
"""

from base64 import b64decode, b64encode

import bentoml

from tests.benchmarks.peers.inspector import Inspector
from tests.benchmarks.peers.task import read_task

_TASK = read_task()
_LATENCY_MS_MAX = 60_000


@bentoml.service(workers=_TASK.setting.processes, traffic={"timeout": 60})
class Inspection:
    def __init__(self) -> None:
        self.inspector = Inspector(_TASK)

    @bentoml.api(batchable=True, max_batch_size=_TASK.setting.batch, max_latency_ms=_LATENCY_MS_MAX)  # type: ignore[untyped-decorator]
    def inspect(self, frames: list[str]) -> list[str]:
        images = [self.inspector.decode(b64decode(frame)) for frame in frames]
        return [b64encode(answer).decode() for answer in self.inspector.answer(images)]
