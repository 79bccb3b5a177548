"""The commands `stripwatch coils` and `stripwatch report`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.common.terminal.outcome import Outcome, check_json_file, finish
from stripwatch.worker.config.command_line.cli_options import (
    BootstrapServersSetting,
    Force,
    MetricsPort,
    Set,
    SettingsConfig,
    settings_of,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options


@settings_as_options
def coils(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    group_id: Annotated[
        str, typer.Option(help="Consumer group whose committed offsets mark where to continue.")
    ] = "stripwatch-coils",
    settle_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Close a coil this many seconds after its last frame once the line has started the next coil. "
            "Default: session_timeout_ms + drain_s_max + 30 s, the longest time that a killed worker delays frames.",
        ),
    ] = None,
    silence_s: Annotated[
        float | None,
        typer.Option(
            min=1, help="Close a coil after this many seconds without a frame. Default: 120, or settle-s if larger."
        ),
    ] = None,
    correctable_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Let late frames correct a closed coil for this many seconds. "
            "Default: default of settle-s + max_poll_interval_ms + send_s_max.",
        ),
    ] = None,
    metrics_port: MetricsPort = None,
    setting: Set = None,
) -> None:
    """Publish a summary of each coil when it has ended, until stopped.

    The command reads the results and rejects of all lines. Run it once per cluster, with the settings of the workers. A
    summary is written at least once; a repeat has the same ce_id. Late frames are added to their coil, and its summary
    is written again with the same id and a higher revision. Without --metrics-port the command opens no port. SIGTERM
    stops it cleanly. The last line on stdout is JSON.

    Example: stripwatch coils --bootstrap-servers 127.0.0.1:9092
    """
    settings = settings_of(config, setting, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils.summarizer import summarize_coils
    from stripwatch.worker.coils.tracking.coil_tracker import CoilRules

    rules = CoilRules.of(settings, settle_s, silence_s, correctable_s)
    print_summary(summarize_coils(settings, rules, group_id, metrics_port))


@settings_as_options
def report(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    coil: Annotated[str | None, typer.Option(help="Report only coils with this name.")] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            callback=check_json_file,
            help="Write the complete summaries as one JSON object to this file, or to stdout for -. Without this "
            "option, stdout gets the number of coils and defects as JSON unless it is a terminal.",
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one row per coil to this new file.")] = None,
    force: Force = False,
    setting: Set = None,
) -> None:
    """Report the coils on Kafka: length, uncovered length, frames, and defects per class.

    The command reads the results and rejects from their beginning, and closes coils by the same rules as `coils`: a
    name that is reused later is a different coil.

    Example: stripwatch report --bootstrap-servers 127.0.0.1:9092 --csv coils.csv
    """
    settings = settings_of(config, setting, quiet=True, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils import report as reports

    found = reports.report(settings, coil, csv, force)
    counts = {"coils": len(found), "defects": sum(sum(one.defects.values()) for one in found)}
    summary = counts if json_file is None else {"coils": msgspec.to_builtins(found)}
    facts = {name: f"{count:,}" for name, count in counts.items()}
    tables, files = [reports.as_table(found)], {"table": csv} if csv else {}
    finish(Outcome(summary, facts, tables, notes=reports.reasons(found), files=files, listing=True), json_file)
