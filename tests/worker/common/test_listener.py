"""Addresses that a port listens on, and errors that state why it cannot."""

import errno
import socket
from contextlib import closing
from typing import Any

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.listener import open_listener

NAMED = "metrics.host = 'x', metrics.port = 1"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 address ::1")


def listening(host: str, port: int = 0) -> socket.socket:
    return open_listener(host, port, 1, NAMED)


def reaches(listener: socket.socket, *addresses: str) -> bool:
    for address in addresses:
        socket.create_connection((address, listener.getsockname()[1]), timeout=60).close()
        listener.accept()[0].close()
    return True


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    """Simulate a name server. names: addresses by name."""
    ask = socket.getaddrinfo

    def answer(host: str, *rest: Any, **options: Any) -> list[Any]:
        return [found for each in names.get(host, [host]) for found in ask(each, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", ""])
def test_listens_on_ipv4(host: str) -> None:
    with closing(listening(host)) as listener:
        assert reaches(listener, "127.0.0.1")


@needs_ipv6
def test_listens_on_ipv6_and_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, six=["::1"], both=["::1", "127.0.0.1"])
    with closing(listening("::1")) as six, closing(listening("::")) as all_addresses:
        assert reaches(six, "::1")
        assert reaches(all_addresses, "::1", "127.0.0.1")
    with closing(listening("six")) as six, closing(listening("both")) as four:
        assert reaches(six, "::1")
        assert reaches(four, "127.0.0.1"), "a name with both addresses means IPv4"


def refusal(host: str, port: int = 0) -> str:
    with pytest.raises(SettingsError) as refused:
        listening(host, port)
    text, why = str(refused.value).split(": ", 1)
    assert text == f"cannot listen on {NAMED}"
    return why


@pytest.mark.parametrize("host", ["no-such-host.invalid", "[::1]", "a" * 70, "a..b", "a\0b"])
def test_names_a_host_that_does_not_resolve(host: str) -> None:
    assert refusal(host) == f"the host name {host!r} does not resolve on this machine"


def test_states_why_the_address_cannot_be_used() -> None:
    assert refusal("192.0.2.1") == "this machine has no such address"
    with closing(listening("127.0.0.1")) as taken:
        assert refusal("127.0.0.1", taken.getsockname()[1]) == "another process uses the port"


@pytest.mark.parametrize(
    ("method", "code", "why"),
    [
        ("bind", errno.EACCES, "ports below 1024 require root or the capability CAP_NET_BIND_SERVICE"),
        ("__init__", errno.EAFNOSUPPORT, "this machine has no IPv6"),
        ("listen", errno.ENOBUFS, "No buffer space available"),
    ],
)
def test_states_the_error_of_the_system(monkeypatch: pytest.MonkeyPatch, method: str, code: int, why: str) -> None:
    class Refusing(socket.socket):
        """Socket of which one method fails."""

    def refuse(*_: object) -> None:
        raise OSError(code, errno.errorcode[code] if code != errno.ENOBUFS else why)

    setattr(Refusing, method, refuse)
    monkeypatch.setattr(socket, "socket", Refusing)
    assert refusal("127.0.0.1") == why


def test_closes_the_socket_if_it_cannot_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Remembered(socket.socket):
        def bind(self, address: Any) -> None:
            made.append(self)
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Remembered)
    refusal("192.0.2.1")
    assert [each.fileno() for each in made] == [-1]
