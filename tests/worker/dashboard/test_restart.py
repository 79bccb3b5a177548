"""The page's server restarts on the same port: an open tab reloads, and every picture belongs to its defect."""

import itertools
import json
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from stripwatch.worker.common.process.ports import free_port
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.waiting import wait_until
from tests.worker.dashboard.conftest import page_process, running_page
from tests.worker.dashboard.events import Shown, publish
from tests.worker.dashboard.viewers import get, run_of, states, text_of, until

pytestmark = pytest.mark.long

# The grey level identifies the picture of each defect.
BEFORE = [Shown(n, label=f"before-{n}", grey=30 + 20 * n) for n in range(3)]
AFTER = [Shown(n, coil="C2", label=f"after-{n}", grey=150 + 20 * n) for n in range(3)]
GREYS = {one.label: one.grey for one in [*BEFORE, *AFTER]}
NEAR = 3  # the JPEG is encoded twice


def shown(browser: webdriver.Chrome) -> dict[str, int]:
    """Return the grey level of each card's picture by the card's label."""
    return dict(
        browser.execute_script(
            """return [...document.querySelectorAll(".card")].map((card) => {
                const image = card.querySelector("img"), canvas = document.createElement("canvas");
                const pen = canvas.getContext("2d");
                pen.drawImage(image, 0, 0);
                return [card.querySelector(".name").textContent, pen.getImageData(1, 1, 1, 1).data[0]];
            });"""
        )
    )


def await_cards(browser: webdriver.Chrome, wanted: list[Shown]) -> None:
    """Wait until exactly these cards are shown, each with the image of its defect."""
    labels = {one.label for one in wanted}
    until(browser, lambda: (found := shown(browser)).keys() == labels and all(map(is_own, found.items())))


def is_own(card: tuple[str, int]) -> bool:
    label, grey = card
    return abs(grey - GREYS[label]) <= NEAR


@pytest.fixture
def line(embedded_broker: BrokerHandle) -> Line:
    return Line.on(embedded_broker)


def test_open_tab_reloads_after_a_restart_and_shows_the_right_pictures(browser: webdriver.Chrome, line: Line) -> None:
    publish(line, BEFORE)
    with running_page(line) as address:
        browser.get(address)
        await_cards(browser, BEFORE)
    port = int(re.findall(r"\d+", address)[-1])
    until(browser, lambda: "server is unreachable" in text_of(browser, "#status"))
    publish(line, AFTER)
    with running_page(line, "--history", "3", port=port):
        await_cards(browser, AFTER)
        assert "coil C2" in text_of(browser, "#lines")
        assert "C1" not in text_of(browser, "#coils")
        assert "before" not in text_of(browser, "#classes")
        assert "the first frames may be missing" in text_of(browser, "#coils")
        browser.refresh()
        await_cards(browser, AFTER)
        browser.get("about:blank")


def test_open_tab_drops_its_defects_when_the_next_run_has_none(browser: webdriver.Chrome, line: Line) -> None:
    publish(line, BEFORE)
    with running_page(line) as address:
        browser.get(address)
        await_cards(browser, BEFORE)
    with running_page(line, "--history", "0", port=int(re.findall(r"\d+", address)[-1])):
        until(browser, lambda: text_of(browser, "#no-cards") == "No defects yet.")
        assert shown(browser) == {}
        publish(line, AFTER)
        await_cards(browser, AFTER)
        browser.get("about:blank")


def test_picture_address_is_valid_for_one_run_only(line: Line) -> None:
    publish(line, BEFORE)
    with running_page(line) as address:
        path = f"frames/{run_of(address)}/1.jpg"
        wait_until(lambda: get(address + path)[0] == 200)  # the page has read its first events
        assert get(address + path)[1]["cache-control"] == "private, max-age=3600"
    with running_page(line) as address:
        own = f"frames/{run_of(address)}/1.jpg"
        wait_until(lambda: get(address + own)[0] == 200)
        status, headers, _ = get(address + path)
        assert (status, headers["cache-control"]) == (404, "no-store")


@contextmanager
def proxy_without_server(port: int, asked: threading.Event) -> Iterator[None]:
    """The error a proxy answers while the server behind it restarts. A browser does not reconnect after it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(502)
            if self.path == "/events":
                asked.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_open_tab_reconnects_after_an_error_from_a_proxy(browser: webdriver.Chrome, line: Line) -> None:
    publish(line, BEFORE)
    port, asked = free_port(), threading.Event()
    with running_page(line, port=port) as address:
        browser.get(address)
        await_cards(browser, BEFORE)
    with proxy_without_server(port, asked):
        assert asked.wait(30)
        until(browser, lambda: "server is unreachable" in text_of(browser, "#status"))
    publish(line, AFTER)
    with running_page(line, "--history", "3", port=port):
        await_cards(browser, AFTER)
        browser.get("about:blank")


@contextmanager
def balancer(page: str, runs: Sequence[str], asked: list[str]) -> Iterator[str]:
    """A load balancer in front of servers with these run ids, which alternate on /events with one state each.

    asked: the requested paths.
    """
    state, turns = next(states(page)), itertools.cycle(runs)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/events":
                body = f"retry: 100\nevent: state\ndata: {json.dumps({**state, 'run': next(turns)})}\n\n".encode()
                status, headers = 200, {"content-type": "text/event-stream"}
            else:
                status, headers, body = get(page + self.path[1:])
            asked.append(self.path)
            self.send_response(status)
            self.send_header("content-type", headers["content-type"])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_tab_behind_a_load_balancer_does_not_reload_repeatedly(browser: webdriver.Chrome, line: Line) -> None:
    asked: list[str] = []
    with running_page(line) as page, balancer(page, ["one", "two"], asked) as address:
        browser.get(address)
        wait_until(lambda: asked.count("/events") >= 6)
        assert asked.count("/") == 2
        browser.get("about:blank")


def test_open_tab_reports_a_hung_server_and_reconnects(browser: webdriver.Chrome, line: Line) -> None:
    publish(line, BEFORE)
    with page_process(line) as (process, address):
        browser.get(address)
        await_cards(browser, BEFORE)
        process.send_signal(signal.SIGSTOP)
        until(browser, lambda: "server is unreachable" in text_of(browser, "#status"))
        process.send_signal(signal.SIGCONT)
        until(browser, lambda: "server is unreachable" not in text_of(browser, "#status"))
        publish(line, AFTER)
        await_cards(browser, [*BEFORE, *AFTER])
        browser.get("about:blank")


def test_report_has_all_frames_after_a_restart_also_those_that_the_page_has_not_read(
    browser: webdriver.Chrome, line: Line
) -> None:
    publish(line, BEFORE)
    with running_page(line) as address:
        browser.get(address)
        await_cards(browser, BEFORE)
        report = report_of(browser, "C1")
    port = int(re.findall(r"\d+", address)[-1])
    with running_page(line, port=port):
        browser.get(report)
        until(browser, lambda: text_of(browser, "h1") == "Coil C1")
        assert len(browser.find_elements(By.CSS_SELECTOR, "#defects tbody tr")) == 3
        assert "may be missing" not in text_of(browser, "#front")
    with running_page(line, "--history", "2", port=port) as address:
        browser.refresh()
        await_report(browser)
        assert len(browser.find_elements(By.CSS_SELECTOR, "#defects tbody tr")) == 3, "from Kafka"
        browser.get(address)
        await_cards(browser, BEFORE[1:])
        browser.get(report_of(browser, "C1"))
        await_report(browser)
        assert len(browser.find_elements(By.CSS_SELECTOR, "#defects tbody tr")) == 3, "from Kafka"
        browser.get("about:blank")


def await_report(browser: webdriver.Chrome) -> None:
    until(browser, lambda: browser.execute_script("return document.body.dataset.state") == "done")


def report_of(browser: webdriver.Chrome, coil: str) -> str:
    return str(
        browser.find_element(By.CSS_SELECTOR, f"#coils a[aria-label='Report of coil {coil}']").get_attribute("href")
    )
