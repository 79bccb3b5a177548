"""Fixtures: a real Chromium, and the page in a separate process."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from stripwatch.worker.common.process.child_process import module_command
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.worker.dashboard.events import publish_sample

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


@contextmanager
def running_page(line: Line, *arguments: str, port: int = 0) -> Iterator[str]:
    """Run `stripwatch view` on a port (0: any free one), and yield its address."""
    with page_process(line, *arguments, port=port) as (_, address):
        yield address


@contextmanager
def page_process(line: Line, *arguments: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `stripwatch view`, and yield its address and its process."""
    topics = [part for name, topic in line.topics.items() for part in ("--set", f"topics.{name}={topic}")]
    command = [*module_command("worker"), "view", "--bootstrap-servers", line.broker.bootstrap_servers]
    command += ["--port", str(port), "--set", "log.level=error", *topics, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = process.stderr.readline()
        found = ADDRESS.search(said)
        try:
            assert found, said
            yield process, found[0]
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


@contextmanager
def chromium(dark: bool = False) -> Iterator[webdriver.Chrome]:
    """A headless Chromium without a sandbox (tests may run as root) that records its console and its requests."""
    driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or browser is None:
        reason = "chromium and chromedriver are not installed (Debian: apt install chromium chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true requires a browser: {reason}", pytrace=False)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        size = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        yield chrome
    finally:
        chrome.quit()


def console(browser: webdriver.Chrome, kind: str = "browser") -> list[dict[str, Any]]:
    """Return the browser's log entries since the last call. kind "performance" returns its requests."""
    found: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def page(embedded_broker: BrokerHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that shows the sample events."""
    line = Line.on(embedded_broker)
    publish_sample(line)
    with running_page(line) as address:
        yield address


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """The folder for screenshots: $SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
