"""Which process runs its model on which GPU: the processes of a supervisor take the GPUs in turn.

Tested without a GPU, by numbers alone. Several processes on several GPUs have not been run.
"""

import structlog

from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.gpus import count_gpus
from stripwatch.worker.model.providers import runs_on_cpu

log = structlog.get_logger()


def usable_gpus(settings: Settings) -> int:
    """How many GPUs the model may run on; 0 on a CPU. Raises SettingsError where the provider is not to be had."""
    if runs_on_cpu(settings.provider):
        return 0
    if settings.device_id is not None:
        return 1
    count = count_gpus()
    if count is None:
        log.warning("the GPUs cannot be counted, and one is assumed", hint="set device_id, or CUDA_VISIBLE_DEVICES")
    return count or 1  # where there are none, the provider says so better than this could


def assign_gpus(settings: Settings, processes: int) -> list[int | None]:
    """The device_id of each process, None on a CPU; the log says where GPUs are shared or left over.

    Raises SettingsError where the provider is not to be had.
    """
    gpus = usable_gpus(settings)
    if gpus == 0:
        return [None] * processes
    if settings.device_id is not None:
        return [settings.device_id] * processes
    if processes > gpus:
        log.info("processes share GPUs", processes=processes, gpus=gpus)
    if processes < gpus:
        log.warning("GPUs are left unused", unused=list(range(processes, gpus)), hint="processes = 'auto' uses all")
    return [number % gpus for number in range(processes)]
