"""Distributes the work over the cores: number of processes, and threads of each. The best layout is found by trying.

It depends on the model and the machine. On two cores and with a small network, two processes with one ONNX Runtime
thread each inspect more frames than one process with two threads, while a large network uses both cores from one
process. With GPUs there is one process per GPU. More processes would share a GPU, which is left to the settings until
measurements show an advantage.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.config.settings import Settings

_TIE = 0.9  # trials of the same layout differ by this much if other work runs on the machine
# kafka-python holds the GIL for about 0.3 ms per frame of 125 KB, which a trial without Kafka cannot measure. From this
# rate on, that is 6 % of a process.
_GIL_FPS = 200.0


@dataclass(frozen=True, slots=True)
class CoreLayout:
    """Number of processes, and threads of each process. 0 threads means as many as cores."""

    processes: int
    inference_threads: int
    decode_threads: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Frames per second that all processes of a layout inspected together, without Kafka."""

    layout: CoreLayout
    frames_per_second: float


def with_processes(settings: Settings, processes: int, cores: int) -> CoreLayout:
    """Return a layout with this many processes. Threads not set in the settings are an equal share of the cores."""
    share = 0 if processes == 1 else max(1, cores // processes)
    return CoreLayout(processes, settings.inference_threads or share, settings.decode_threads or share)


def candidates(settings: Settings, cores: int, gpus: int) -> list[CoreLayout]:
    """Return the layouts worth trying, fewest processes first: only one if the settings or GPUs determine it.

    gpus: 0 on a CPU.
    """
    if settings.processes != "auto":
        return [with_processes(settings, settings.processes, cores)]
    counts = sorted({1, max(1, cores // 2), cores}) if gpus == 0 else [gpus]
    return [with_processes(settings, count, cores) for count in counts]


def choose(trials: Sequence[Trial]) -> CoreLayout:
    """Return the fastest layout. Layouts within 10 % of the fastest count as equally fast.

    Among those, choose the most processes if the frame rate is high enough for Kafka's share of the GIL to matter.
    Otherwise choose the fewest, which need less memory and finish a single frame sooner.
    """
    best_fps = max(trial.frames_per_second for trial in trials)
    tied = sorted((t for t in trials if t.frames_per_second >= best_fps * _TIE), key=lambda t: t.layout.processes)
    return (tied[-1] if tied[0].frames_per_second / tied[0].layout.processes > _GIL_FPS else tied[0]).layout
