"""Assigns GPUs to the processes of a supervisor, round-robin.

Tested with simulated GPUs. Several processes on several GPUs have not been run.
"""

import structlog

from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.gpus import count_gpus
from stripwatch.worker.model.providers import runs_on_cpu

log = structlog.get_logger()


def usable_gpus(settings: Settings) -> int:
    """Return how many GPUs the model may use; 0 on a CPU. Raises SettingsError if the provider is not available."""
    if runs_on_cpu(settings.provider):
        return 0
    if settings.device_id is not None:
        return 1
    count = count_gpus()
    if count is None:
        log.warning("cannot count the GPUs; assuming one", hint="set device_id, or CUDA_VISIBLE_DEVICES")
    return count or 1  # if there is none, the provider reports a better error


def assign_gpus(settings: Settings, processes: int) -> list[int | None]:
    """Return the device_id of each process, None on a CPU. Logs GPUs that are shared or unused.

    Raises SettingsError if the provider is not available.
    """
    gpus = usable_gpus(settings)
    if gpus == 0:
        return [None] * processes
    if settings.device_id is not None:
        return [settings.device_id] * processes
    if processes > gpus:
        log.info("processes share GPUs", processes=processes, gpus=gpus)
    if processes < gpus:
        log.warning("GPUs are unused", unused=list(range(processes, gpus)), hint="processes = 'auto' uses all")
    return [number % gpus for number in range(processes)]
