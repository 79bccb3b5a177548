"""Ctrl-C while a command is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from stripwatch.worker.common.process.entry_point import run_main


def write_module(folder: Path, text: str) -> None:
    (folder / "interrupted_commands.py").write_text(text)


@pytest.mark.parametrize(
    "text", ["raise KeyboardInterrupt\n", "def main():\n    raise KeyboardInterrupt\n"], ids=["import", "main"]
)
def test_ctrl_c_ends_a_command_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    write_module(tmp_path, text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "interrupted_commands", raising=False)
    with pytest.raises(SystemExit) as ended:
        run_main("interrupted_commands")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_command_runs_its_main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_module(tmp_path, "def main():\n    print('inspected')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "interrupted_commands", raising=False)
    run_main("interrupted_commands")
    assert capsys.readouterr().out == "inspected\n"


@pytest.mark.parametrize("package", ["stripwatch", "stripwatch.worker", "stripwatch.training", "stripwatch.export"])
def test_every_entry_point_imports_its_commands_where_ctrl_c_is_handled(package: str) -> None:
    script = (
        "import runpy, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        f"runpy.run_module({package!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
