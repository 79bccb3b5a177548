import sys
from pathlib import Path

import pytest

import stripwatch.cli
from stripwatch.training.experiments.out_folder import RESULT_FILES, require_own_folder
from stripwatch.worker.common.errors import InputError


@pytest.mark.parametrize("command", RESULT_FILES)
def test_a_new_folder_and_own_earlier_results_are_accepted(tmp_path: Path, command: str) -> None:
    require_own_folder(tmp_path / "new", command)
    (tmp_path / RESULT_FILES[command]).touch()
    require_own_folder(tmp_path, command)


@pytest.mark.parametrize("command", RESULT_FILES)
@pytest.mark.parametrize("name", ["run.json", "begun.json"])
def test_a_run_folder_is_refused(tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"^--out .* is the run folder of a fit; choose another folder$"):
        require_own_folder(tmp_path, command)


def test_the_results_of_another_command_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "leaderboard.json").touch()
    message = r"^--out .* has results of 'compare' \(leaderboard\.json\), and frontier would replace their report; "
    with pytest.raises(InputError, match=message):
        require_own_folder(tmp_path, "frontier")


@pytest.mark.training
@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--networks", "a=mobilenet,b=mobilenet"],
        ["crossval", "--network", "mobilenet"],
        ["frontier", "--network", "mobilenet"],
    ],
)
def test_each_command_refuses_a_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    for folder in (data, out):
        folder.mkdir()
    (out / "run.json").touch()
    monkeypatch.setattr(sys, "argv", ["stripwatch", "train", *words, "--data", str(data), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        stripwatch.cli.main()
    assert ended.value.code == InputError.exit_code
    assert "is the run folder of a fit; choose another folder" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["run.json"]
