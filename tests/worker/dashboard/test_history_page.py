"""The history in a real browser: a coil that the page has not read is found by its id and by time."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.worker.dashboard.conftest import console, running_page
from tests.worker.dashboard.events import Shown, publish
from tests.worker.dashboard.viewers import text_of, until

pytestmark = pytest.mark.long
OLD = [Shown(n, coil="H-4711", label="pits" if n == 2 else None) for n in range(4)]
NEW = [Shown(n, coil="H-4712") for n in range(3)]


def coils(browser: webdriver.Chrome) -> list[str]:
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#coils tbody th")]


def test_finds_a_coil_by_id_and_time_and_opens_its_report_after_a_restart(
    browser: webdriver.Chrome, embedded_broker: BrokerHandle, shots: Path
) -> None:
    line = Line.on(embedded_broker)
    publish(line, OLD)
    publish(line, NEW)
    with running_page(line, "--history", "2") as address:
        browser.get("about:blank")
        console(browser)
        browser.get(f"{address}history")
        until(browser, lambda: "Kafka has results since" in text_of(browser, "#extent"))
        browser.find_element(By.ID, "coil").send_keys("h-4711")
        browser.find_element(By.ID, "coil").submit()
        until(browser, lambda: coils(browser) == ["H-4711"])
        assert text_of(browser, "#found") == "1 coil found in the results."
        assert browser.current_url.endswith("/history?coil=h-4711")
        soon = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        browser.get(f"{address}history?from={soon}")
        until(browser, lambda: text_of(browser, "#found") == "No coil found.")
        browser.get(f"{address}history?to={soon}")
        until(browser, lambda: coils(browser) == ["H-4712", "H-4711"])
        report = browser.find_element(By.CSS_SELECTOR, "a[aria-label='Report of coil H-4711']").get_attribute("href")
        browser.find_element(By.ID, "compare").click()
        until(browser, lambda: "Times are in the time zone UTC" in text_of(browser, "#shifts-note"))
        browser.save_screenshot(str(shots / "history.png"))
        assert console(browser) == []
    with running_page(line, "--history", "0", port=int(re.findall(r"\d+", address)[-1])):
        assert report
        browser.get(report)
        until(browser, lambda: browser.execute_script("return document.body.dataset.state") == "done")
        assert text_of(browser, "h1") == "Coil H-4711"
        until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#serious canvas[data-state=shown]"))
        assert console(browser) == []
        browser.get("about:blank")
