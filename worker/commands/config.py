"""`stripwatch config migrate`: rewrites a settings file from an earlier version."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.terminal.command_line import LazyCommand, new_app
from stripwatch.worker.common.terminal.console import print_summary, say
from stripwatch.worker.config.migration import migrate_file

COMMANDS = (
    LazyCommand(
        "migrate",
        "stripwatch.worker.commands.config:migrate",
        "Rewrite a settings file from an earlier version with the keys of this version.",
    ),
)
config = new_app("Rewrite settings files from an earlier version.", COMMANDS)


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file to rewrite in place.")],
) -> None:
    """Rewrite a settings file from an earlier version with the keys of this version.

    Comments, order and layout are preserved. The old file is kept as FILE.bak, or as FILE.bak.1, FILE.bak.2 and so on
    if that name exists. A file without renamed keys is not modified or checked. Other errors in a rewritten file are
    not corrected, but reported on stderr. The last line on stdout is JSON: the renamed keys, the backup, and the
    remaining error.

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
