"""The page in a real browser: its content, its safety, and its use by keyboard."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.worker.dashboard.conftest import chromium, console, running_page
from tests.worker.dashboard.events import HOSTILE, LINE, Shown, publish
from tests.worker.dashboard.viewers import text_of, until

pytestmark = pytest.mark.long


def script(browser: webdriver.Chrome, code: str) -> Any:
    return browser.execute_script(f"return {code}")


def map_label(browser: webdriver.Chrome) -> str:
    """Return the accessible label of the strip map of the line with ordinary names."""
    (label,) = (
        section.find_element(By.TAG_NAME, "canvas").get_attribute("aria-label")
        for section in browser.find_elements(By.CSS_SELECTOR, "#lines > section")
        if LINE in section.text
    )
    return str(label)


@pytest.fixture
def opened(browser: webdriver.Chrome, page: str) -> webdriver.Chrome:
    """The loaded page with all its cards, and empty browser logs."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        console(browser, kind)
    browser.get(page)
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".card")) == 4)
    until(browser, lambda: "3 defects" in map_label(browser))
    until(browser, lambda: script(browser, "[...document.images].every((image) => image.naturalWidth > 0)"))
    return browser


def requested(browser: webdriver.Chrome) -> set[str]:
    messages = [json.loads(entry["message"])["message"] for entry in console(browser, "performance")]
    return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


def test_shows_the_strip_the_defects_and_the_coils(opened: webdriver.Chrome, page: str) -> None:
    until(opened, lambda: text_of(opened, "#status") == "live" or "last frame" in text_of(opened, "#status"))
    assert "coil C1" in text_of(opened, "#lines")
    assert map_label(opened).startswith("Strip map: 3 defects on 1.2 m.")
    coils = text_of(opened, "#coils")
    assert "C1" in coils
    assert "0.2 m" in coils, "the stretch without frames"
    assert text_of(opened, "#cameras").count("top-") == 2
    assert "neu 3" in text_of(opened, "#models")
    assert "CPU" in text_of(opened, "#models")
    assert len(opened.find_elements(By.CSS_SELECTOR, ".card .box")) == 4


def test_requests_no_other_host_and_logs_no_errors(opened: webdriver.Chrome, page: str) -> None:
    until(opened, lambda: script(opened, "performance.getEntriesByType('resource').length") > 8)
    urls = requested(opened)
    assert urls
    assert {url for url in urls if not url.startswith(page)} == set()
    assert console(opened) == []


def test_shows_names_that_contain_html_as_text(opened: webdriver.Chrome) -> None:
    until(opened, lambda: HOSTILE in text_of(opened, "#lines"))
    assert "<script>" in text_of(opened, "#classes")
    assert HOSTILE in script(opened, "document.querySelector('#models').textContent")
    assert f"<b>{HOSTILE}" in script(opened, "document.querySelector('#cameras').textContent")
    assert script(opened, "window.hacked ?? 'no'") == "no"
    assert script(opened, "document.querySelectorAll('img[src=\"x\"], main script, main b, main i').length") == 0


def test_keyboard_can_hide_a_class(opened: webdriver.Chrome) -> None:
    box = opened.find_element(By.XPATH, "//div[@id='classes']//label[contains(., 'scratches')]/input")
    box.send_keys(Keys.SPACE)
    until(opened, lambda: map_label(opened).startswith("Strip map: 1 defect "))
    until(opened, lambda: len(opened.find_elements(By.CSS_SELECTOR, ".card")) == 2)
    opened.find_element(By.ID, "all-classes").send_keys(Keys.ENTER)
    until(opened, lambda: map_label(opened).startswith("Strip map: 3 defects"))


def test_keyboard_moves_between_defects_on_the_map_and_opens_one(opened: webdriver.Chrome) -> None:
    (canvas,) = (
        section.find_element(By.TAG_NAME, "canvas")
        for section in opened.find_elements(By.CSS_SELECTOR, "#lines > section")
        if LINE in section.text
    )
    canvas.send_keys(Keys.ARROW_RIGHT)
    said = "pits at 0.25 m to 0.35 m, camera top-1, score 90.0 %"
    until(opened, lambda: said in text_of(opened, "#lines"))
    canvas.send_keys(Keys.ENTER)
    until(opened, lambda: opened.find_element(By.ID, "detail").is_displayed())
    facts = text_of(opened, "#detail-facts")
    assert "0.250 m to 0.350 m" in facts
    assert "C1" in facts
    opened.find_element(By.ID, "detail").send_keys(Keys.ESCAPE)
    until(opened, lambda: not opened.find_element(By.ID, "detail").is_displayed())


def colour(browser: webdriver.Chrome, css: str) -> list[int]:
    """Return the RGB values in the middle of a picture."""
    return list(
        browser.execute_script(
            """const image = document.querySelector(arguments[0]), canvas = document.createElement("canvas");
            const pen = canvas.getContext("2d");
            pen.drawImage(image, -image.naturalWidth / 2, -image.naturalHeight / 2);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);""",
            css,
        )
    )


def loaded(browser: webdriver.Chrome, css: str) -> Any:
    return until(browser, lambda: script(browser, f"document.querySelector('{css}')?.naturalWidth > 0"))


def test_enlarged_view_shows_the_evidence_image_without_a_second_box(opened: webdriver.Chrome) -> None:
    """Boxes over those of the worker would cut their labels."""
    sources = [img.get_attribute("src") or "" for img in opened.find_elements(By.CSS_SELECTOR, ".card img")]
    assert ["/frames/" in source for source in sources] == [True] * 4
    opened.find_element(By.CSS_SELECTOR, ".card[aria-label*='0.85 m']").click()
    loaded(opened, "#detail-picture img")
    assert colour(opened, "#detail-picture img")[0] > 200, "evidence is red"
    assert opened.find_elements(By.CSS_SELECTOR, "#detail-picture .box") == [], "the boxes are drawn into the picture"
    assert "drawn by the worker" in text_of(opened, "#detail-facts")
    plain = opened.find_element(By.ID, "plain")
    plain.send_keys(Keys.ENTER)
    until(opened, lambda: len(opened.find_elements(By.CSS_SELECTOR, "#detail-picture .box")) == 1)
    loaded(opened, "#detail-picture img")
    assert len(set(colour(opened, "#detail-picture img"))) == 1, "the frame is grey"
    plain.send_keys(Keys.ENTER)
    until(opened, lambda: not opened.find_elements(By.CSS_SELECTOR, "#detail-picture .box"))
    opened.find_element(By.ID, "detail").send_keys(Keys.ESCAPE)
    assert console(opened) == []


def test_enlarged_view_shows_the_frame_while_the_evidence_image_is_missing(
    browser: webdriver.Chrome, embedded_broker: BrokerHandle
) -> None:
    line = Line.on(embedded_broker)
    publish(line, [Shown(0, label="late", evidence=True)])
    with running_page(line) as address:
        browser.get("about:blank")
        console(browser)
        browser.get(address)
        loaded(browser, ".card img")
        browser.find_element(By.CSS_SELECTOR, ".card").click()
        loaded(browser, '#detail-picture img[src*="/frames/"]')
        until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#detail-picture .box"))
        assert console(browser) == []
        browser.get("about:blank")


def test_every_control_has_an_accessible_name(opened: webdriver.Chrome) -> None:
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "link", "checkbox", "img", "table", "image"}
    nameless = [
        node
        for node in tree
        if not node.get("ignored")
        and node.get("role", {}).get("value") in roles - {"table"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []


def test_shows_the_report_of_a_coil(opened: webdriver.Chrome, page: str, shots: Path) -> None:
    opened.find_element(By.CSS_SELECTOR, "#coils a[aria-label='Report of coil C1']").click()
    until(opened, lambda: text_of(opened, "h1") == "Coil C1")
    until(opened, lambda: script(opened, "document.body.dataset.state") == "done")
    assert "1.200 m" in text_of(opened, "#facts")
    assert "scratches" in text_of(opened, "#classes")
    assert len(opened.find_elements(By.CSS_SELECTOR, "#defects tbody tr")) == 3
    opened.save_screenshot(str(shots / "report.png"))
    assert console(opened) == []
    opened.get(f"{page}report?coil=none")
    until(opened, lambda: "No report available: the coil none is not on Kafka" in text_of(opened, "#loading"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_a_laptop_and_a_wall_display(page: str, shots: Path, dark: bool) -> None:
    with chromium(dark) as chrome:
        chrome.get(page)
        until(chrome, lambda: len(chrome.find_elements(By.CSS_SELECTOR, ".card")) == 4)
        for width, height in ((1280, 800), (1920, 1080)):
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert script(chrome, "innerWidth") == width
            assert script(chrome, "document.documentElement.scrollWidth <= innerWidth"), (
                "the page does not scroll sideways"
            )
            chrome.save_screenshot(str(shots / f"{'dark' if dark else 'light'}-{width}.png"))
        ground = script(chrome, "getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark


def test_serves_the_coils_as_json_and_csv(page: str) -> None:
    with urllib.request.urlopen(f"{page}coils.csv") as answer:
        lines = answer.read().decode().splitlines()
    assert lines[0].startswith("line,coil,ended")
    assert len(lines) == 3
    with urllib.request.urlopen(f"{page}coils.json") as answer:
        coils = json.load(answer)
    assert {coil["coil"] for coil in coils} == {"C1", HOSTILE}
    (c1,) = (coil for coil in coils if coil["coil"] == "C1")
    assert (c1["frames"], c1["defects"]) == (
        {"inspected": 8, "skipped": 0, "rejected": 1},
        {"pits": 1, "scratches": 2},
    )
