"""The functions of the public API, which `import stripwatch` offers. Each imports what it needs when it is called."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stripwatch.worker.common.errors import InputError, SettingsError

if TYPE_CHECKING:
    from stripwatch.worker.config.settings import Settings
    from stripwatch.worker.contracts.events import Result
    from stripwatch.worker.model.bundle import Bundle
    from stripwatch.worker.model.loaded_model import LoadedModel

_PROVIDERS = ("auto", "cpu", "cuda", "tensorrt")


def load_model(
    path: str | os.PathLike[str], provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
) -> LoadedModel:
    """Load a bundle, verify that it computes what was trained, and warm it up.

    Labels, thresholds and decoding are those of the bundle. Neither STRIPWATCH_ environment variables nor a settings
    file changes them. The returned model may be used by any number of threads at the same time.

    Args:
        path: A bundle file, or STORE/NAME for the promoted bundle of a store.
        provider: Where the model runs. "auto" takes CUDA where the installed ONNX Runtime has it, else the CPU.
            There is no silent fallback from the one that is chosen.

    Returns:
        A model with `inspect(encoded)` for one frame and `inspect_batch([encoded, ...])` for several, where each frame
        is the bytes of an image file. `info` says which model it is.

    Raises:
        BundleError: The file cannot be read, is not a bundle, was changed, or gives other scores than Keras did for
            its golden frames.
        SettingsError: The provider is unknown or not available.

    Example:
        >>> import stripwatch
        >>> model = stripwatch.load_model("model.onnx")
        >>> result = model.inspect(open("strip.jpg", "rb").read())
        >>> result.verdict
        'defect'
        >>> [(defect.label, defect.score, defect.box_px) for defect in result.defects]
        [('scratches', 0.997412, Box(x=12, y=80, width=140, height=22))]
    """
    if provider not in _PROVIDERS:
        raise SettingsError(f"provider is {provider!r}; known are {', '.join(_PROVIDERS)}")
    from stripwatch.worker.model.loaded_model import load_bundle

    return load_bundle(Path(path), provider)


def load_settings(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings of a worker, as `stripwatch run --config PATH` does.

    A setting comes from its default, the file, or the environment (STRIPWATCH_BUNDLE=...); the later wins.

    Args:
        path: A TOML file; None for the environment and defaults alone.

    Returns:
        The settings, which cannot be changed.

    Raises:
        InputError: The file is not there.
        SettingsError: A key is unknown or a value is wrong. The message names the key.

    Example:
        >>> settings = stripwatch.load_settings("worker.toml")
        >>> settings.bundle
        PosixPath('model.onnx')
    """
    from stripwatch.worker.config import loader

    return loader.load_settings(None if path is None else Path(path), {})


def run_worker(settings: Settings) -> None:
    """Inspect frames from Kafka in this process until SIGTERM or SIGINT, then finish the frames in flight.

    Call it from the main thread, since it installs handlers for the two signals, and once in a process. It sets up
    logging for the whole process, as `log.format` and `log.level` say.

    Args:
        settings: What `load_settings` returned. `processes` must be 1, its default: only `stripwatch run` starts
            several.

    Raises:
        SettingsError: `bundle` is missing, `processes` is not 1, or the caller is not the main thread.
        TypeError: `settings` is not what `load_settings` returned.
        BundleError: The bundle is not fit to run.
        BrokerUnavailableError: Kafka cannot be reached, or was away for longer than `broker.away_s_max`.
        InferenceError: ONNX Runtime failed.
        FencedError: Another worker has taken this one's `instance_id`.
        HangError: A thread does not come back. End the process, by `os._exit` where a model still runs.
        MemoryShortageError: There is not enough memory for the frames in flight, not even after a while.

    Example:
        >>> stripwatch.run_worker(stripwatch.load_settings("worker.toml"))
    """
    from stripwatch.worker.config.settings import Settings

    if not isinstance(settings, Settings):
        raise TypeError(f"run_worker takes what load_settings returned, not {type(settings).__name__}")
    if threading.current_thread() is not threading.main_thread():
        raise SettingsError("run_worker must be called from the main thread, since it handles SIGTERM and SIGINT")
    if settings.processes != 1:
        raise SettingsError(
            f"processes = {settings.processes!r}: run_worker runs one worker in this process; "
            "set processes = 1, or start 'stripwatch run'"
        )
    from stripwatch.worker.common.log_setup import set_up_logs
    from stripwatch.worker.service.worker_app import run

    set_up_logs(settings.log.format, settings.log.level)
    run(settings)


def decode_result(value: bytes) -> Result:
    """Decode a record of the topics of results or defects.

    Any number of threads may call it. It needs neither ONNX Runtime nor OpenCV.

    Args:
        value: The value of a Kafka record on `inspection.results` or `inspection.defects`, or a line that
            `stripwatch inspect` has written: UTF-8 JSON of the schema stripwatch.result/1.

    Returns:
        The event. Scores are 0 to 1, boxes are in pixels of the source image, `strip_mm` is in millimetres along the
        coil, and times are in milliseconds. Fields that a later version has added are left out.

    Raises:
        InputError: The bytes are not such an event.

    Example:
        >>> for record in KafkaConsumer("inspection.results", bootstrap_servers="localhost:9092"):
        ...     result = stripwatch.decode_result(record.value)
        ...     print(result.frame.camera, result.verdict, [defect.label for defect in result.defects])
    """
    import msgspec

    from stripwatch.worker.contracts.events import RESULT_SCHEMA, Result

    try:
        result = msgspec.json.decode(value, type=Result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"not a result event: {error}") from error
    if result.schema != RESULT_SCHEMA:
        raise InputError(f"not a result event: its schema is {result.schema!r}, this version reads {RESULT_SCHEMA!r}")
    return result


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check that it is complete and unchanged, without loading it into ONNX Runtime.

    Args:
        path: A bundle file, or STORE/NAME for the promoted bundle of a store.

    Returns:
        The bundle. `manifest` says what the model is: `labels`, `thresholds`, `decode` (height and width of its input
        in pixels), `golden` frames, `validation`, `provenance`. `sha256` identifies the file, and `model` is its bytes.

    Raises:
        BundleError: The file cannot be read, is not a bundle, or was changed. The message names it.

    Example:
        >>> bundle = stripwatch.read_bundle("model.onnx")
        >>> bundle.manifest.name, bundle.manifest.version, bundle.manifest.labels
        ('plant-a', '2', ['clean', 'scratches', 'pits'])
    """
    file = Path(path)
    if file.is_dir():  # only a store needs the module that also loads models
        from stripwatch.worker.model.bundle_store import load_resolved, resolve_bundle

        return load_resolved(resolve_bundle(file))
    from stripwatch.worker.model import bundle

    return bundle.read_bundle(file)
