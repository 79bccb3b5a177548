"""A person corrects a defect in a real browser, with the keyboard only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.worker.dashboard.conftest import chromium, console, running_page
from tests.worker.dashboard.correcting import (
    TOKEN,
    corrector_on,
    history_of,
    publish_results,
    send_frames,
    settings_for,
    token_file,
)
from tests.worker.dashboard.viewers import text_of, until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def line(embedded_broker: BrokerHandle) -> Line:
    line = Line.on(embedded_broker, partitions=1)
    publish_results(line, send_frames(line, 2))
    return line


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return "--set", f"view.token_file={token_file(tmp_path_factory.mktemp('tokens'), TOKEN)}"


@pytest.fixture
def opened(line: Line, arguments: tuple[str, ...]) -> Iterator[webdriver.Chrome]:
    """The page in a browser of its own, so that nobody is signed in."""
    with running_page(line, *arguments) as address, chromium() as chrome:
        chrome.get(address)
        until(chrome, lambda: len(chrome.find_elements(By.CSS_SELECTOR, ".card")) == 2)
        yield chrome


def press(browser: webdriver.Chrome, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


def focus(browser: webdriver.Chrome, css: str) -> None:
    """Reach an element by pressing Tab, as somebody without a mouse does."""
    for _ in range(60):
        if browser.switch_to.active_element == browser.find_element(By.CSS_SELECTOR, css):
            return
        press(browser, Keys.TAB)
    raise AssertionError(f"{css} cannot be reached with Tab")


def open_first(browser: webdriver.Chrome) -> None:
    browser.find_elements(By.CSS_SELECTOR, ".card")[0].send_keys(Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "correct-controls").is_displayed())


def test_a_keyboard_user_signs_in_corrects_and_changes_the_decision(
    opened: webdriver.Chrome, line: Line, shots: Path
) -> None:
    open_first(opened)
    assert text_of(opened, "#correct-confirm") == "It is pits"
    focus(opened, "#correct-none")
    press(opened, Keys.ENTER)
    until(opened, lambda: opened.find_element(By.ID, "sign-in").is_displayed())
    opened.find_element(By.ID, "sign-in-name").send_keys("Ada Müller", Keys.TAB, "wrong-token-12345", Keys.ENTER)
    until(opened, lambda: "wrong" in text_of(opened, "#sign-in-problem"))
    field = opened.find_element(By.ID, "sign-in-token")
    field.clear()
    field.send_keys(TOKEN, Keys.ENTER)
    until(opened, lambda: "Corrected to no defect by Ada Müller" in text_of(opened, "#decision"))
    opened.save_screenshot(str(shots / "corrected.png"))
    focus(opened, "#correct-label")
    press(opened, Keys.ARROW_DOWN)
    assert text_of(opened, "#decision").startswith("Corrected to no defect"), "the arrow key keeps the card"
    focus(opened, "#correct-save")
    press(opened, Keys.ENTER)
    until(opened, lambda: "Corrected to scratches by Ada Müller" in text_of(opened, "#decision"))
    assert text_of(opened, "#correct-problem") == ""
    press(opened, Keys.ESCAPE)
    until(opened, lambda: not opened.find_element(By.ID, "detail").is_displayed())
    marks = [mark.text for mark in opened.find_elements(By.CSS_SELECTOR, ".corrected")]
    assert sorted(filter(None, marks)) == ["Corrected to scratches by Ada Müller"]
    assert [entry for entry in console(opened) if "401" not in entry["message"]] == []
    decisions = [record.headers["stripwatch_correction"] for record in line.read_all("review")]
    assert decisions == [b"not_a_defect", b"relabelled"]


def test_a_restarted_page_shows_the_corrections_on_kafka(
    browser: webdriver.Chrome, embedded_broker: BrokerHandle, arguments: tuple[str, ...]
) -> None:
    line = Line.on(embedded_broker, partitions=1)
    made = send_frames(line, 1)
    publish_results(line, made)
    history = history_of(made)
    with corrector_on(settings_for(line), history) as corrector:
        corrector.correct(history.cards_after(0)[0].picture, "relabelled", "scratches", "Bob")
    with running_page(line, *arguments) as address:
        browser.get(address)
        until(browser, lambda: "Corrected to scratches by Bob" in text_of(browser, "#cards"))
        browser.get("about:blank")


def test_without_anybody_who_may_write_the_page_has_no_dead_buttons(line: Line) -> None:
    with running_page(line) as address, chromium() as chrome:
        chrome.get(address)
        until(chrome, lambda: len(chrome.find_elements(By.CSS_SELECTOR, ".card")) == 2)
        chrome.find_elements(By.CSS_SELECTOR, ".card")[0].send_keys(Keys.ENTER)
        until(chrome, lambda: chrome.find_element(By.ID, "detail").is_displayed())
        assert not chrome.find_element(By.ID, "correct").is_displayed()
        assert not chrome.find_element(By.ID, "sign-in-button").is_displayed()
        assert console(chrome) == []
