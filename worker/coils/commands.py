"""`stripwatch coils` and `report`: what they take, and what they print at their end."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stripwatch.worker.common.console import print_summary
from stripwatch.worker.config.cli_options import (
    BootstrapServersSetting,
    Force,
    MetricsPort,
    Set,
    SettingsConfig,
    settings_of,
)


def coils(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    group_id: Annotated[str, typer.Option(help="The group whose commits say where to continue.")] = "stripwatch-coils",
    settle_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Close a coil this many seconds after its last frame once the line has started the next coil. "
            "Unset: session_timeout_ms + drain_s_max + 30 s, as long as a killed worker may hold up frames.",
        ),
    ] = None,
    silence_s: Annotated[
        float | None,
        typer.Option(
            min=1, help="Close a coil after this many seconds without a frame. Unset: 120, or settle-s if that is more."
        ),
    ] = None,
    correctable_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="For this many seconds more, frames that come late correct a coil. "
            "Unset: settle-s by the settings + max_poll_interval_ms + send_s_max.",
        ),
    ] = None,
    metrics_port: MetricsPort = None,
    setting: Set = None,
) -> None:
    """Write a summary of each coil to the topic of coils when the coil has ended, until stopped.

    It reads results and rejects of all lines; run it once beside the workers, with their settings. A summary is written
    at least once, a repeat has the same ce_id. Frames that come late are added to their coil, and its summary is
    written again with the same id and a higher revision. Without --metrics-port it opens no port. SIGTERM ends it in
    order; the last line on stdout is JSON.

    Example: stripwatch coils --bootstrap-servers 127.0.0.1:9092
    """
    settings = settings_of(config, setting, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils.coil_tracker import CoilRules
    from stripwatch.worker.coils.summarizer import summarize_coils

    rules = CoilRules.of(settings, settle_s, silence_s, correctable_s)
    print_summary(summarize_coils(settings, rules, group_id, metrics_port))


def report(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    coil: Annotated[str | None, typer.Option(help="Only coils of this name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="No table, but all of each coil in the JSON.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each coil to this new file.")
    ] = None,
    force: Force = False,
    setting: Set = None,
) -> None:
    """Report each coil from the results on Kafka: metres, metres not covered, frames, defects of each class.

    Reads the topics of results and rejects from their beginning, and ends coils as `coils` does: a name that was used
    again later is another coil. The last line on stdout is JSON.

    Example: stripwatch report --bootstrap-servers 127.0.0.1:9092 --csv coils.csv
    """
    settings = settings_of(config, setting, quiet=True, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils import report as reports

    found = reports.report(settings, coil, csv, force)
    if as_json:
        print_summary({"coils": msgspec.to_builtins(found)})
    else:
        reports.print_table(found)
        print_summary({"coils": len(found), "defects": sum(sum(one.defects.values()) for one in found)})
