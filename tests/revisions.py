"""Other revisions of this project, to compare with this checkout."""

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
    """A checkout from which the worker's commands are started."""

    name: str
    folder: Path

    @property
    def program(self) -> list[str]:
        """Return how to start the command; in early revisions the packages were at the top of the checkout."""
        module = "stripwatch.worker" if (self.folder / "src").is_dir() else "worker"
        return [sys.executable, "-P", "-m", module]

    @property
    def environment(self) -> dict[str, str]:
        source = self.folder / "src" if (self.folder / "src").is_dir() else self.folder
        return os.environ | {"PYTHONPATH": str(source)}


THIS = Version("this checkout", ROOT)


@contextmanager
def checkout(revision: str) -> Iterator[Version]:
    """Check out a revision into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="stripwatch-revision-") as folder:
        tree = Path(folder, "old")
        subprocess.run(
            ["git", "-C", ROOT, "worktree", "add", "--detach", tree, revision], check=True, stdout=sys.stderr
        )
        try:
            yield Version(revision, tree)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)
