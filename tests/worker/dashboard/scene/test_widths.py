"""The live page with a busy installation fits a phone, a laptop and a wall display."""

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.worker.dashboard.scene.conftest import Opened
from tests.worker.dashboard.scene.measures import (
    broken_images,
    columns_shown,
    run,
    scrolled_sideways,
    texts_cut_off,
    width_beyond_page,
)
from tests.worker.dashboard.scene.serve import Shown
from tests.worker.dashboard.scene.shots import SIZES, await_pictures, open_live_page, open_report, resize
from tests.worker.dashboard.scene.story import RUNNING, STOPPED, UNSCALED_CAMERA
from tests.worker.dashboard.viewers import text_of, until

WIDTHS = list(SIZES)
CAMERA_COLUMNS = {"Camera", "Last frame", "Frames", "With defects", "Unsure", "Rejected", "Skipped"}
COIL_COLUMNS = {"Coil", "State", "Length", "Not covered", "Rejected", "Skipped", "Defects", "By class"}


@pytest.mark.parametrize("width", WIDTHS)
def test_shows_everything_within_the_width(live_page: Opened, width: int) -> None:
    browser = live_page(width)
    assert width_beyond_page(browser) == 0
    assert scrolled_sideways(browser) == []
    assert texts_cut_off(browser) == []
    assert broken_images(browser) == []
    assert set(columns_shown(browser, "cameras")) >= CAMERA_COLUMNS
    assert set(columns_shown(browser, "coils")) >= COIL_COLUMNS


@pytest.mark.parametrize(("width", "height"), [(640, 400), (320, 256)], ids=["200 %", "400 %"])
def test_reflows_when_it_is_enlarged(live_page: Opened, width: int, height: int) -> None:
    """A laptop of 1280 x 800 px at a zoom of 200 %, and the smallest size of WCAG 1.4.10."""
    browser = live_page(1280)
    resize(browser, width, height)
    assert width_beyond_page(browser) == 0
    assert scrolled_sideways(browser) == []
    assert texts_cut_off(browser) == []
    assert run(browser, "return getComputedStyle(document.querySelector('header')).position") == "static"


@pytest.mark.parametrize("width", WIDTHS)
def test_enlarged_defect_fits(live_page: Opened, width: int) -> None:
    browser = live_page(width)
    browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])").click()
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#detail-picture [data-state=shown]"))
    pane = browser.find_element(By.CSS_SELECTOR, "#detail-picture .pane").rect
    assert pane["width"] / pane["height"] == pytest.approx(1600 / 256, rel=0.02), "no bars around the picture"
    assert (width_beyond_page(browser), texts_cut_off(browser), scrolled_sideways(browser)) == (0, [], [])


@pytest.mark.parametrize("width", WIDTHS)
def test_report_fits(browser: webdriver.Chrome, scene: Shown, live_page: Opened, width: int) -> None:
    resize(browser, width)
    for row in scene.history.state()["running"]:
        open_report(browser, scene.address, row["id"])
        assert (width_beyond_page(browser), texts_cut_off(browser)) == (0, [])


@pytest.mark.parametrize("width", WIDTHS)
def test_history_fits(browser: webdriver.Chrome, scene: Shown, live_page: Opened, width: int) -> None:
    resize(browser, width)
    browser.get(f"{scene.address}history")
    until(browser, lambda: "Kafka has results since" in text_of(browser, "header"))
    assert (width_beyond_page(browser), texts_cut_off(browser), scrolled_sideways(browser)) == (0, [], [])


def titles(browser: webdriver.Chrome) -> list[str]:
    return [title.text for title in browser.find_elements(By.CSS_SELECTOR, "#lines h2")]


def test_running_lines_come_before_a_stopped_one_and_lines_do_not_jump(live_page: Opened, scene: Shown) -> None:
    browser = live_page(1280)
    expected = [f"{RUNNING} · coil H-2027-004711", "Unnamed line and coil", f"{STOPPED} · coil L1-20418"]
    assert titles(browser) == expected
    assert text_of(browser, "#lines > section:nth-child(3) .stop") == "stopped 14 min ago"
    headings = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#cameras tr.group")]
    assert headings == [RUNNING, "Unnamed line", f"{STOPPED} · stopped 14 min ago"]


def test_lines_stay_in_place_while_one_of_them_is_used(live_page: Opened, scene: Shown) -> None:
    browser = live_page(1280)
    pointer = {
        "type": "mouseMoved",
        "x": 1,
        "y": 1,
    }  # another test may have left it on the lines, which are then in use
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", pointer)
    before = titles(browser)
    move = "const list = document.getElementById('lines'); list.prepend(list.lastElementChild);"
    run(browser, f"{move} list.querySelector('canvas').focus()")  # as if the order had changed after that
    moved = titles(browser)
    assert moved != before
    scene.clock.now_s += 1
    try:
        until(browser, lambda: "46 s ago" in text_of(browser, "#cameras"))
        assert titles(browser) == moved
        run(browser, "document.activeElement.blur()")
        until(browser, lambda: titles(browser) == before)
    finally:
        scene.clock.now_s -= 1


def test_names_the_setting_without_which_a_lane_is_unknown(live_page: Opened) -> None:
    browser = live_page(390)
    section = browser.find_element(By.CSS_SELECTOR, "#lines > section:nth-child(2)")
    assert f"Set cameras.{UNSCALED_CAMERA}.mm_per_px in the settings" in section.text
    assert "inspected, but the part of the strip is unknown" in section.text
    other = browser.find_element(By.CSS_SELECTOR, "#lines > section:nth-child(1)")
    assert "mm_per_px" not in other.text


def test_every_count_states_since_when(live_page: Opened, scene: Shown) -> None:
    browser = live_page(1280)
    clock = run(
        browser,
        "return new Date(arguments[0]).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })",
        scene.history.state()["since_ms"],
    )
    shown = [element.text for element in browser.find_elements(By.CSS_SELECTOR, "[data-since]")]
    assert shown == [f"since {clock}"] * len(shown)
    for css in ("header .counted", "section:has(#classes)", "section:has(#models)", "section:has(#cameras)"):
        assert f"since {clock}" in text_of(browser, css)


def test_a_picture_has_its_place_before_it_arrives(live_page: Opened, scene: Shown) -> None:
    """No broken-image symbol while it loads, and nothing moves when it arrives."""
    browser = live_page(1280)
    browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})  # another test may have shown them
    scene.pictures.arriving.clear()
    try:
        browser.find_element(By.XPATH, "//div[@id='classes']//label[contains(., 'scratch')]/input").click()
        until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".card [data-state=loading] img"))
        seen = "[...document.querySelectorAll('[data-state=loading] img')].map((i) => getComputedStyle(i).visibility)"
        assert set(run(browser, f"return {seen}")) == {"hidden"}
        assert (broken_images(browser), texts_cut_off(browser)) == ([], [])
        before = sizes(browser)
    finally:
        scene.pictures.arriving.set()
        browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    await_pictures(browser)
    assert sizes(browser) == before


def sizes(browser: webdriver.Chrome) -> list[list[float]]:
    code = "return [...document.querySelectorAll('.card')].map((c) => [c.offsetTop, c.offsetWidth, c.offsetHeight])"
    return list(run(browser, code))


def test_a_picture_that_is_gone_leaves_a_sentence(live_page: Opened) -> None:
    browser = live_page(1280)
    gone = browser.find_elements(By.CSS_SELECTOR, ".card [data-state=gone]")
    assert gone
    assert {one.text for one in gone} == {"No picture: the frame is no longer on Kafka, or cannot be decoded."}
    assert run(browser, "return document.querySelectorAll('[data-state=gone] img').length") == 0


def test_boxes_of_the_page_lie_on_plain_frames_only(live_page: Opened) -> None:
    """The worker's evidence image has boxes with labels, which a second box would cut."""
    browser = live_page(1280)
    open_live_page(browser, browser.current_url)
    boxed = run(
        browser,
        "return [...document.querySelectorAll('.card:not(:has(.novel)) [data-state=shown]')].map((frame) => "
        "[frame.querySelector('img').src.includes('/frames/'), frame.querySelectorAll('.box').length > 0])",
    )
    assert [True, True] in boxed
    assert [False, False] in boxed, "a frame is gone, and its evidence image is shown"
    assert {tuple(pair) for pair in boxed} == {(True, True), (False, False)}


def test_square_pictures_fill_their_area(live_page: Opened) -> None:
    browser = live_page(1280)
    for width, height in run(
        browser,
        "return [...document.querySelectorAll('.frame[data-state=shown]')].map((frame) => { "
        "const pane = frame.querySelector('.pane').getBoundingClientRect(), image = frame.querySelector('img'); "
        "return [pane.width / pane.height, image.naturalWidth / image.naturalHeight]; })",
    ):
        assert width == pytest.approx(height, rel=0.03)
