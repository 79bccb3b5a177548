"""The printed report of a coil of 2,000 m with 3,000 defects, and of one without a scale."""

import base64
import re

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.worker.dashboard.conftest import console
from tests.worker.dashboard.scene.serve import Shown
from tests.worker.dashboard.scene.shots import await_pictures, resize
from tests.worker.dashboard.viewers import text_of, until

pytestmark = pytest.mark.long
PARTS = {"state", "facts", "map", "classes", "coverage", "models", "serious", "sign"}


def open_complete(browser: webdriver.Chrome, scene: Shown, line: str | None) -> None:
    """Open the report of the running coil of a line, and wait until Kafka was read."""
    (row,) = (row for row in scene.history.state()["running"] if row["line"] == line)
    resize(browser, 1280)
    browser.get("about:blank")
    console(browser)
    browser.get(f"{scene.address}report?id={row['id']}")
    until(browser, lambda: browser.execute_script("return document.body.dataset.state") == "done")
    await_pictures(browser)


def pages(browser: webdriver.Chrome) -> int:
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(pdf["data"])))


def cut_off(browser: webdriver.Chrome) -> list[str]:
    """Return the parts of the first page that do not fit on A4 when it is printed."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    resize(browser, 711, 1123)  # A4 without its margins, at 96 px per inch
    found: list[str] = browser.execute_script(
        """const end = document.querySelector("#front").getBoundingClientRect().bottom + 1;
        return [...document.querySelectorAll("#front *")].filter((part) => part.getBoundingClientRect().bottom > end)
            .map((part) => part.id || part.className || part.tagName);"""
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    return found


def test_first_page_has_what_decides_about_the_coil_and_the_list_is_short(
    browser: webdriver.Chrome, scene: Shown
) -> None:
    open_complete(browser, scene, "/plant/hot-rolling/line-2")
    front = browser.find_element(By.ID, "front")
    found = {part for part in PARTS if front.find_elements(By.CSS_SELECTOR, f"#{part}, .{part}")}
    assert found == PARTS
    assert len(browser.find_elements(By.CSS_SELECTOR, "#serious li")) == 10
    assert "hot-strip-defects 2026.11.2" in text_of(browser, "#models")
    until(
        browser,
        lambda: len(browser.find_elements(By.CSS_SELECTOR, "#serious .gone, #serious [data-state=shown]")) == 10,
    )
    assert "added up by stretches" in text_of(browser, "#defects-note")
    assert cut_off(browser) == []
    assert 2 <= pages(browser) <= 4
    assert [entry for entry in console(browser) if "/report/" not in entry["message"]] == []


def test_report_without_a_scale_names_the_missing_setting(browser: webdriver.Chrome, scene: Shown) -> None:
    open_complete(browser, scene, None)
    assert "the setting cameras.ID.mm_per_px is missing for pickling-entry-1" in text_of(browser, "#notes")
    assert cut_off(browser) == []
    assert pages(browser) <= 3
