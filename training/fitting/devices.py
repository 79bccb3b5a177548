"""On what a fit runs, and in which arithmetic: the processor in float32, one GPU or all of them in half precision."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import keras
import tensorflow as tf

from stripwatch.export.runs.run_folder import FitPrecision, PrecisionChoice
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.process.cores import library_threads

_TENSOR_CORES = (7, 0)  # from this compute capability on float16 is faster than float32


def limit_threads() -> None:
    """Call it before TensorFlow runs anything: it starts a thread for each core, and knows no quota of a container."""
    if threads := library_threads():
        with suppress(RuntimeError):  # an earlier fit of this process has started them
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)


def choose_precision(wanted: PrecisionChoice) -> FitPrecision:
    """auto: mixed_float16 where every GPU is fast in it, else float32, which a processor is best at."""
    if wanted != "auto":
        return wanted
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    fast = gpus and all(found.get("compute_capability", (0, 0)) >= _TENSOR_CORES for found in details)
    return "mixed_float16" if fast else "float32"


def gpu_replicas() -> list[str]:
    """The devices that share each batch: all GPUs where there are several, else none by name."""
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    return gpus if len(gpus) > 1 else []


@contextmanager
def explain_oom(batch: int) -> Iterator[None]:
    """Raises SettingsError, naming the batch, where the memory of the machine or of a GPU does not suffice."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise SettingsError(
            f"there is too little memory for --batch {batch} at this --input: lower one of them, or cut earlier"
        ) from error


@contextmanager
def device_scope(precision: FitPrecision) -> Iterator[None]:
    """Models that are built in the block compute in this precision, on every device of `gpu_replicas`.

    tf.distribute.MirroredStrategy keeps a copy of the weights on each, and each takes its part of a batch.
    """
    devices = gpu_replicas()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with tf.distribute.MirroredStrategy(devices).scope() if devices else nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(before)
