"""Other revisions of this project, to run beside this checkout."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Version:
    """A checkout that the worker's commands are started from."""

    name: str
    folder: Path

    @property
    def program(self) -> list[str]:
        """Before the one import name the packages lay at the top of the checkout."""
        module = "stripwatch.worker" if (self.folder / "src").is_dir() else "worker"
        return [sys.executable, "-P", "-m", module]

    @property
    def environment(self) -> dict[str, str]:
        source = self.folder / "src" if (self.folder / "src").is_dir() else self.folder
        return os.environ | {"PYTHONPATH": str(source)}


THIS = Version("this checkout", ROOT)


@contextmanager
def checkout(revision: str) -> Iterator[Version]:
    """The files of a revision in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="stripwatch-revision-") as folder:
        tree = Path(folder, "old")
        subprocess.run(
            ["git", "-C", ROOT, "worktree", "add", "--detach", tree, revision], check=True, stdout=sys.stderr
        )
        try:
            yield Version(revision, tree)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)
