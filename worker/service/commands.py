"""The commands `stripwatch run`, `check` and `inspect`."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stripwatch.worker.common.errors import HangError, StripwatchError
from stripwatch.worker.common.log_setup import log_uncaught_errors
from stripwatch.worker.common.process.cores import limit_library_threads
from stripwatch.worker.common.process.threads import ShutdownLimit, end_by_force
from stripwatch.worker.common.signals import exit_on_signals
from stripwatch.worker.common.terminal.file_counts import FileCounts, with_counts
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
    from stripwatch.worker.service.startup import plan_start, require_preconditions
    from stripwatch.worker.service.supervisor import supervise
    from stripwatch.worker.service.worker_app import run as run_worker

    with exit_on_signals():
        require_preconditions(settings)
        start = plan_start(settings)
    if start.layout.layout.processes > 1:
        supervise(settings, start.layout.layout, start.device_ids, sys.argv[1:])
    else:
        try:
            run_worker(start.settings, ShutdownLimit())
        except HangError as error:
            end_by_force(error)


@settings_as_options
def check(
    config: SettingsConfig = None,
    bundle: BundleSetting = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Also check the connection to Kafka, topics, permissions and limits.")
    ] = False,
    json_file: JsonFile = None,
    setting: Set = None,
) -> None:
    """Do everything that run does before its first frame, report every problem, and exit.

    The command reads the settings, certificates and passwords, tries the metrics port, chooses the number of processes,
    loads and warms up the bundle, and verifies its golden frames. With --kafka it also connects as the worker does. It
    writes nothing to Kafka and joins no group, so it does not disturb running workers. The exit code is that of run: 0
    if it would start. Warnings do not change it.

    In the JSON object, checks lists each check with its status (ok, warning, failed or skipped), frames_per_second is
    the speed of inference alone on this machine by batch size, and layout is the number of processes and threads that
    run would use.

    Example: stripwatch check --config worker.toml --kafka
    """
    limit_library_threads()
    from stripwatch.worker.service.check import check as check_start
    from stripwatch.worker.service.check import invalid_settings

    try:
        settings = settings_of(
            config, setting, quiet=True, bundle=bundle, provider=provider, batch_frames_max=batch_frames_max
        )
    except StripwatchError as error:
        report = invalid_settings(error)
    else:
        report = check_start(settings)
        if kafka:
            from stripwatch.worker.service.check_kafka import check_kafka

            check_kafka(report, settings)
    finish(report.outcome(), json_file)
    report.raise_first()


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
    counts = msgspec.convert(summary["file_counts"], FileCounts)
    step = command_text("run", *given)
    finish(Outcome(*with_counts(summary, counts), next_steps=[step], files={"events": out}), json_file)
