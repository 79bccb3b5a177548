"""The server: its headers, allowed hosts, ten viewers, and a broker that restarts."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from stripwatch.worker.bench.embedded_broker import Broker, find_binary, running_broker
from stripwatch.worker.broker.admin import create_topics, plan_topics
from stripwatch.worker.common.process.ports import free_port
from tests.brokers.handle import BrokerHandle
from tests.deploy.rules import PAGE_ADDRESS, rules
from tests.e2e.line import Line, run_cli
from tests.waiting import wait_until
from tests.worker.dashboard.conftest import running_page
from tests.worker.dashboard.events import Shown, publish
from tests.worker.dashboard.viewers import AWAIT_S_MAX, get, run_of, states


def await_state(address: str, wanted: str, inspected: int) -> None:
    deadline_s = time.monotonic() + AWAIT_S_MAX
    for state in states(address):
        if state["state"] == wanted and state["totals"].get("inspected", 0) >= inspected:
            return
        assert time.monotonic() < deadline_s, state


@pytest.mark.parametrize(
    "path",
    [
        "",
        "report",
        "runbooks",
        "page/live.js",
        "page/style.css",
        "coils.json",
        "none",
        "frames/RUN/1.jpg",
        "evidence/RUN/2.jpg",
    ],
)
def test_every_response_carries_the_security_headers(page: str, path: str) -> None:
    path = path.replace("RUN", run_of(page))
    wait_until(lambda: get(page + path)[0] == (404 if path == "none" else 200))  # the page has read its first events
    _, headers, _ = get(page + path)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_the_link_of_every_alert_opens_its_section(page: str) -> None:
    links = [rule["annotations"]["runbook_url"] for rule in rules("alert_rules.yml")]
    assert len(links) > 40
    for link in links:
        address, _, anchor = link.partition("#")
        status, headers, body = get(page + address.removeprefix(PAGE_ADDRESS + "/"))
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8"), link
        assert f'<h3 id="{anchor}">' in body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "page/../site.py",
        "page/..%2fsite.py",
        "page/site.py",
        "page/",
        "frames/RUN/x.jpg",
        "frames/RUN/999.jpg",
        "frames/another-run/1.jpg",
        "frames/1.jpg",
        "evidence/RUN/1.jpg",
    ],
)
def test_unknown_paths_return_404(page: str, path: str) -> None:
    assert get(page + path.replace("RUN", run_of(page)))[0] == 404


def test_refuses_a_foreign_host_name(page: str) -> None:
    assert get(page, Host="evil.example")[0] == 400
    assert get(page, Host="localhost")[0] == 200


def test_refuses_methods_other_than_get(page: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{page}coils.json", data=b"x", timeout=30)
    with refused.value:
        assert refused.value.code == 405


def test_serves_ten_viewers(page: str) -> None:
    with ExitStack() as stack:
        streams = [states(page) for _ in range(10)]
        for stream in streams:
            stack.callback(stream.close)  # type: ignore[attr-defined]
            next(stream)
        assert any(state["viewers"] == 10 for state in streams[0])


def test_error_names_a_port_that_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_cli("view", "--bootstrap-servers", "127.0.0.1:1", "--port", port)
    assert (done.returncode, f"port {port}" in done.stderr) == (2, True)


@contextmanager
def broker_at(port: int, folder: Path) -> Iterator[BrokerHandle]:
    """Start an embedded broker with the usual topics. It loses all data when it stops."""
    broker = Broker(f"127.0.0.1:{port}", f"view-{uuid4()}")
    urls = ("--listener-url", f"tcp://127.0.0.1:{port}", "--advertised-listener-url", f"tcp://127.0.0.1:{port}")
    command = [
        str(find_binary()),
        "broker",
        *urls,
        "--storage-engine",
        "memory://view/",
        "--cluster-id",
        broker.cluster_id,
    ]
    with running_broker("the broker", command, broker, 30):
        handle = BrokerHandle("embedded", broker.bootstrap_servers, 1500)
        with handle.admin() as admin:
            create_topics(admin, plan_topics(1, 1, 1, 1_000_000))
        yield handle


def test_page_recovers_when_the_broker_restarts(embedded_broker: BrokerHandle, tmp_path: Path) -> None:
    port = free_port()
    topics = {name: f"inspection.{name}" for name in ("frames", "results", "rejects")}
    with ExitStack() as stack:
        with broker_at(port, tmp_path) as handle:
            line = Line(handle, 1, topics)
            publish(line, [Shown(n) for n in range(3)])
            address = stack.enter_context(running_page(line, "--set", "broker.wait_s_max=2"))
            await_state(address, "live", 3)
        await_state(address, "lost", 3)
        with broker_at(port, tmp_path) as handle:
            publish(Line(handle, 1, topics), [Shown(n, coil="C2") for n in range(2)])
            await_state(address, "live", 5)
            stack.close()
