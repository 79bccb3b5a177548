"""`stripwatch config migrate`: rewrites a settings file of an earlier version."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.command_line import LazyCommand, new_app
from stripwatch.worker.common.console import print_summary, say
from stripwatch.worker.config.migration import migrate_file

COMMANDS = (
    LazyCommand(
        "migrate",
        "stripwatch.worker.commands.config:migrate",
        "Rewrite a settings file of an earlier version to the keys of this one.",
    ),
)
config = new_app("Rewrite settings files of an earlier version.", COMMANDS)


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to rewrite in place.")],
) -> None:
    """Rewrite a settings file of an earlier version to the keys of this one.

    Comments, order and layout stay. The old file is kept as FILE.bak, or as FILE.bak.1, FILE.bak.2 and so on where that
    name is taken. A file that needs no change is not touched. What else is wrong in the file is left to you, and named
    on stderr. The last line on stdout is JSON: the keys that were renamed, the backup, and what is still invalid.

    Example: stripwatch config migrate /etc/stripwatch/worker.toml
    """
    done = migrate_file(file)
    for old, new in done.renamed.items():
        say(f"{old} is now {new}")
    say(f"{file} is rewritten; the old file is {done.backup}" if done.renamed else f"{file} needs no change")
    if done.still_invalid:
        unseen = "variables that only the service sets are not seen here"
        say(f"warning: {file} is still not valid: {done.still_invalid} ({unseen})")
    backup = None if done.backup is None else str(done.backup)
    summary = {"file": str(file), "backup": backup, "renamed": done.renamed, "still_invalid": done.still_invalid}
    print_summary(summary)
