"""How the work is laid over the cores: processes, and the threads of each; the best layout is found by trying.

It depends on model and machine: on two cores two processes with one ONNX Runtime thread each took 1.46 times the frames
of one process with two, for a small network (DESIGN section 5); a large one fills both cores from one process. On GPUs
each has a process; more would share it, which is left to the settings until a bench says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.config.settings import Settings

_TIE = 0.9  # trials of the same layout differ by as much where other work runs on the machine
# kafka-python holds the GIL for about 0.3 ms a frame of 125 KB, which a trial without Kafka cannot see: from here on it
# is 6 % of a process, and grows.
_GIL_FPS = 200.0


@dataclass(frozen=True, slots=True)
class CoreLayout:
    """Threads are those of each process; 0 leaves it to as many as cores."""

    processes: int
    inference_threads: int
    decode_threads: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What all processes of a layout inspected together, without Kafka."""

    layout: CoreLayout
    frames_per_second: float


def with_processes(settings: Settings, processes: int, cores: int) -> CoreLayout:
    """A layout of as many processes; what the settings leave open of their threads is an equal share of the cores."""
    share = 0 if processes == 1 else max(1, cores // processes)
    return CoreLayout(processes, settings.inference_threads or share, settings.decode_threads or share)


def candidates(settings: Settings, cores: int, gpus: int) -> list[CoreLayout]:
    """The layouts worth trying, fewest processes first; one where nothing is left open, or GPUs do the work.

    gpus: 0 on a CPU.
    """
    if settings.processes != "auto":
        return [with_processes(settings, settings.processes, cores)]
    counts = sorted({1, max(1, cores // 2), cores}) if gpus == 0 else [gpus]
    return [with_processes(settings, count, cores) for count in counts]


def choose(trials: Sequence[Trial]) -> CoreLayout:
    """The fastest. Of those within 10 % of it the most processes where frames are so many that Kafka's share of the GIL
    counts, else the fewest: they need less memory, and a frame alone is done sooner.
    """
    best_fps = max(trial.frames_per_second for trial in trials)
    tied = sorted((t for t in trials if t.frames_per_second >= best_fps * _TIE), key=lambda t: t.layout.processes)
    return (tied[-1] if tied[0].frames_per_second / tied[0].layout.processes > _GIL_FPS else tied[0]).layout
