"""Every command of the tutorials runs, and prints what the page shows."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripwatch.worker.common.process.ports import free_ports
from tests.docs.console import Console
from tests.worker.dashboard.conftest import chromium
from tests.worker.dashboard.viewers import until

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
WEIGHTS = "mobilenet_2_5_224_tf_no_top.h5"
# The environment of the tests takes the place of the one that make would set up.
MAKE = {"$ make ": "$ make --assume-old=.venv/.demo-ready --assume-old=.venv/.test-ready "}

pytestmark = pytest.mark.long


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the root of a checkout, to which the tutorials may add files."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a reader's terminals after `. .venv/bin/activate`."""
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
    folders = {"KERAS_HOME": f"{tmp_path}/keras", "XDG_RUNTIME_DIR": f"{tmp_path}/run"}
    return {**os.environ, **own, **folders}


def run_console(console: Console) -> Iterator[Console]:
    try:
        yield console
    finally:
        console.kill()


@pytest.fixture
def demo_console(checkout: Path, environment: dict[str, str]) -> Iterator[Console]:
    yield from run_console(Console(checkout, environment, {**MAKE, "SECONDS=30": "SECONDS=8"}))


@pytest.fixture
def line_console(checkout: Path, environment: dict[str, str], shared: Path, tmp_path: Path) -> Iterator[Console]:
    models = tmp_path / "keras" / "models"  # where Keras looks before it downloads
    models.mkdir(parents=True)
    (models / WEIGHTS).symlink_to(shared / "weights" / WEIGHTS)
    broker, page, metrics = free_ports(3)
    ports = {
        "$ stripwatch broker": f"$ stripwatch broker --port {broker}",
        "$ stripwatch view": f"$ stripwatch view --port {page}",
        "127.0.0.1:9092": f"127.0.0.1:{broker}",
        "127.0.0.1:8800": f"127.0.0.1:{page}",
        "$ stripwatch run": f"$ stripwatch run --metrics-port {metrics}",
    }
    yield from run_console(Console(checkout, environment, {**MAKE, **ports}))


def test_the_first_ten_minutes(demo_console: Console) -> None:
    demo_console.follow((TUTORIALS / "first-ten-minutes.md").read_text())


@pytest.mark.training
def test_from_images_to_defect_events(line_console: Console) -> None:
    line_console.follow((TUTORIALS / "images-to-events.md").read_text())
    with chromium() as browser:
        browser.get(f"http://{line_console.replacements['127.0.0.1:8800']}/")
        until(browser, lambda: browser.execute_script("return [...document.images].some((i) => i.naturalWidth > 0)"))
    line_console.stop()
