"""`stripwatch coils` and `report`: what they take, and what they print at their end."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stripwatch.worker.common.console import print_summary
from stripwatch.worker.config.cli_options import BootstrapServersSetting, Set, SettingsConfig, settings_of


def coils(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    group_id: Annotated[str, typer.Option(help="The group whose commits say where to continue.")] = "stripwatch-coils",
    settle_s: Annotated[
        float, typer.Option(min=0, help="A coil has ended when the line has the next one and so long none of it came.")
    ] = 10.0,
    silence_s: Annotated[float, typer.Option(min=1, help="Or when so long none of it came anyway.")] = 120.0,
    setting: Set = None,
) -> None:
    """Write a summary of each coil to the topic of coils when the coil has ended, until stopped.

    It reads results and rejects of all lines; run it once beside the workers. A summary is written at least once, a
    repeat has the same ce_id. SIGTERM ends it in order; the last line on stdout is JSON.

    Example: stripwatch coils --bootstrap-servers 127.0.0.1:9092
    """
    settings = settings_of(config, setting, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils.coil_tracker import CoilRules
    from stripwatch.worker.coils.summarizer import summarize_coils

    print_summary(summarize_coils(settings, CoilRules(settle_s, silence_s).with_settings(settings), group_id))


def report(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    coil: Annotated[str | None, typer.Option(help="Only coils of this name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="No table, but all of each coil in the JSON.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each coil to this new file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    setting: Set = None,
) -> None:
    """Report each coil from the results on Kafka: metres, metres not covered, frames, defects of each class.

    Reads the topics of results and rejects from their beginning. The last line on stdout is JSON.

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
