"""`stripwatch config`: shows the effective settings, and rewrites a settings file from an earlier version."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.path_text import encodable
from stripwatch.worker.common.terminal.command_line import LazyCommand, new_app
from stripwatch.worker.common.terminal.console import print_summary, say
from stripwatch.worker.config.command_line.cli_options import Set, SettingsConfig, sources_of
from stripwatch.worker.config.command_line.effective_settings import as_json, as_toml, effective_settings
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.config.loader import settings_from
from stripwatch.worker.config.migration import migrate_file

COMMANDS = (
    LazyCommand(
        "show",
        "stripwatch.worker.commands.config:show",
        "Print the effective settings as TOML, with the origin of each.",
    ),
    LazyCommand(
        "migrate",
        "stripwatch.worker.commands.config:migrate",
        "Rewrite a settings file from an earlier version with the keys of this version.",
    ),
)
config = new_app("Show the effective settings, and rewrite settings files from an earlier version.", COMMANDS)


@settings_as_options
def show(
    config: SettingsConfig = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Print only the settings that differ from their defaults.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of TOML.")] = False,
    setting: Set = None,
) -> None:
    """Print the effective settings as TOML, with the origin of each.

    The origin is default, the file and line, the environment variable, or the option. Give the same file, environment
    and options as the worker gets. The output is a settings file for --config, except that passwords are masked.
    Nothing is loaded or connected to; use `check` for that.

    Example: stripwatch config show --config worker.toml --changed
    """
    sources = sources_of(config, setting)
    found = effective_settings(settings_from(sources), sources)
    if json:
        print_summary(as_json(found, changed))
    else:
        typer.echo(encodable(as_toml(found, changed)), nl=False)


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file to rewrite in place.")],
) -> None:
    """Rewrite a settings file from an earlier version with the keys of this version.

    Comments, order and layout are preserved. The old file is kept as FILE.bak, or as FILE.bak.1, FILE.bak.2 and so on
    if that name exists. A file without renamed keys is not modified. Other errors in the file are not corrected, but
    reported on stderr. The last line on stdout is JSON: the renamed keys, the backup, and the remaining errors; null
    means that the file is valid.

    Example: stripwatch config migrate /etc/stripwatch/worker.toml
    """
    done = migrate_file(file)
    for old, new in done.renamed.items():
        say(f"{old} is now {new}")
    unchanged = f"{file} contains no renamed keys and was not changed"
    say(f"rewrote {file}; the old file is {done.backup}" if done.renamed else unchanged)
    if done.still_invalid:
        unseen = "environment variables that only the service sets were not considered"
        say(f"warning: {file} is still invalid: {done.still_invalid} ({unseen})")
    backup = None if done.backup is None else str(done.backup)
    summary = {"file": str(file), "backup": backup, "renamed": done.renamed, "still_invalid": done.still_invalid}
    print_summary(summary)
