"""How the work is laid over the cores: processes, and the threads of each.

Measured on two cores (DESIGN section 5): two processes with one ONNX Runtime thread each take 1.46 times the frames of
one process with two, for a small network, since the GIL is not shared and no thread spins for another. On a GPU the
processes would share the device; there one process is the rule until a bench says otherwise.
"""

import os
from dataclasses import dataclass

from worker.session import runs_on_cpu
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """Threads are those of each process; 0 leaves it to as many as cores."""

    processes: int
    inference_threads: int
    decode_threads: int


def choose_layout(settings: Settings, cores: int, on_cpu: bool) -> Layout:
    """What the settings say; where they leave it open, a process a core on a CPU, with one thread of each kind."""
    processes = settings.processes if settings.processes != "auto" else cores if on_cpu else 1
    share = 0 if processes == 1 else max(1, cores // processes)
    return Layout(processes, settings.inference_threads or share, settings.decode_threads or share)


def lay_out(settings: Settings) -> Layout:
    """On this machine. Raises SettingsError where the provider is not to be had."""
    return choose_layout(settings, os.cpu_count() or 1, runs_on_cpu(settings.provider))
