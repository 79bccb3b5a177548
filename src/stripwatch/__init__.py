"""Stripwatch inspects moving steel strip: it reads camera frames from Kafka and publishes defect events.

This package is the complete public Python API of the worker. `stripwatch.training` and `stripwatch.export` have their
own. Names are imported on first use, because every import inside the project runs this file first.
"""

from typing import TYPE_CHECKING

from stripwatch.worker.common.lazy_exports import lazy_exports
from stripwatch.worker.common.version import __version__

if TYPE_CHECKING:
    from stripwatch._api import decode_result, load_model, load_settings, read_bundle, run_worker
    from stripwatch.worker.common.errors import (
        BrokerUnavailableError,
        BundleError,
        DataError,
        ExportRejectedError,
        FencedError,
        FrameRejected,
        HangError,
        InferenceError,
        InputError,
        InterruptedCommandError,
        LineRunError,
        MemoryShortageError,
        RateNotReachedError,
        SettingsError,
        StripwatchError,
        WorkerExitError,
    )

__all__ = [
    "BrokerUnavailableError",
    "BundleError",
    "DataError",
    "ExportRejectedError",
    "FencedError",
    "FrameRejected",
    "HangError",
    "InferenceError",
    "InputError",
    "InterruptedCommandError",
    "LineRunError",
    "MemoryShortageError",
    "RateNotReachedError",
    "SettingsError",
    "StripwatchError",
    "WorkerExitError",
    "__version__",
    "decode_result",
    "load_model",
    "load_settings",
    "read_bundle",
    "run_worker",
]
_FUNCTIONS = ("decode_result", "load_model", "load_settings", "read_bundle", "run_worker")
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        name: f"stripwatch.{'_api' if name in _FUNCTIONS else 'worker.common.errors'}:{name}"
        for name in __all__
        if name != "__version__"
    },
)
