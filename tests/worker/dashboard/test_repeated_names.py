"""Two coils of the same name on one line, in a real browser."""

from selenium.webdriver.common.by import By

from tests.worker.dashboard.conftest import chromium
from tests.worker.dashboard.events import Shown
from tests.worker.dashboard.histories import add, new_history
from tests.worker.dashboard.scene.pictures import ScenePictures
from tests.worker.dashboard.scene.serve import served
from tests.worker.dashboard.viewers import until

LATER_S = 10_000


def test_a_defect_stays_near_the_tail_of_its_own_coil_when_the_name_comes_again() -> None:
    history = new_history()
    for number in range(10):
        add(history, Shown(number, label="pits" if number == 9 else None), captured_s=-LATER_S)
    history.close_coils(LATER_S)
    for number in (50, 51):
        add(history, Shown(number, label="crack" if number == 51 else None), read_s=LATER_S)
    history.say("live")
    with served(history, ScenePictures()) as address, chromium() as chrome:
        chrome.get(address)
        until(chrome, lambda: len(chrome.find_elements(By.CSS_SELECTOR, ".card")) == 2)
        where = [
            card.find_element(By.CSS_SELECTOR, ".where").text for card in chrome.find_elements(By.CSS_SELECTOR, ".card")
        ]
    assert where == ["top-1 · 10.25 m · head", "top-1 · 1.85 m · tail"]
