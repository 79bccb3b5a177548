"""The health of the cameras and the rejected frames, in a real browser."""

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.worker.dashboard.scene.camera_states import FORGOTTEN_CAMERA
from tests.worker.dashboard.scene.conftest import Opened
from tests.worker.dashboard.scene.measures import (
    broken_images,
    run,
    texts_cut_off,
    width_beyond_page,
)
from tests.worker.dashboard.scene.shots import SIZES
from tests.worker.dashboard.scene.story import REJECTING_CAMERA, SILENT_CAMERA, UNSCALED_CAMERA
from tests.worker.dashboard.viewers import text_of, until


def health(browser: webdriver.Chrome) -> dict[str, tuple[str, str]]:
    """Return the text and the kind of the health of each camera."""
    rows = run(
        browser,
        "return [...document.querySelectorAll('#cameras tr:has(.health)')].map((row) => "
        "[row.cells[0].textContent, row.querySelector('.health').textContent, "
        "row.querySelector('.health').dataset.kind])",
    )
    return {camera: (text, kind) for camera, text, kind in rows}


def test_shows_the_health_of_each_camera_in_words_and_colours(live_page: Opened) -> None:
    found = health(live_page(1280))
    assert found["top-1"] == ("ok", "good")
    assert found["top-2"][0].startswith("frozen since ")
    assert found["top-2"][0].endswith(", dark")
    assert [found[camera][1] for camera in ("top-2", SILENT_CAMERA, REJECTING_CAMERA, "bottom-1")] == [
        *("bad", "bad", "bad"),
        "warn",
    ]
    assert found[FORGOTTEN_CAMERA] == ("unknown, last heard 3 min ago", "unknown")
    assert found[UNSCALED_CAMERA] == ("not known", "unknown"), "no worker reports it"


@pytest.mark.parametrize("width", SIZES)
def test_a_line_names_its_faulty_cameras_next_to_its_state(live_page: Opened, width: int) -> None:
    browser = live_page(width)
    faults = [each for each in browser.find_elements(By.CSS_SELECTOR, "#lines a[href='#cameras-title']") if each.text]
    named = " ".join(each.text for each in faults)
    assert "top-2 frozen" in named
    assert "top-1" not in named
    assert [each.get_attribute("data-kind") for each in faults] == ["bad"] * len(faults)
    assert (width_beyond_page(browser), texts_cut_off(browser)) == (0, [])


def test_a_click_or_enter_says_what_to_do(live_page: Opened) -> None:
    browser = live_page(1280)
    button = browser.find_element(By.XPATH, "//table[@id='cameras']//tr[th='top-2']//button")
    button.send_keys(Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "camera").is_displayed())
    assert text_of(browser, "#camera-title") == "Camera top-2"
    assert text_of(browser, "#camera-advice").startswith("Restart the sender, then the camera.")
    facts = text_of(browser, "#camera-facts")
    assert "118 (-0.3 standard deviations from training)" in facts
    assert "line-2-host-1-0" in facts
    browser.find_element(By.ID, "camera").send_keys(Keys.ESCAPE)
    until(browser, lambda: not browser.find_element(By.ID, "camera").is_displayed())


@pytest.mark.parametrize("width", SIZES)
def test_lists_rejected_frames_with_reasons_and_pictures(live_page: Opened, width: int) -> None:
    browser = live_page(width)
    browser.find_element(By.CSS_SELECTOR, "#rejects > summary").click()
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#reject-list > li")) == 24)
    browser.execute_script(
        "for (const image of document.querySelectorAll('#reject-list img')) image.loading = 'eager';"
    )
    until(
        browser,
        lambda: run(browser, "return [...document.querySelectorAll('#reject-list img')].every((i) => i.complete)"),
    )
    texts = [item.text for item in browser.find_elements(By.CSS_SELECTOR, "#reject-list > li")]
    assert all("The record has no value." in text or "The image" in text for text in texts)
    assert {"No picture: the bytes of the frame were not kept." in text for text in texts} == {True, False}
    assert any("cannot be decoded" in text for text in texts)
    shown = run(browser, "return [...document.querySelectorAll('#reject-list img')].map((i) => i.naturalWidth)")
    assert shown
    assert set(shown) == {320}, "the part of a truncated file that can be decoded"
    assert (width_beyond_page(browser), broken_images(browser), texts_cut_off(browser)) == (0, [], [])


def test_a_card_and_the_enlarged_view_say_where_on_the_strip_a_defect_is(live_page: Opened) -> None:
    browser = live_page(1280)
    card = browser.find_element(
        By.XPATH, "//button[contains(@class, 'card')][contains(., 'top-') or contains(., 'mill')]"
    )
    assert " from the " in card.text
    assert " wide" in card.text
    card.click()
    until(browser, lambda: browser.find_element(By.ID, "detail").is_displayed())
    facts = dict(
        zip(
            text_of(browser, "#detail-facts").split("\n")[::2],
            text_of(browser, "#detail-facts").split("\n")[1::2],
            strict=False,
        )
    )
    assert facts["Side"] in ("top", "bottom")
    assert facts["Width"].endswith(" mm")
    assert facts["From the edge"].endswith((" mm from the left edge", " mm from the right edge"))
    assert facts["Strip position"].endswith("in the middle")
    assert facts["From the tail"] == "known when the coil has ended"


def test_a_missing_setting_is_named_where_the_position_is_not_known(live_page: Opened) -> None:
    browser = live_page(1280)
    browser.execute_script("document.activeElement.blur()")
    canvas = browser.find_element(By.XPATH, "//*[@id='lines']/section[contains(., 'Unnamed line')]//canvas")
    canvas.send_keys(Keys.END, Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "detail").is_displayed())
    facts = text_of(browser, "#detail-facts")
    assert f"set cameras.{UNSCALED_CAMERA}.mm_per_px" in facts
    assert f"set cameras.{UNSCALED_CAMERA}.side" in facts


def test_shows_the_speed_of_a_running_line_and_the_mean_of_an_ended_coil(live_page: Opened) -> None:
    browser = live_page(1280)
    assert "5.00 m/s" in text_of(browser, "#lines > section")
    assert "running, 5.00 m/s" in text_of(browser, "#coils")
    assert "ended, mean 5." in text_of(browser, "#coils")
