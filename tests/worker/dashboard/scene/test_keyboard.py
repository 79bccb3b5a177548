"""The page is used by keyboard: every control can be reached in a sensible order, is seen, and works."""

from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.worker.dashboard.scene.conftest import Opened
from tests.worker.dashboard.scene.measures import run
from tests.worker.dashboard.scene.serve import Shown
from tests.worker.dashboard.viewers import text_of, until

_STOPS_MAX = 200
_CONTROLS = """
return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((node) => node.checkVisibility() && !node.disabled && !node.closest("dialog:not([open])"))
  .map((node) => { node.dataset.stop ??= String(window.stops = (window.stops ?? 0) + 1); return node.dataset.stop; });
"""
_FOCUSED = """
const node = document.activeElement, style = getComputedStyle(node), box = node.getBoundingClientRect();
return {
  stop: node.dataset.stop ?? null, tag: node.tagName, id: node.id, top: box.top, left: box.left,
  outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
};
"""
_CHATTER = """
window.said = [];
const live = "[role=status], [role=alert], [role=log], [aria-live=polite], [aria-live=assertive]";
for (const region of document.querySelectorAll(live)) {
  new MutationObserver(() => window.said.push(region.id || region.className || region.textContent))
    .observe(region, { childList: true, characterData: true, subtree: true });
}
return document.querySelectorAll(live).length;
"""


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def focused(browser: webdriver.Chrome) -> dict[str, Any]:
    return dict(run(browser, _FOCUSED))


def test_tab_reaches_every_control_in_the_order_of_the_page(live_page: Opened) -> None:
    browser = live_page(1280)
    wanted = run(browser, _CONTROLS)
    assert len(wanted) > 20
    reached = []
    for _ in range(_STOPS_MAX):
        press(browser, Keys.TAB)
        now = focused(browser)
        if now["tag"] == "BODY" or now["stop"] in reached:
            break
        assert now["outlined"], f"focus cannot be seen on {now}"
        assert now["seen"], f"focus is outside the window on {now}"
        reached.append(now["stop"])
    assert reached == wanted


def test_first_stop_skips_to_the_defects(live_page: Opened) -> None:
    browser = live_page(1280)
    press(browser, Keys.TAB)
    assert text_of(browser, ":focus") == "Skip to the newest defects"
    press(browser, Keys.ENTER)
    until(browser, lambda: focused(browser)["id"] == "defects")
    press(browser, Keys.TAB)
    assert run(browser, "return document.activeElement.closest('#defects') !== null")


def test_enlarged_view_keeps_the_focus_and_gives_it_back(live_page: Opened) -> None:
    browser = live_page(1280)
    card = browser.find_element(By.CSS_SELECTOR, ".card:has([data-state=shown])")
    run(browser, "arguments[0].focus()", card)
    press(browser, Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "detail").is_displayed())
    assert run(browser, "return document.activeElement.closest('dialog')?.id") == "detail"
    first = text_of(browser, "#detail-facts")
    press(browser, Keys.ARROW_RIGHT)
    until(browser, lambda: text_of(browser, "#detail-facts") != first)
    for _ in range(12):
        press(browser, Keys.TAB)
        inside = "document.activeElement === document.body || document.activeElement.closest('dialog')?.id === 'detail'"
        assert run(browser, f"return {inside}"), "the page behind cannot be reached"
    press(browser, Keys.ESCAPE)
    until(browser, lambda: not browser.find_element(By.ID, "detail").is_displayed())
    assert run(browser, "return document.activeElement === arguments[0]", card)


def test_map_gives_the_focus_back_after_a_defect_was_enlarged(live_page: Opened) -> None:
    browser = live_page(1280)
    run(browser, "document.querySelector('#lines canvas').focus()")
    press(browser, Keys.END, Keys.ENTER)
    until(browser, lambda: browser.find_element(By.ID, "detail").is_displayed())
    press(browser, Keys.ESCAPE)
    until(browser, lambda: not browser.find_element(By.ID, "detail").is_displayed())
    assert run(browser, "return document.activeElement === document.querySelector('#lines canvas')")


def await_age(browser: webdriver.Chrome, age_s: int) -> None:
    until(browser, lambda: f"{age_s} s ago" in text_of(browser, "#cameras"))


def test_live_regions_are_silent_while_nothing_happens(live_page: Opened, scene: Shown) -> None:
    """Ages and counts change all the time. A screen reader must not read them out each time."""
    browser = live_page(1280)
    assert run(browser, _CHATTER) >= 4
    began_s = scene.clock.now_s
    try:
        for second in range(1, 4):
            scene.clock.now_s = began_s + second
            await_age(browser, 45 + second)
        assert run(browser, "return window.said") == []
        scene.history.say("lost", "no broker answers")
        until(browser, lambda: "no broker answers" in text_of(browser, "#status"))
        assert run(browser, "return window.said") == ["status-text"]
    finally:
        scene.history.say("live")
        scene.clock.now_s = began_s
