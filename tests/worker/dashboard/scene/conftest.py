"""The scene, served once for all tests of a process, and a browser that shows it."""

from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver

from tests.worker.dashboard.scene.serve import Shown, served_scene
from tests.worker.dashboard.scene.shots import open_live_page, resize, use_theme

Opened = Callable[[int], webdriver.Chrome]


@pytest.fixture(scope="session")
def scene() -> Iterator[Shown]:
    with served_scene() as shown:
        yield shown


@pytest.fixture
def live_page(browser: webdriver.Chrome, scene: Shown) -> Iterator[Opened]:
    """A function that opens the live page at a width in CSS pixels. The browser is left as it was found."""

    def opened(width: int) -> webdriver.Chrome:
        resize(browser, width)
        open_live_page(browser, scene.address)
        return browser

    use_theme(browser, dark=False)
    yield opened
    use_theme(browser, dark=False)
    resize(browser, 1280)
