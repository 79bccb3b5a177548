"""Alarms in a real browser: readable from ten metres, audible once, acknowledged on every page server."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.config.page_sections import LimitsSettings, ViewSettings
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web.access import Access
from tests.worker.dashboard.conftest import chromium
from tests.worker.dashboard.events import Shown
from tests.worker.dashboard.histories import NOW_MS, add
from tests.worker.dashboard.scene.pictures import ScenePictures
from tests.worker.dashboard.scene.serve import served
from tests.worker.dashboard.scene.shots import SIZES, resize, use_theme
from tests.worker.dashboard.viewers import text_of, until
from tests.worker.dashboard.web.fake_topic import FakeTopic

TOKEN = "shared-token-1234"
RULES = CoilRules(grading=GradingRules({"crack": "critical"}, LimitsSettings(defect_frames_per_100_m={"pits": 10})))
# Counts the tones that start, from the first moment of each page.
COUNT_TONES = """
window.tones = 0;
const start = AudioScheduledSourceNode.prototype.start;
AudioScheduledSourceNode.prototype.start = function (...given) { window.tones += 1; start.apply(this, given); };
"""
TONES = 4
CONTRAST = """
const luminance = (text) => {
  const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const [node, behind] = arguments;
const [a, b] = [luminance(getComputedStyle(node).color), luminance(getComputedStyle(behind).backgroundColor)];
return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
"""


class Server:
    """A page server that shows one coil with a crack."""

    def __init__(self, topic: FakeTopic) -> None:
        self.history = History(clock=lambda: NOW_MS / 1000, rules=RULES)
        self.number = 0
        self.show("crack")
        self.history.say("live")
        topic.followed_by(self.history)

    def show(self, label: str | None = None) -> None:
        add(self.history, Shown(self.number, label=label), live=False)
        self.number += 1


Serve = Callable[..., tuple[Server, str]]


@pytest.fixture
def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
def serve(topic: FakeTopic, tmp_path: Path) -> Iterator[Serve]:
    """Start a page server of the topic, and return it with its address."""
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with ExitStack() as stack:

        def start(writing: bool = True) -> tuple[Server, str]:
            server = Server(topic)
            access = Access(ViewSettings(token_file=file) if writing else ViewSettings())
            options: dict[str, Any] = {"access": access, "send_acknowledgement": topic.send}
            return server, stack.enter_context(served(server.history, ScenePictures(), **options))

        yield start


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    """A browser of its own, because the sound is remembered and tones are counted from the first moment."""
    with chromium() as found:
        found.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_TONES})
        yield found


def open_page(chrome: webdriver.Chrome, address: str) -> None:
    chrome.get(address)
    until(
        chrome,
        lambda: text_of(chrome, "#status-text") != "connecting" and chrome.find_elements(By.CSS_SELECTOR, ".card"),
    )


def alarm(chrome: webdriver.Chrome) -> str:
    return text_of(chrome, "#alarm-headline")


def await_frames(chrome: webdriver.Chrome, server: Server) -> None:
    """Wait until the browser has received the newest state of the server."""
    until(chrome, lambda: str(server.number) in text_of(chrome, "#cameras"))


def tones(chrome: webdriver.Chrome) -> int:
    return int(chrome.execute_script("return window.tones"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_an_alarm_can_be_read_from_ten_metres(
    chrome: webdriver.Chrome, serve: Serve, shots: Path, width: int, dark: bool
) -> None:
    _, address = serve()
    resize(chrome, width)
    use_theme(chrome, dark)
    open_page(chrome, address)
    until(chrome, lambda: alarm(chrome) == "ALARM crack: 1 frame")
    chrome.save_screenshot(str(shots / f"alarm-{width}-{'dark' if dark else 'light'}.png"))
    (big,) = chrome.find_elements(By.CSS_SELECTOR, "#alarm .big")
    px = float(big.value_of_css_property("font-size").removesuffix("px"))
    assert px >= 0.08 * chrome.execute_script("return innerHeight")
    assert chrome.execute_script(CONTRAST, big, chrome.find_element(By.ID, "alarm")) >= 7
    assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert chrome.execute_script("return arguments[0].scrollHeight <= arguments[0].clientHeight + 2", big)
    assert chrome.title == "ALARM · Stripwatch"
    assert violations(chrome) == []


def violations(chrome: webdriver.Chrome) -> list[str]:
    """Return the accessibility rules that the alarm breaks, as axe-core finds them."""
    chrome.execute_script((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    parts = "[['#alarm'], ['#alarms-seen'], ['#sign-in']]"
    found: list[dict[str, Any]] = chrome.execute_async_script(
        f"axe.run({{include: {parts}}}).then((found) => arguments[0](found.violations))"
    )
    return [f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']])}" for each in found]


def test_an_alarm_sounds_once_and_the_page_says_when_sound_is_off(chrome: webdriver.Chrome, serve: Serve) -> None:
    server, address = serve()
    resize(chrome, 1280)
    open_page(chrome, address)
    until(chrome, lambda: alarm(chrome))
    assert (text_of(chrome, "#sound"), tones(chrome)) == ("Sound blocked: click", 0)
    chrome.find_element(By.ID, "sound").click()
    until(chrome, lambda: tones(chrome) == TONES)
    assert text_of(chrome, "#sound") == "Sound on"
    server.show()
    await_frames(chrome, server)
    assert tones(chrome) == TONES  # the same alarm
    server.show("crack")
    until(chrome, lambda: tones(chrome) == 2 * TONES)  # twice the frames
    open_page(chrome, address)
    chrome.find_element(By.TAG_NAME, "h1").click()
    until(chrome, lambda: text_of(chrome, "#sound") == "Sound on")
    server.show()
    await_frames(chrome, server)
    assert tones(chrome) == 0  # heard before the reload
    chrome.find_element(By.ID, "sound").click()
    assert text_of(chrome, "#sound") == "Sound off"
    open_page(chrome, address)
    assert text_of(chrome, "#sound") == "Sound off"


def sign_in(chrome: webdriver.Chrome, name: str, token: str) -> None:
    until(chrome, lambda: chrome.find_element(By.ID, "sign-in").is_displayed())
    for field, value in (("sign-in-name", name), ("sign-in-token", token)):
        chrome.find_element(By.ID, field).clear()
        chrome.find_element(By.ID, field).send_keys(value)
    chrome.find_element(By.CSS_SELECTOR, "#sign-in [type=submit]").click()


def test_an_acknowledgement_is_known_after_a_reload_and_on_a_second_server(
    chrome: webdriver.Chrome, serve: Serve, topic: FakeTopic, shots: Path
) -> None:
    (server, address), (_, other) = serve(), serve()
    open_page(chrome, address)
    until(chrome, lambda: alarm(chrome))
    topic.broken = True
    chrome.find_element(By.ID, "acknowledge").click()
    sign_in(chrome, "Ada Shift", "wrong-token-12345")
    until(chrome, lambda: text_of(chrome, "#sign-in-problem") == "the token is wrong")
    assert violations(chrome) == []
    sign_in(chrome, "Ada Shift", TOKEN)
    until(chrome, lambda: text_of(chrome, "#alarm-problem").startswith("not acknowledged: topic"))
    assert alarm(chrome) == "ALARM crack: 1 frame"  # it stays
    topic.broken = False
    chrome.find_element(By.ID, "acknowledge").click()
    for where in (None, address, other):
        if where:
            open_page(chrome, where)
        until(chrome, lambda: "acknowledged by Ada Shift at" in text_of(chrome, "#alarms-seen"))
        assert not chrome.find_element(By.ID, "alarm").is_displayed()
        assert chrome.title == "Stripwatch"
    chrome.save_screenshot(str(shots / "acknowledged.png"))
    assert violations(chrome) == []
    open_page(chrome, address)
    server.show("crack")
    until(chrome, lambda: alarm(chrome) == "ALARM crack: 2 frames")  # worse is a new alarm


def test_a_burst_takes_one_place_in_the_list_of_defects(chrome: webdriver.Chrome, serve: Serve, shots: Path) -> None:
    """The frames of a server are captured at one moment."""
    server, address = serve()
    for label in ("pits", *["scratches"] * 40):
        server.show(label)
    resize(chrome, 1280)
    open_page(chrome, address)
    until(chrome, lambda: len(chrome.find_elements(By.CSS_SELECTOR, ".card")) == 3)
    names = [(text_of_card(card, ".name"), text_of_card(card, ".burst")) for card in cards(chrome)]
    assert names == [("scratches", "40 pictures in 1 s"), ("pits", ""), ("crack · critical", "")]
    chrome.save_screenshot(str(shots / "burst.png"))
    rates = {label: level_of(chrome, label) for label in ("pits", "scratches")}
    assert rates["scratches"] > rates["pits"] + 20 > 30  # forty times the rate can be seen, and so can one frame


def cards(chrome: webdriver.Chrome) -> list[WebElement]:
    return chrome.find_elements(By.CSS_SELECTOR, ".card")


def text_of_card(card: WebElement, css: str) -> str:
    return str(card.find_element(By.CSS_SELECTOR, css).text)


def level_of(chrome: webdriver.Chrome, label: str) -> float:
    """Return the length of the bar of a class in percent."""
    bar = chrome.find_element(By.CSS_SELECTOR, f"progress[aria-label*={label}]")
    return float(bar.get_property("value"))  # type: ignore[arg-type]


def test_without_permission_to_write_the_alarm_ends_with_its_cause(chrome: webdriver.Chrome, serve: Serve) -> None:
    server, address = serve(writing=False)
    open_page(chrome, address)
    until(chrome, lambda: alarm(chrome))
    assert not chrome.find_element(By.ID, "acknowledge").is_displayed()
    assert not chrome.find_element(By.ID, "sign-in-button").is_displayed()
    server.history.close_coils(10_000)
    until(chrome, lambda: not chrome.find_element(By.ID, "alarm").is_displayed())
    until(chrome, lambda: "Alarm: crack: 1 frame" in text_of(chrome, "#coils"))


def test_the_alarm_of_a_later_coil_of_the_same_name_sounds_too(chrome: webdriver.Chrome, serve: Serve) -> None:
    server, address = serve()
    open_page(chrome, address)
    chrome.find_element(By.ID, "sound").click()
    until(chrome, lambda: tones(chrome) == TONES)
    server.history.close_coils(10_000)
    add(server.history, Shown(9, label="crack"), read_s=10_001, live=False, captured_s=10_000)
    until(chrome, lambda: tones(chrome) == 2 * TONES)


def test_screen_readers_announce_an_alarm_once_while_its_figures_change(chrome: webdriver.Chrome, serve: Serve) -> None:
    server, address = serve()
    open_page(chrome, address)
    server.show("crack")
    until(chrome, lambda: "crack: 2 frames" in spoken(chrome))
    server.show("crack")
    until(chrome, lambda: alarm(chrome) == "ALARM crack: 3 frames")
    assert "crack: 2 frames" in spoken(chrome)
    assert chrome.find_elements(By.CSS_SELECTOR, "#alarm-headline[role], #alarm-headline [role]") == []


def spoken(chrome: webdriver.Chrome) -> str:
    return str(chrome.find_element(By.CSS_SELECTOR, "#alarm-spoken[role=alert]").get_property("textContent"))
