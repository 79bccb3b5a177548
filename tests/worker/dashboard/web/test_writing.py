"""Requests that write, sent to a running page as an attacker or a person sends them."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, run_cli
from tests.waiting import wait_until
from tests.worker.dashboard.conftest import running_page
from tests.worker.dashboard.correcting import TOKEN, publish_results, send_frames, token_file
from tests.worker.dashboard.viewers import get, run_of

WAIT_S = 30


class Page(NamedTuple):
    """A page on which Ada may write. It shows one defect."""

    address: str
    line: Line

    @property
    def netloc(self) -> str:
        return urlsplit(self.address).netloc


@pytest.fixture(scope="module")
def written(embedded_broker: BrokerHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    line = Line.on(embedded_broker, partitions=1)
    publish_results(line, send_frames(line, 1))
    file = token_file(tmp_path_factory.mktemp("tokens"))
    with running_page(line, "--set", f"view.token_file={file}") as address:
        wait_until(lambda: get(f"{address}corrections/{run_of(address)}/1.json")[0] == 200)
        yield Page(address, line)


def post(page: Page, path: str, body: Any, **headers: str | None) -> tuple[int, dict[str, Any]]:
    """Send a request as the page does. headers: replaced headers; None leaves one out."""
    stated: dict[str, str | None] = {
        "content-type": "application/json",
        "authorization": f"Bearer {TOKEN}",
        "origin": page.address.rstrip("/"),
    }
    stated |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(page.netloc, timeout=WAIT_S)
    try:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, content, {name: value for name, value in stated.items() if value is not None})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def correction(page: Page, **fields: str) -> dict[str, str]:
    return {"picture": f"{run_of(page.address)}/1", "decision": "not_a_defect"} | fields


def test_a_person_signs_in_and_corrects_a_frame(written: Page) -> None:
    assert post(written, "/access", {}) == (200, {"person": "Ada"})
    status, saved = post(written, "/corrections", correction(written))
    assert (status, saved["decision"], saved["label"], saved["by"]) == (200, "not_a_defect", "clean", "Ada")
    record = written.line.read("review", 1)[0]
    assert record.headers["stripwatch_corrected_by"] == b"Ada"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": None}, 401),
        ({"authorization": "Bearer wrong-token-12345"}, 401),
        ({"authorization": None, "cookie": f"token={TOKEN}"}, 401),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": None}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"x_forwarded_for": "127.0.0.1", "authorization": None}, 401),
        ({"x_forwarded_user": "Ada", "authorization": None}, 401),
    ],
)
def test_a_request_without_proof_or_from_another_site_writes_nothing(
    written: Page, headers: dict[str, str | None], status: int
) -> None:
    answered, said = post(written, "/corrections", correction(written), **headers)
    assert (answered, set(said)) == (status, {"error"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"picture": "../../x", "decision": "confirmed"}', 404),
        (b'{"picture": "RUN/1", "decision": "deleted"}', 400),
        (b'{"picture": "RUN/1", "decision": "relabelled", "label": "rust"}', 400),
        (b'{"picture": "RUN/1", "decision": "confirmed", "by": "Bob"}', 400),
        (b"[" * 4000, 400),
        (b'{"picture": "' + b"x" * 100_000 + b'"}', 413),
    ],
)
def test_a_wrong_body_writes_nothing(written: Page, body: bytes, status: int) -> None:
    answered, said = post(written, "/corrections", body.replace(b"RUN", run_of(written.address).encode()))
    assert (answered, set(said)) == (status, {"error"})


def test_a_body_that_arrives_slowly_is_cut_off_and_others_are_served(written: Page) -> None:
    host, port = written.netloc.split(":")
    head = f"POST /corrections HTTP/1.1\r\nHost: {written.netloc}\r\nOrigin: {written.address.rstrip('/')}\r\n"
    head += f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as slow:
        slow.sendall(head.encode())
        assert post(written, "/access", {})[0] == 200
        assert b" 408 " in slow.recv(4096)


def test_a_second_request_that_arrives_slowly_is_cut_off(written: Page) -> None:
    """uvicorn stops its timeout for idle connections at the first byte of the next request."""
    host, port = written.netloc.split(":")
    request = f"GET /access.json HTTP/1.1\r\nHost: {written.netloc}\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as slow:
        slow.sendall(request + b"\r\n")
        assert b" 200 " in slow.recv(4096)
        slow.sendall(request)  # without the empty line at its end
        closed = b""
        try:
            while chunk := slow.recv(4096):
                closed += chunk
        except ConnectionResetError:
            pass
        assert b"200" not in closed


def test_the_page_that_only_reads_has_nothing_to_write_to(page: str) -> None:
    reading = Page(page, None)  # type: ignore[arg-type]
    assert json.loads(get(f"{page}access.json")[2]) == {"writing": False, "sign_in": "off", "person": None}
    status, said = post(reading, "/access", {})
    assert (status, "view.token_file" in said["error"]) == (403, True)
    assert get(f"{page}corrections/{run_of(page)}/1.json")[0] == 404


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["view.user_header=X-User", "view.origins=https://a.example"], "view.proxies"),
        (["view.user_header=X-User"], "origins"),
        (["view.token_file=/no/such/file"], "view.token_file"),
    ],
)
def test_refuses_to_start_with_unsafe_settings(settings: list[str], named: str) -> None:
    pairs = [part for pair in settings for part in ("--set", pair)]
    done = run_cli("view", "--bootstrap-servers", "127.0.0.1:1", "--host", "0.0.0.0", "--port", "0", *pairs)
    assert (done.returncode, named in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_too_many_wrong_tokens_are_refused(embedded_broker: BrokerHandle, tmp_path: Path) -> None:
    line = Line.on(embedded_broker, partitions=1)
    with running_page(line, "--set", f"view.token_file={token_file(tmp_path)}") as address:
        page = Page(address, line)
        statuses = [post(page, "/access", {}, authorization=f"Bearer guess-number-{n}")[0] for n in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        assert post(page, "/access", {})[0] == 429
