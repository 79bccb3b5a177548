"""`stripwatch config migrate`: rewrites a settings file of an earlier version."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.console import print_summary, say
from stripwatch.worker.config.migration import migrate_file

config = typer.Typer(help="Rewrite settings files of an earlier version.")


@config.callback()
def _group() -> None:
    """Rewrite settings files of an earlier version."""


@config.command()
def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to rewrite in place.")],
) -> None:
    """Rewrite a settings file of an earlier version to the keys of this one.

    Comments, order and layout stay. The old file is kept as FILE.bak. A file that needs no change is not touched. The
    last line on stdout is JSON: the keys that were renamed.

    Example: stripwatch config migrate /etc/stripwatch/worker.toml
    """
    done = migrate_file(file)
    for old, new in done.renamed.items():
        say(f"{old} is now {new}")
    say(f"{file} is rewritten; the old file is {done.backup}" if done.renamed else f"{file} needs no change")
    backup = None if done.backup is None else str(done.backup)
    print_summary({"file": str(file), "backup": backup, "renamed": done.renamed})
