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
    """Load a bundle, run its self-test, and warm it up.

    Labels, thresholds and decoding are those of the bundle; neither `STRIPWATCH_` environment variables nor a settings
    file change them. The returned model is thread-safe.

    Args:
        path: A bundle file, or REGISTRY/NAME for the promoted bundle of a registry.
        provider: ONNX Runtime execution provider. "auto" uses CUDA if the installed ONNX Runtime supports it,
            otherwise the CPU. A provider that does not start is an error; there is no silent fallback.

    Returns:
        A model with `inspect(encoded)` for one frame and `inspect_batch([encoded, ...])` for several, where each frame
        is the bytes of an image file. `info` identifies the model.

    Raises:
        BundleError: The file cannot be read, is not a bundle, was changed, or fails its self-test: its golden frames
            have other scores than in Keras.
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
        raise SettingsError(f"unknown provider {provider!r}; use one of {', '.join(_PROVIDERS)}")
    from stripwatch.worker.model.loading.open_model import load_bundle

    return load_bundle(Path(path), provider)


def load_settings(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings of a worker, as `stripwatch run --config PATH` does.

    Environment variables such as `STRIPWATCH_BUNDLE` override the file, and the file overrides the defaults.

    Args:
        path: A TOML file; None for the environment and defaults alone.

    Returns:
        The settings, which are immutable.

    Raises:
        InputError: The file does not exist.
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

    Call it once per process, from the main thread, because it installs handlers for the two signals. It sets up logging
    for the whole process according to `log.format` and `log.level`.

    Args:
        settings: Settings from `load_settings`. `processes` must be 1, the default; only `stripwatch run` starts
            several.

    Raises:
        SettingsError: `bundle` is missing, `processes` is not 1, or the caller is not the main thread.
        TypeError: `settings` does not come from `load_settings`.
        BundleError: The bundle is invalid.
        BrokerUnavailableError: Kafka cannot be reached, or was away for longer than `broker.away_s_max`.
        InferenceError: ONNX Runtime failed.
        FencedError: Another worker has taken this one's `instance_id`.
        HangError: A thread hangs. End the process, with `os._exit` if a model is still running.
        MemoryShortageError: There is not enough memory for the frames in flight, and waiting did not help.

    Example:
        >>> stripwatch.run_worker(stripwatch.load_settings("worker.toml"))
    """
    from stripwatch.worker.config.settings import Settings

    if not isinstance(settings, Settings):
        raise TypeError(f"run_worker takes the settings from load_settings, not {type(settings).__name__}")
    if threading.current_thread() is not threading.main_thread():
        raise SettingsError("run_worker must be called from the main thread, because it handles SIGTERM and SIGINT")
    if settings.processes != 1:
        raise SettingsError(
            f"processes = {settings.processes!r}: run_worker runs one worker in this process; "
            "set processes = 1, or start 'stripwatch run'"
        )
    from stripwatch.worker.common.log_setup import set_up_logs
    from stripwatch.worker.service.worker_app import run

    set_up_logs(settings.log.format, settings.log.level, settings.log.process)
    run(settings)


def decode_result(value: bytes) -> Result:
    """Decode a record of the results topic or the defects topic.

    Thread-safe. Imports neither ONNX Runtime nor OpenCV.

    Args:
        value: The value of a Kafka record on `inspection.results` or `inspection.defects`, or a line written by
            `stripwatch inspect`, as UTF-8 JSON of the schema `stripwatch.result/1`.

    Returns:
        The event. Scores are 0 to 1, boxes are in pixels of the source image, `strip_mm` is in millimetres along the
        coil, and times are in milliseconds. Fields added by a later version are ignored.

    Raises:
        InputError: The bytes are not a result event.

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
        raise InputError(f"not a result event: schema is {result.schema!r}, but this version reads {RESULT_SCHEMA!r}")
    return result


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check that it is complete and unchanged, without loading it into ONNX Runtime.

    Args:
        path: A bundle file, or REGISTRY/NAME for the promoted bundle of a registry.

    Returns:
        The bundle. Its `manifest` describes the model (`labels`, `thresholds`, `decode` with height and width of the
        input in pixels, `golden` frames, `validation`, `provenance`). `sha256` identifies the file, and
        `model` is its bytes.

    Raises:
        BundleError: The file cannot be read, is not a bundle, or was changed. The message names it.

    Example:
        >>> bundle = stripwatch.read_bundle("model.onnx")
        >>> bundle.manifest.name, bundle.manifest.version, bundle.manifest.labels
        ('plant-a', '2', ['clean', 'scratches', 'pits'])
    """
    file = Path(path)
    if file.is_dir():  # only a store needs the module that also loads models
        from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle

        return load_resolved(resolve_bundle(file))
    from stripwatch.worker.model import bundle_reader

    return bundle_reader.read_bundle(file)
