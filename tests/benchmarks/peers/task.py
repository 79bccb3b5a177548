"""The task of every peer, in an environment variable: which model, which broker and topics, and its setting."""

import os

import msgspec

VARIABLE = "PEER_TASK"  # not STRIPWATCH_...: those are the settings of the worker
SESSION_MS = 6000  # the embedded broker lets the first member of a group wait for half of it
COMMIT_S = 0.5  # of the worker too


class Setting(msgspec.Struct, frozen=True):
    """What is swept. threads: of ONNX Runtime in each process; 0 leaves them to it. stages: of a server."""

    processes: int = 1
    threads: int = 1
    batch: int = 1
    wait_ms: int = 10
    stages: int = 1

    def __str__(self) -> str:
        stages = f", {self.stages} stages" if self.stages > 1 else ""
        return f"processes {self.processes}, threads {self.threads}, batch {self.batch}{stages}"


class Task(msgspec.Struct, frozen=True):
    """One run of a peer. number: of this process among its like. port: of a server.

    folder: for what it keeps in this run. memory: for what it remembers of others, which is nothing at first.
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
