"""Helpers that read the page as a viewer does, with and without a browser."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S_MAX = 30
AWAIT_S_MAX = 90.0


def until(browser: webdriver.Chrome, condition: Callable[[], Any]) -> Any:
    """Wait until the condition is true, and return its value. The page may replace elements while it is evaluated."""
    waiting = WebDriverWait(browser, WAIT_S_MAX, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(lambda _: condition())


def text_of(browser: webdriver.Chrome, css: str) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, css).text)


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def states(address: str) -> Iterator[dict[str, Any]]:
    """Yield the states that a viewer receives."""
    with urllib.request.urlopen(f"{address}events", timeout=AWAIT_S_MAX) as stream:
        event = ""
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            if name == "data" and event == "state":
                yield json.loads(value)


def run_of(address: str) -> str:
    return str(next(states(address))["run"])
