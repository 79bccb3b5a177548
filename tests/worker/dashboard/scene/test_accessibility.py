"""axe-core finds nothing wrong on the page, in light and dark and on a phone, and system settings are respected."""

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.worker.dashboard.scene import axe
from tests.worker.dashboard.scene.conftest import Opened
from tests.worker.dashboard.scene.measures import run, width_beyond_page
from tests.worker.dashboard.scene.serve import Shown
from tests.worker.dashboard.scene.shots import open_report, use_theme
from tests.worker.dashboard.scene.story import STOPPED
from tests.worker.dashboard.viewers import text_of, until

pytestmark = pytest.mark.long

# What axe-core cannot decide, and what a person found instead.
CHECKED_BY_HAND = {"th-has-data-cells": "the heading of a group of rows spans all columns, and the rows follow it"}
CONTRAST = "color-contrast"
THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


def assert_nothing_found(browser: webdriver.Chrome, *elsewhere: str) -> None:
    """Check the page. elsewhere: rules that are checked in another way if axe-core cannot decide them."""
    found = axe.check(browser)
    assert found.violations == []
    undecided = found.incomplete.keys() - CHECKED_BY_HAND.keys() - set(elsewhere)
    assert {rule: found.incomplete[rule] for rule in undecided} == {}


def assert_nothing_found_in_dialog(browser: webdriver.Chrome) -> None:
    """Check the page with an open dialog, and the contrast without the page behind it, which confuses axe-core."""
    assert_nothing_found(browser, CONTRAST)
    behind = "document.querySelectorAll('body > :not(dialog)')"
    run(browser, f"for (const part of {behind}) part.style.visibility = 'hidden'")
    found = axe.check(browser, [CONTRAST])
    assert (found.violations, found.incomplete) == ([], {})
    run(browser, f"for (const part of {behind}) part.style.visibility = ''")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_live_page_has_no_violations(live_page: Opened, width: int, dark: bool) -> None:
    browser = live_page(width)
    use_theme(browser, dark)
    assert_nothing_found(browser)


@THEMES
def test_enlarged_defect_has_no_violations(live_page: Opened, dark: bool) -> None:
    browser = live_page(1280)
    use_theme(browser, dark)
    browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])").click()
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#detail-picture [data-state=shown]"))
    assert_nothing_found_in_dialog(browser)


def test_correction_and_sign_in_have_no_violations(live_page: Opened) -> None:
    browser = live_page(390)
    browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])").click()
    until(browser, lambda: browser.find_element(By.ID, "correct-controls").is_displayed())
    assert_nothing_found_in_dialog(browser)
    browser.find_element(By.ID, "correct-none").click()
    until(browser, lambda: browser.find_element(By.ID, "sign-in").is_displayed())
    assert_nothing_found_in_dialog(browser)


@THEMES
def test_a_novel_frame_has_no_violations(live_page: Opened, dark: bool) -> None:
    browser = live_page(1280)
    use_theme(browser, dark)
    browser.find_element(By.CSS_SELECTOR, ".card:has(.novel):has([data-state=shown])").click()
    until(browser, lambda: browser.find_element(By.ID, "correct-controls").is_displayed())
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#detail-picture [data-state=shown]"))
    assert_nothing_found_in_dialog(browser)


@THEMES
def test_health_and_rejects_have_no_violations(live_page: Opened, dark: bool) -> None:
    browser = live_page(1280)
    use_theme(browser, dark)
    browser.find_element(By.CSS_SELECTOR, "#rejects > summary").click()
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#reject-list > li"))
    browser.find_element(By.CSS_SELECTOR, "#cameras .health[data-kind=bad]").click()
    until(browser, lambda: browser.find_element(By.ID, "camera").is_displayed())
    assert_nothing_found_in_dialog(browser)
    browser.find_element(By.ID, "camera-close").click()
    assert_nothing_found(browser)


@THEMES
def test_report_has_no_violations(live_page: Opened, scene: Shown, dark: bool) -> None:
    browser = live_page(1280)
    use_theme(browser, dark)
    coil = next(row["id"] for row in scene.history.ended_rows() if row["line"] == STOPPED)  # a long list takes minutes
    open_report(browser, scene.address, coil)
    assert_nothing_found(browser)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_history_has_no_violations(live_page: Opened, scene: Shown, width: int, dark: bool) -> None:
    browser = live_page(width)
    use_theme(browser, dark)
    browser.get(f"{scene.address}history?coil=l1-20418")
    until(browser, lambda: "1 coil found" in text_of(browser, "#found"))
    browser.find_element(By.ID, "compare").click()
    until(browser, lambda: "Times are in the time zone" in text_of(browser, "#shifts-note"))
    assert width_beyond_page(browser) == 0
    # axe-core cannot decide about text in SVG. The chart has the colours of notes, and the table has its figures.
    run(browser, "document.querySelector('#chart').hidden = true")
    assert_nothing_found(browser)


def test_nothing_moves_if_the_system_asks_for_that(live_page: Opened) -> None:
    browser = live_page(1280)
    use_theme(browser, dark=False, **{"prefers-reduced-motion": "reduce"})
    assert run(browser, "return document.getAnimations().map((one) => one.animationName ?? one.id)") == []


def test_colours_with_a_meaning_stay_with_forced_colours(live_page: Opened) -> None:
    browser = live_page(1280)
    use_theme(browser, dark=True, **{"forced-colors": "active"})
    swatches = "[...document.querySelectorAll('#classes .swatch')].map((s) => getComputedStyle(s).backgroundColor)"
    assert run(browser, f"return new Set({swatches}).size") == 7, "six classes and novel frames"
    inks = """
        const canvas = document.querySelector("#lines canvas"), pen = canvas.getContext("2d");
        const data = pen.getImageData(0, 0, canvas.width, canvas.height).data, inks = new Set();
        for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) inks.add(data.slice(at, at + 3).join());
        return inks.size;"""
    assert run(browser, inks) > 6, "the map keeps the colours of the classes"
