"""Who may write on the page. Every request that writes passes `Access.person`.

Nobody may write until a token file or a proxy's user header is configured. A person then proves who they are with each
request: by a token in the header `Authorization`, or by the user header of a reverse proxy. There is no cookie, so a
browser adds no proof to a request that another site makes it send.
"""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import unquote

from starlette.requests import HTTPConnection

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.dashboard.web.token_file import NAME_CHARS_MAX, TokenFile, Tokens, clean_name

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
NAME_HEADER = "x-stripwatch-name"  # percent-encoded UTF-8; only read together with a shared token
_BEARER = "bearer "
_WRONG_TOKENS_MAX, _WRITES_MAX, _WINDOW_S = 10, 60, 60.0
_KEYS_MAX = 1000
SignIn = Literal["off", "proxy", "token", "name_and_token"]


class AccessRefusedError(Exception):
    """A request that may not write.

    Attributes:
        status: 401 (sign in first), 403 (not allowed) or 429 (too many requests).
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EventLimit:
    """At most `events_max` events per key within a sliding window. Keeps the 1,000 keys with the newest events."""

    def __init__(self, events_max: int, window_s: float, clock: Callable[[], float]) -> None:
        self._events_max = events_max
        self._window_s = window_s
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def reached(self, key: str) -> bool:
        times = self._times.get(key)
        return times is not None and len(times) == self._events_max and self._clock() - times[0] < self._window_s

    def add(self, key: str) -> None:
        self._times.setdefault(key, deque(maxlen=self._events_max)).append(self._clock())
        self._times.move_to_end(key)
        while len(self._times) > _KEYS_MAX:
            self._times.popitem(last=False)


class Access:
    """Decides from a request who the person is and whether the request may write. For the server's event loop only."""

    def __init__(
        self, settings: ViewSettings, host: str = "127.0.0.1", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the token file, if there is one.

        Args:
            settings: The section `view`.
            host: Address on which the page listens.
            clock: Monotonic time in seconds.

        Raises:
            SettingsError: The token file is invalid, or anyone in the network could set the user header.
        """
        if settings.user_header and not settings.proxies and host not in LOOPBACK_HOSTS:
            raise SettingsError(
                f"view.user_header with --host {host} would let anyone in the network write under any name; list the "
                "addresses of the reverse proxies in view.proxies, or listen on 127.0.0.1"
            )
        self._header = settings.user_header.lower()
        self._proxies = settings.trusted_networks
        self._origins = settings.allowed_origins
        self._file = TokenFile(settings.token_file) if settings.token_file else None
        self._wrong_tokens = EventLimit(_WRONG_TOKENS_MAX, _WINDOW_S, clock)
        self._writes = EventLimit(_WRITES_MAX, _WINDOW_S, clock)

    @property
    def writing(self) -> bool:
        """Return whether anyone may write."""
        return self._file is not None or bool(self._header)

    def offer(self, request: HTTPConnection) -> dict[str, Any]:
        """Return what the page needs to offer a sign-in: `sign_in` (how), and `person` (signed in by the proxy)."""
        try:
            person = self._person_of_proxy(request)
        except AccessRefusedError:
            person = None
        how: SignIn = "proxy" if self._header else "off"
        if self._file:
            how = "name_and_token" if self._file.tokens.shared else "token"
        return {"writing": self.writing, "sign_in": how, "person": person}

    def person(self, request: HTTPConnection) -> str:
        """Return the name of the person who sends a request that writes. Raises AccessRefusedError."""
        if not self.writing:
            raise AccessRefusedError(403, "this page only reads; set view.token_file or view.user_header to allow more")
        self._check_origin(request)
        person = self._person_of_proxy(request) or self._person_of_token(request)
        if self._writes.reached(person):
            raise AccessRefusedError(429, f"{person} has sent {_WRITES_MAX} requests within a minute; try again later")
        self._writes.add(person)
        return person

    def _check_origin(self, request: HTTPConnection) -> None:
        """Refuse a request that another site makes a browser send (CSRF), and one that states no origin.

        The server's own address, taken from the Host header, does not count behind a proxy: only the listed origins do.
        """
        origin = request.headers.get("origin", "").lower()
        site = request.headers.get("sec-fetch-site", "same-origin")
        host = request.headers.get("host", "").lower()
        own = not self._header and bool(host) and origin in (f"http://{host}", f"https://{host}")
        if site != "same-origin" or not (own or origin in self._origins):
            stated = repr(origin[:200]) if origin else "an unknown origin"
            raise AccessRefusedError(
                403,
                f"requests from {stated} may not write; open the page at its own address, or list it in view.origins",
            )

    def _person_of_proxy(self, request: HTTPConnection) -> str | None:
        values = request.headers.getlist(self._header) if self._header else []
        if not values:
            return None
        address = _address(request)
        if not any(address in network for network in self._proxies if address):
            raise AccessRefusedError(
                403, f"the header {self._header} is only accepted from the addresses in view.proxies"
            )
        if len(values) > 1:
            raise AccessRefusedError(403, f"the proxy must replace the header {self._header}, not add a second one")
        name = clean_name(_utf8(values[0]))
        if not name:
            raise AccessRefusedError(
                403, f"the header {self._header} holds no name of 1 to {NAME_CHARS_MAX} characters"
            )
        return name

    def _person_of_token(self, request: HTTPConnection) -> str:
        tokens = self._file.tokens if self._file else Tokens()
        stated = request.headers.get("authorization", "")
        if not tokens.owners or not stated.lower().startswith(_BEARER):
            raise AccessRefusedError(401, "sign in first" if self._file else f"the proxy sent no header {self._header}")
        address = _limited_address(request)
        if self._wrong_tokens.reached(address):
            raise AccessRefusedError(429, "too many wrong tokens from this address; try again in a minute")
        owner = tokens.owner(stated[len(_BEARER) :].strip())
        if owner is None:
            self._wrong_tokens.add(address)
            raise AccessRefusedError(401, "the token is wrong")
        name = owner or clean_name(unquote(request.headers.get(NAME_HEADER, "")[: 12 * NAME_CHARS_MAX]))
        if not name:
            raise AccessRefusedError(401, f"the name must have 1 to {NAME_CHARS_MAX} printable characters")
        return name


def _address(request: HTTPConnection) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of the peer. A dual-stack socket shows an IPv4 address inside an IPv6 one."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _limited_address(request: HTTPConnection) -> str:
    """Return the key under which wrong tokens are counted. One IPv6 customer has a whole /64 network."""
    address = _address(request)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _utf8(value: str) -> str:
    """Decode a header as UTF-8, which proxies send; the server decodes headers as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
