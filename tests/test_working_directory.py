"""Files in the user's working directory cannot replace modules of the project or of a library.

`stripwatch` is started in a folder with trap modules, which Python would find first. An imported trap writes a file.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, WorkerProcess, fetch
from tests.tiny import encode_frame, write_bundle, write_frames
from tests.trained import random_weights, textures

pytestmark = pytest.mark.long

__all__ = ["random_weights", "textures"]
ROOT = Path(__file__).parents[1]
OURS = ("worker", "training", "export")
OTHERS = ("stripwatch", "deploy", "tests", "numpy", "kafka", "typer", "structlog", "ctypes", "json")
RUN_S_MAX = 900.0  # two fits, one after the other, on a busy machine
FIT = ["--alpha", "0.25", "--input", "64x64", "--epochs", "1", "--batch", "8", "--copy-changes", "none"]


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """Create a folder with modules and packages of these names, and fail the test if one is imported."""
    folder = tmp_path / "trap"
    mark = tmp_path / "imported"
    spring = f"open({str(mark)!r}, 'a').write(__name__ + ' ')\nraise SystemExit('the trap was imported: ' + __name__)\n"
    for name in (*OURS, *OTHERS):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(spring)
        (folder / name / "__main__.py").write_text(spring)
    for name in OURS:  # packages take precedence over modules, so the modules have a separate folder
        (folder / "modules").mkdir(exist_ok=True)
        (folder / "modules" / f"{name}.py").write_text(spring)
    yield folder
    assert not mark.exists(), f"imported from the working directory: {mark.read_text()}"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write the console script as pip does."""
    (script,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].items()
    name, target = script
    module, function = target.split(":")
    path = tmp_path_factory.mktemp("bin") / name
    path.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    return [sys.executable, str(path)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx")


@pytest.fixture
def line(embedded_broker: BrokerHandle) -> Line:
    return Line.on(embedded_broker, partitions=4)


def run(command: list[str], folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [*command, *map(str, arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=RUN_S_MAX)


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_trap_is_detected(trap: Path) -> None:
    """`python -m` searches the working directory first, as the module of an earlier version did."""
    for name in OURS:
        for folder in (trap, trap / "modules"):
            done = subprocess.run([sys.executable, "-m", name], cwd=folder, capture_output=True, text=True)
            assert "the trap was imported" in done.stderr
    (trap.parent / "imported").unlink()


def test_help_and_check_import_no_trap(command: list[str], trap: Path, bundle: Path) -> None:
    for folder in (trap, trap / "modules"):
        assert run(command, folder, "--help").stdout.startswith("Usage: stripwatch ")
        assert run(command, folder, "train", "--help").stdout.startswith("Usage: stripwatch train ")
        assert summary_of(run(command, folder, "check", "--bundle", bundle, "--metrics.port", "0"))["name"]


def test_python_m_stripwatch_imports_no_trap(trap: Path) -> None:
    """`python -m` searches the working directory for `stripwatch` and libraries, unless -P is given."""
    for options, folder in (([], trap / "modules"), (["-P"], trap)):
        done = run([sys.executable, *options, "-m", "stripwatch"], folder, "train", "fit", "--help")
        assert done.stdout.startswith("Usage: stripwatch train fit "), done.stderr


@pytest.mark.parametrize("processes", ["2", "auto"])
def test_run_with_several_processes_imports_no_trap(
    command: list[str], trap: Path, line: Line, bundle: Path, tmp_path: Path, processes: str
) -> None:
    sent = line.send([encode_frame(number / 8) for number in range(8)], key=b"a")
    settings = [f"processes={processes}", f"cache_folder={tmp_path / 'cache'}"]
    arguments = [part for pair in settings for part in ("--set", pair)]
    worker = WorkerProcess(line, bundle, f"trap-{processes}", *arguments, program=command, folder=trap)
    try:
        if processes == "2":
            port = worker.await_log("supervising")["metrics_port"]
        else:
            assert "not tried" not in worker.await_log("layout")["reason"]
        assert len(line.read("results", len(sent))) == len(sent)
        if processes == "2":
            assert set(re.findall(r'stripwatch_ready{process="(\d)"}', fetch(port, "/metrics")[1])) == {"0", "1"}
        assert worker.stop() == 0
    finally:
        worker.kill()


def test_demo_with_worker_cameras_and_page_imports_no_trap(
    command: list[str], trap: Path, bundle: Path, tmp_path: Path, embedded_broker: BrokerHandle
) -> None:
    write_frames(tmp_path / "photos", [number / 20 for number in range(20)])
    done = run(command, trap, "demo", "--seconds", "2", "--frames", tmp_path / "photos", "--bundle", bundle)
    assert summary_of(done)["results"] > 0
    assert "serving the live page at http://127.0.0.1:" in done.stderr
    assert "the live page exited" not in done.stderr


def test_demo_with_an_existing_broker_imports_no_trap(
    command: list[str], trap: Path, embedded_broker: BrokerHandle
) -> None:
    done = run(command, trap, "demo", "--seconds", "2", "--broker", embedded_broker.bootstrap_servers)
    assert summary_of(done)["results"] > 0


def test_bench_imports_no_trap(
    command: list[str], trap: Path, bundle: Path, tmp_path: Path, embedded_broker: BrokerHandle
) -> None:
    write_frames(tmp_path / "photos", [number / 20 for number in range(20)])
    sizes = ("--count", "3000", "--runs", "1", "--seconds", "1", "--load", "0.3")
    done = run(command, trap, "bench", "--bundle", bundle, "--frames", tmp_path / "photos", *sizes)
    assert summary_of(done)["frames_per_second"] > 0


@pytest.mark.training
def test_crossval_imports_no_trap(
    command: list[str], trap: Path, textures: Path, random_weights: Path, tmp_path: Path
) -> None:
    words = ("train", "crossval", "--folds", "2", "--data", textures, "--out", tmp_path / "folds")
    done = run(command, trap, *words, "--network", "mobilenet", *FIT, "--weights", random_weights)
    assert summary_of(done)["frames"] == 60


@pytest.mark.training
def test_compare_imports_no_trap(
    command: list[str], trap: Path, textures: Path, random_weights: Path, tmp_path: Path
) -> None:
    words = ("train", "compare", "--networks", "one=mobilenet,two=mobilenet", "--data", textures)
    done = run(command, trap, *words, "--out", tmp_path / "compared", *FIT, "--weights", random_weights)
    assert summary_of(done)["winner"] in ("one", "two")


def test_every_module_that_starts_a_process_is_listed() -> None:
    """Each is tested above or starts no Python process. A new one needs a test here."""
    starts = re.compile(
        r"\b(?:subprocess\.(?:Popen|run|call|check_\w+)\(|os\.(?:exec|spawn|posix_spawn)\w*\(|multiprocessing)"
    )
    places = {
        path.relative_to(ROOT).as_posix()
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        if starts.search(path.read_text())
    }
    assert places == {
        "worker/common/process/child_process.py",  # demo, bench, run, crossval and compare; the embedded broker
        "export/runs/provenance.py",  # git
        "worker/model/gpus.py",  # nvidia-smi
    }
    commands = {
        path.relative_to(ROOT).as_posix()
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        if "sys.executable" in path.read_text()
    }
    assert commands == {"worker/common/process/child_process.py"}
