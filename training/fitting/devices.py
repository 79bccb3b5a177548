"""Devices and arithmetic of a fit: the CPU in float32, or one or all GPUs in half precision."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import keras
import tensorflow as tf

from stripwatch.export.runs.run_folder import FitPrecision, PrecisionChoice
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.process.cores import library_threads

_TENSOR_CORES = (7, 0)  # compute capability from which float16 is faster than float32


def limit_threads() -> None:
    """Limit TensorFlow's threads to the CPU quota of the container, which it ignores by default.

    Must be called before TensorFlow runs anything.
    """
    if threads := library_threads():
        with suppress(RuntimeError):  # an earlier fit in this process has already started the threads
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)


def choose_precision(wanted: PrecisionChoice) -> FitPrecision:
    """Return the precision of the fit. "auto" selects mixed_float16 if every GPU is fast in it, else float32."""
    if wanted != "auto":
        return wanted
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    fast = gpus and all(found.get("compute_capability", (0, 0)) >= _TENSOR_CORES for found in details)
    return "mixed_float16" if fast else "float32"


def gpu_replicas() -> list[str]:
    """Return the names of the devices that share each batch: all GPUs if there are several, else an empty list."""
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    return gpus if len(gpus) > 1 else []


@contextmanager
def explain_oom(batch: int) -> Iterator[None]:
    """Turn out-of-memory errors of the machine or a GPU inside the block into SettingsError, with a remedy."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise SettingsError(
            f"not enough memory for --batch {batch} at this --input; reduce one of them, or cut the backbone earlier"
        ) from error


@contextmanager
def device_scope(precision: FitPrecision) -> Iterator[None]:
    """Make models built in the block compute in this precision, on every device of `gpu_replicas`.

    tf.distribute.MirroredStrategy keeps a copy of the weights on each device and gives each one a part of the batch.
    """
    devices = gpu_replicas()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with tf.distribute.MirroredStrategy(devices).scope() if devices else nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(before)
