"""Novel frames are marked in the list, on the map, in the enlarged view and in the tables, in a real browser."""

import re

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.worker.dashboard.scene.conftest import Opened
from tests.worker.dashboard.scene.measures import (
    columns_shown,
    run,
    scrolled_sideways,
    texts_cut_off,
    width_beyond_page,
)
from tests.worker.dashboard.scene.serve import Shown
from tests.worker.dashboard.scene.shots import SIZES, await_pictures, open_report
from tests.worker.dashboard.scene.story import NOVEL_CAMERA, RUNNING
from tests.worker.dashboard.viewers import text_of, until

_KEEP_NOVEL = """
for (const row of document.querySelectorAll("#classes label")) {
  if (!row.textContent.startsWith("novel frame")) row.querySelector("input").click();
}
"""


def keep_novel(browser: webdriver.Chrome) -> None:
    """Show only novel frames, by the filter of classes."""
    run(browser, _KEEP_NOVEL)
    cards = "[...document.querySelectorAll('.card')]"
    until(
        browser, lambda: run(browser, f"return {cards}.length > 0 && {cards}.every((c) => c.querySelector('.novel'))")
    )
    await_pictures(browser)


def open_novel(browser: webdriver.Chrome) -> None:
    keep_novel(browser)
    browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])").click()
    until(browser, lambda: browser.find_element(By.ID, "correct-controls").is_displayed())


def test_a_card_of_a_novel_frame_names_no_class_as_certain(live_page: Opened) -> None:
    browser = live_page(1280)
    keep_novel(browser)
    card = browser.find_element(By.CSS_SELECTOR, ".card")
    lines = card.text.split("\n")
    assert lines[:2] == ["novel", "most like patch"]
    assert lines[-1].endswith("2.4 times the threshold")
    assert (card.get_attribute("aria-label") or "").startswith(
        "novel frame, most like patch, 2.4 times the threshold, "
    )


def test_the_enlarged_view_states_score_threshold_and_nearest_class(live_page: Opened) -> None:
    browser = live_page(1280)
    open_novel(browser)
    assert text_of(browser, "#detail-title") == "Novel frame"
    assert text_of(browser, "#correct-title") == "What does the frame show?"
    facts = text_of(browser, "#detail-facts")
    assert "patch (97.3 %); the model was not trained on such frames" in facts
    assert "8.31, above the threshold 3.5" in facts


def test_the_map_marks_novel_frames_and_says_what_they_are(live_page: Opened) -> None:
    browser = live_page(1280)
    label = run(browser, "return document.querySelector('#lines canvas').getAttribute('aria-label')")
    assert re.search(r" defects on 2000\.0 m, [78]\d novel\. ", label), "the map has the last 3,000 marks"
    keep_novel(browser)
    canvas = browser.find_element(By.CSS_SELECTOR, "#lines canvas")
    canvas.send_keys(Keys.END)
    until(browser, lambda: "novel frame at 1992.00 m to 1994.00 m" in text_of(browser, "#lines"))
    assert f"camera {NOVEL_CAMERA}, 2.4 times the threshold" in text_of(browser, "#lines")
    assert "novel: the model was not trained on such frames" in text_of(browser, "#lines .legend")
    canvas.send_keys(Keys.ENTER)
    until(browser, lambda: text_of(browser, "#detail-title") == "Novel frame")


def test_counts_are_in_the_header_and_the_tables(live_page: Opened) -> None:
    browser = live_page(1280)
    assert "83\nnovel" in text_of(browser, "#counts") or "novel\n83" in text_of(browser, "#counts")
    row = browser.find_element(By.XPATH, f"//table[@id='cameras']//tr[th='{NOVEL_CAMERA}']")
    assert "novel since" in row.text
    assert row.find_element(By.CSS_SELECTOR, "td[data-label=Novel]").text == "83"
    assert "Novel" in columns_shown(browser, "coils")


def test_the_health_of_a_camera_compares_its_novel_frames_with_the_expected_share(live_page: Opened) -> None:
    browser = live_page(1280)
    browser.find_element(By.XPATH, f"//table[@id='cameras']//tr[th='{NOVEL_CAMERA}']//button").send_keys(Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "camera").is_displayed())
    assert text_of(browser, "#camera-advice").startswith("See its novel frames in the list of defects")
    assert "125 of 1,500 frames (1 % expected)" in text_of(browser, "#camera-facts")


def test_a_person_types_the_name_of_a_new_kind_without_leaving_the_frame(live_page: Opened) -> None:
    browser = live_page(1280)
    open_novel(browser)
    event = text_of(browser, "#detail-facts")
    field, save = (browser.find_element(By.ID, name) for name in ("correct-kind", "correct-save-kind"))
    assert not save.is_enabled()
    field.send_keys("oil stain", Keys.ARROW_LEFT, Keys.ARROW_LEFT, "-")
    assert field.get_attribute("value") == "oil sta-in"
    assert text_of(browser, "#detail-facts") == event
    assert save.is_enabled()
    field.send_keys(Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "sign-in").is_displayed())


@pytest.mark.parametrize("width", SIZES)
def test_everything_about_a_novel_frame_fits(live_page: Opened, width: int) -> None:
    browser = live_page(width)
    keep_novel(browser)
    assert (width_beyond_page(browser), texts_cut_off(browser), scrolled_sideways(browser)) == (0, [], [])
    open_novel_view = browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])")
    open_novel_view.click()
    until(browser, lambda: browser.find_element(By.ID, "correct-controls").is_displayed())
    assert (width_beyond_page(browser), texts_cut_off(browser), scrolled_sideways(browser)) == (0, [], [])


def test_the_report_counts_novel_frames_and_does_not_list_them_as_defects(live_page: Opened, scene: Shown) -> None:
    browser = live_page(1280)
    coil = next(row for row in scene.history.state()["running"] if row["line"] == RUNNING)
    open_report(browser, scene.address, coil["id"])
    assert "83 (" in text_of(browser, "#coverage")
    assert "novel frame" not in text_of(browser, "#defects")
