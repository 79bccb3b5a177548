"""The contenders: how each is started, and the settings to try."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stripwatch.worker.bench.worker_process import worker_command
from stripwatch.worker.common.process.ports import free_port
from tests.benchmarks.peers.task import Setting, Task

ROOT = Path(__file__).parents[3]
CORES = os.cpu_count() or 1
RECOVERY_S_MAX = 30.0
_HERE = "tests.benchmarks.peers"


@dataclass(frozen=True, slots=True)
class Program:
    """Process of a contender. The first word of its command is an absolute path."""

    command: Sequence[str]
    task: Task

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))), **self.task.environment()}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program in the comparison.

    framework: a framework that could be used instead of Stripwatch. compared: a goal refers to it.
    programs: makes its processes from the interpreter with the peers' packages and the task. own_packages: needs that
    interpreter.
    """

    name: str
    what: str
    programs: Callable[[str, Task], list[Program]]
    settings: tuple[Setting, ...] = (Setting(),)
    framework: bool = False
    compared: bool = False
    own_packages: bool = False


def _module(python: str, name: str, task: Task, *arguments: str) -> Program:
    return Program((python, "-m", f"{_HERE}.{name}", *arguments), task)


def _each(python: str, name: str, task: Task, *arguments: str) -> list[Program]:
    """Return one process per consumer group member, as many as the setting says."""
    return [
        _module(python, name, msgspec.structs.replace(task, number=number), *arguments)
        for number in range(task.setting.processes)
    ]


def _worker(_: str, task: Task) -> list[Program]:
    """Return the worker as `stripwatch bench` starts it, with automatic layout, which it tunes in its first lap."""
    settings = ["processes=auto", "provider=cpu", f"cache_folder={task.memory}"]
    bundle = Path(task.bundle)
    return [Program(worker_command(bundle, task.bootstrap_servers, task.topics, free_port(), settings), task)]


def _bytewax(python: str, task: Task) -> list[Program]:
    """Return Bytewax processes; create the recovery partitions first, as its documentation says."""
    recovery = Path(task.folder, "recovery")
    recovery.mkdir()
    made = (python, "-m", "bytewax.recovery", str(recovery), str(task.setting.processes))
    subprocess.run(made, check=True, capture_output=True, timeout=RECOVERY_S_MAX)
    return _each(python, "bytewax_peer", task)


def _mosec(python: str, task: Task) -> list[Program]:
    return [_module(python, "mosec_peer", task), _module(python, "front", task, "mosec")]


def _bento(python: str, task: Task) -> list[Program]:
    serve = (python, "-m", "bentoml", "serve", f"{_HERE}.bento_peer:Inspection", "--host", "127.0.0.1")
    return [Program((*serve, "--port", str(task.port)), task), _module(python, "front", task, "bentoml")]


_APART = Setting(CORES, 1, 1)  # one process per core
_APART_8 = Setting(CORES, 1, 8)
_ONE_8 = Setting(1, CORES, 8)  # one process, with one thread of ONNX Runtime per core

WORKER = Contender("worker", "`stripwatch run` with `processes = auto`, other settings default", _worker, compared=True)
FIRST = Contender(
    "first loop",
    "poll, decode, infer one frame, send, commit; one process, default settings",
    lambda _, task: [_module(sys.executable, "first_loop", task)],
    compared=True,
)
TUNED = Contender(
    "tuned loop",
    "the same with the worker's event, commit after acknowledgement, and tuned processes, threads and batch",
    lambda _, task: _each(sys.executable, "tuned_loop", task, "kafka-python"),
    (_APART, _APART_8, Setting(1, CORES, 1), _ONE_8),
    compared=True,
)
TUNED_CONFLUENT = Contender(
    "tuned loop (confluent-kafka)",
    "the tuned loop with librdkafka instead of kafka-python",
    lambda python, task: _each(python, "tuned_loop", task, "confluent-kafka"),
    (_APART, _APART_8),
    own_packages=True,
)
QUIX = Contender(
    "Quix Streams",
    "`sdf.apply` with the model; batches from its count window",
    lambda python, task: _each(python, "quix_peer", task),
    (_APART, Setting(1, CORES, 1), _APART_8),
    framework=True,
    own_packages=True,
)
BYTEWAX = Contender(
    "Bytewax",
    "Kafka source, `collect` window per camera, Kafka sink, recovery",
    _bytewax,
    (_APART, _APART_8, _ONE_8),
    framework=True,
    own_packages=True,
)
MOSEC = Contender(
    "mosec behind a consumer",
    "dynamic batching; one consumer sends HTTP requests and publishes",
    _mosec,
    (Setting(1, 1, 8, stages=2), _APART, _APART_8, _ONE_8),
    framework=True,
    own_packages=True,
)
BENTO = Contender(
    "BentoML behind a consumer",
    "a batchable method, adaptive batching; one consumer sends HTTP requests and publishes",
    _bento,
    (_APART_8, Setting(CORES, 1, 32), _ONE_8),  # it does not accept a batch of one
    framework=True,
    own_packages=True,
)
ALL = (WORKER, FIRST, TUNED, TUNED_CONFLUENT, QUIX, BYTEWAX, MOSEC, BENTO)
NOT_RUN = {"Ray Serve": "represented by BentoML, a server of the same kind"}
