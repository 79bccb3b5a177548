"""The output folder of compare, crossval and frontier, which must not be that of something else."""

from pathlib import Path

from stripwatch.export.runs.run_folder import BEGUN_FILE, RECORD_FILE
from stripwatch.worker.common.errors import InputError

RESULT_FILES = {"compare": "leaderboard.json", "crossval": "crossval.json", "frontier": "frontier.json"}


def require_own_folder(folder: Path, command: str) -> None:
    """Raise InputError if --out is a run folder, or has results of another command, whose report would be replaced."""
    for name in (RECORD_FILE, BEGUN_FILE):
        if (folder / name).exists():
            raise InputError(f"--out {folder} is the run folder of a fit; choose another folder")
    for other, name in RESULT_FILES.items():
        if other != command and (folder / name).exists():
            raise InputError(
                f"--out {folder} has results of '{other}' ({name}), and {command} would replace their report; choose "
                "another folder"
            )
