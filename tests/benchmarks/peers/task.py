"""Task of a peer, passed in an environment variable: model, broker, topics and setting."""

import os

import msgspec

VARIABLE = "PEER_TASK"  # not STRIPWATCH_..., which the worker reads as settings
SESSION_MS = 6000  # the embedded broker delays the first member of a group by half of it
COMMIT_S = 0.5  # as in the worker


class Setting(msgspec.Struct, frozen=True):
    """Setting to try. threads: ONNX Runtime threads per process; 0: its default. stages: stages of a server."""

    processes: int = 1
    threads: int = 1
    batch: int = 1
    wait_ms: int = 10
    stages: int = 1

    def __str__(self) -> str:
        stages = f", {self.stages} stages" if self.stages > 1 else ""
        return f"processes {self.processes}, threads {self.threads}, batch {self.batch}{stages}"


class Task(msgspec.Struct, frozen=True):
    """One run of a peer.

    number: index of this process. port: port of a server. folder: for files of this run. memory: folder for files kept
    between runs, empty at first.
    """

    bundle: str
    bootstrap_servers: str
    topics: dict[str, str]
    group: str
    setting: Setting
    port: int
    folder: str
    memory: str
    number: int = 0

    def environment(self) -> dict[str, str]:
        return {VARIABLE: msgspec.json.encode(self).decode()}


def read_task() -> Task:
    return msgspec.json.decode(os.environ[VARIABLE], type=Task)
