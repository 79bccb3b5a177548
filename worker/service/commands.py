"""The commands `stripwatch run`, `check` and `inspect`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.common.log_setup import log_uncaught_errors
from stripwatch.worker.common.process.cores import limit_library_threads
from stripwatch.worker.common.process.threads import ShutdownLimit, end_by_force
from stripwatch.worker.common.signals import exit_on_signals
from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.config.command_line.cli_options import (
    BatchFramesMax,
    BootstrapServersSetting,
    BundleSetting,
    Force,
    ImageFolderArgument,
    LogFormat,
    MetricsPort,
    Provider,
    Set,
    SettingsConfig,
    settings_of,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options


@settings_as_options
def run(
    config: SettingsConfig = None,
    bundle: BundleSetting = None,
    bootstrap_servers: BootstrapServersSetting = None,
    group_id: Annotated[str | None, typer.Option(help="Kafka consumer group.")] = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    linger_ms_max: Annotated[
        float | None, typer.Option(help="Maximum time that an idle device waits for more frames, in ms.")
    ] = None,
    metrics_port: MetricsPort = None,
    log_format: LogFormat = None,
    setting: Set = None,
) -> None:
    """Inspect frames from Kafka until stopped.

    Settings are read from the file of --config, the environment (STRIPWATCH_BUNDLE=...) and the options. The
    environment overrides the file, and options override both.
    On SIGTERM the worker finishes and commits the frames in flight. Exit codes: 2 invalid settings, 3 invalid bundle,
    4 Kafka unavailable, 5 inference failed, 6 a file is missing or unreadable, 10 another worker uses this
    instance_id, 11 a thread hung and the process was ended by force, 12 out of memory.

    Example: stripwatch run --bundle model.onnx --bootstrap-servers 127.0.0.1:9092 --set topics.frames=my.frames
    """
    settings = settings_of(
        config,
        setting,
        bundle=bundle,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        provider=provider,
        batch_frames_max=batch_frames_max,
        linger_ms_max=linger_ms_max,
        metrics={"port": metrics_port},
        log={"format": log_format},
    )
    log_uncaught_errors()
    limit_library_threads()
    from stripwatch.worker.service.autotune import apply_layout, choose_layout
    from stripwatch.worker.service.gpu_assignment import assign_gpus
    from stripwatch.worker.service.supervisor import supervise
    from stripwatch.worker.service.worker_app import run as run_worker

    with exit_on_signals():
        layout = choose_layout(settings).layout
    if layout.processes > 1:
        supervise(settings, layout, sys.argv[1:])
    else:
        (device_id,) = assign_gpus(settings, 1)
        try:
            run_worker(apply_layout(settings, layout).model_copy(update={"device_id": device_id}), ShutdownLimit())
        except HangError as error:
            end_by_force(error)


@settings_as_options
def check(
    config: SettingsConfig = None,
    bundle: BundleSetting = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    setting: Set = None,
) -> None:
    """Load a bundle, verify its golden frames, warm up, print one JSON line, and exit.

    In the output, frames_per_second is the speed of inference alone on this machine, by batch size, and layout is the
    number of processes and threads that run would use.

    Example: stripwatch check --bundle model.onnx
    """
    settings = settings_of(
        config, setting, quiet=True, bundle=bundle, provider=provider, batch_frames_max=batch_frames_max
    )
    from stripwatch.worker.service.check import check as check_bundle

    print_summary(check_bundle(settings))


@settings_as_options
def inspect(
    folder: ImageFolderArgument,
    out: Annotated[Path, typer.Option(help="JSON Lines file to write, with one event per frame.")],
    config: SettingsConfig = None,
    bundle: BundleSetting = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    force: Force = False,
    setting: Set = None,
    json_file: JsonFile = None,
) -> None:
    """Inspect a folder of images without a broker, by the same steps as on the line.

    Reads JPEG, PNG, BMP, TIFF and WebP files. Files of other types, hidden files and links to folders are skipped,
    reported on stderr, and counted as files_skipped. An image that cannot be decoded is written as a reject. If the
    folder contains no readable image files, the exit code is 6.

    Example: stripwatch inspect --bundle model.onnx photos --out results.jsonl
    """
    settings = settings_of(
        config, setting, quiet=True, bundle=bundle, provider=provider, batch_frames_max=batch_frames_max
    )
    from stripwatch.worker.service.offline import inspect_folder

    summary = inspect_folder(settings, folder, out, force)
    given: list[str | Path] = ["--config", config] if config else []
    given += ["--bundle", bundle] if bundle else []
    finish(Outcome(summary, next_steps=[command_text("run", *given)], files={"events": out}), json_file)
