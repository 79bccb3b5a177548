"""Who may write: tokens, the user header of a proxy, origins, and limits for attempts."""

from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.dashboard.web.access import Access, AccessRefusedError
from tests.worker.dashboard.web.requests_made import OWN, PAGE_HOST, bearer, request_of

SHARED, ADA, BOB = "shared-token-1234", "token-of-ada-1234", "token-of-bob-1234"
PROXY = "10.0.0.5"
BEHIND = ("origin", "https://strip.example.com")


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def access_with(folder: Path, text: str = SHARED, clock: Time | None = None, **settings: Any) -> Access:
    file = folder / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    return Access(ViewSettings(token_file=file, **settings), clock=clock or Time())


def behind_proxy(**settings: Any) -> Access:
    given = {"user_header": "X-User", "origins": BEHIND[1], "proxies": f"{PROXY},fd00::/64"} | settings
    return Access(ViewSettings(**given), host="0.0.0.0")


def status_of(access: Access, *headers: tuple[str, str], client: str = "127.0.0.1") -> int:
    with pytest.raises(AccessRefusedError) as refused:
        access.person(request_of(*headers, client=client))
    return refused.value.status


def test_nobody_may_write_by_default() -> None:
    access = Access(ViewSettings())
    assert not access.writing
    assert status_of(access, OWN, *bearer(SHARED, "Ada")) == 403
    assert access.offer(request_of()) == {"writing": False, "sign_in": "off", "person": None}


def test_a_shared_token_with_a_name_may_write(tmp_path: Path) -> None:
    access = access_with(tmp_path)
    assert access.offer(request_of())["sign_in"] == "name_and_token"
    assert access.person(request_of(OWN, *bearer(SHARED, "J%C3%BCrgen%20%20K."))) == "Jürgen K."


@pytest.mark.parametrize("name", [None, "", "%20", "a%00b", "a%07b", "%E2%80%AEabc", "x" * 61, "x" * 100_000])
def test_a_shared_token_needs_a_printable_name_of_limited_length(tmp_path: Path, name: str | None) -> None:
    assert status_of(access_with(tmp_path), OWN, *bearer(SHARED, name)) == 401


def test_a_personal_token_names_its_owner_whatever_the_request_states(tmp_path: Path) -> None:
    access = access_with(tmp_path, f"Ada L.:{ADA}\nBob:{BOB}\n")
    assert access.offer(request_of())["sign_in"] == "token"
    assert access.person(request_of(OWN, *bearer(BOB, "Ada%20L."))) == "Bob"
    assert access.person(request_of(OWN, *bearer(ADA))) == "Ada L."


@pytest.mark.parametrize(
    "headers",
    [
        [],
        bearer("wrong-token-12345", "Ada"),
        bearer("", "Ada"),
        bearer(SHARED[:-1], "Ada"),
        bearer(SHARED + "x", "Ada"),
        bearer("\u00fc" * 40, "Ada"),
        [("authorization", SHARED), ("x-stripwatch-name", "Ada")],
        [("authorization", f"Basic {SHARED}"), ("x-stripwatch-name", "Ada")],
        [("cookie", f"token={SHARED}"), ("x-stripwatch-name", "Ada")],
    ],
)
def test_refuses_requests_without_the_right_token(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    assert status_of(access_with(tmp_path), OWN, *headers) == 401


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("origin", "null")],
        [("origin", "")],
        [("origin", "http://evil.example")],
        [("origin", f"http://{PAGE_HOST}.evil.example")],
        [("origin", f"http://evil.example#{PAGE_HOST}")],
        [("origin", "http://127.0.0.1:8801")],
        [("origin", "http://127.0.0.1")],
        [("origin", f"ftp://{PAGE_HOST}")],
        [OWN, ("sec-fetch-site", "cross-site")],
        [OWN, ("sec-fetch-site", "same-site")],
        [OWN, ("sec-fetch-site", "none")],
        [("referer", f"http://{PAGE_HOST}/")],
    ],
)
def test_refuses_pages_of_other_sites_even_with_the_right_token(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    assert status_of(access_with(tmp_path), *headers, *bearer(SHARED, "Ada")) == 403


def test_accepts_the_own_address_and_the_listed_origins(tmp_path: Path) -> None:
    access = access_with(tmp_path, origins="https://Strip.example.com:443/, http://10.0.0.5:8800")
    proof = bearer(SHARED, "Ada")
    for origin in (OWN, BEHIND, ("origin", "http://10.0.0.5:8800"), ("origin", f"https://{PAGE_HOST}")):
        assert access.person(request_of(origin, ("sec-fetch-site", "same-origin"), *proof)) == "Ada"
    assert status_of(access, ("origin", "http://strip.example.com"), *proof) == 403


def test_trusts_the_user_header_only_from_the_listed_proxies() -> None:
    access = behind_proxy()
    header = ("X-User", "ada@example.com")
    for address in (PROXY, f"::ffff:{PROXY}", "fd00::7"):
        assert access.person(request_of(BEHIND, header, client=address)) == "ada@example.com"
    for address in ("10.0.0.6", "127.0.0.1", "fd01::7", "", "unix"):
        assert status_of(access, BEHIND, header, client=address) == 403
    assert access.offer(request_of(header, client=PROXY))["person"] == "ada@example.com"
    assert access.offer(request_of(header, client="10.0.0.6"))["person"] is None


def test_an_address_in_a_forwarded_header_does_not_make_a_proxy() -> None:
    spoofed = [("X-Forwarded-For", PROXY), ("Forwarded", f"for={PROXY}"), ("X-Real-IP", PROXY)]
    assert status_of(behind_proxy(), BEHIND, ("X-User", "ada"), *spoofed, client="10.0.0.6") == 403


@pytest.mark.parametrize("values", [["ada", "root"], ["ada", "ada"], [""], [" "], ["a\tb\x7f"], ["x" * 61]])
def test_refuses_a_user_header_that_is_repeated_or_no_name(values: list[str]) -> None:
    assert status_of(behind_proxy(), BEHIND, *(("X-User", value) for value in values), client=PROXY) == 403


def test_reads_the_user_header_as_utf8() -> None:
    assert behind_proxy().person(request_of(BEHIND, ("X-User", "Jürgen"), client=PROXY)) == "Jürgen"


def test_a_proxy_without_the_header_signs_nobody_in() -> None:
    assert status_of(behind_proxy(), BEHIND, client=PROXY) == 401


def test_behind_a_proxy_only_the_listed_origins_may_write() -> None:
    rebound = ("origin", f"http://{PAGE_HOST}")  # the same as the Host header, which a rebound domain name sets as well
    assert status_of(behind_proxy(), rebound, ("X-User", "ada"), client=PROXY) == 403


def test_refuses_to_start_if_anyone_in_the_network_could_set_the_user_header() -> None:
    settings = ViewSettings(user_header="X-User", origins=BEHIND[1])
    assert Access(settings, host="127.0.0.1").writing
    for host in ("0.0.0.0", "::", "10.0.0.1", "strip.example.com", ""):
        with pytest.raises(SettingsError, match=r"view\.proxies"):
            Access(settings, host=host)


def test_a_token_also_works_next_to_a_proxy(tmp_path: Path) -> None:
    access = access_with(tmp_path, user_header="X-User", origins=BEHIND[1])
    assert access.person(request_of(BEHIND, *bearer(SHARED, "Ada"))) == "Ada"
    assert access.person(request_of(BEHIND, ("X-User", "bob"), *bearer(SHARED, "Ada"))) == "bob"


def test_stops_guesses_from_an_address_for_a_minute(tmp_path: Path) -> None:
    clock = Time()
    access = access_with(tmp_path, clock=clock)
    right, wrong = bearer(SHARED, "Ada"), bearer("wrong-token-12345", "Ada")
    assert [status_of(access, OWN, *wrong, client="10.1.1.1") for _ in range(10)] == [401] * 10
    assert status_of(access, OWN, *wrong, client="10.1.1.1") == 429
    assert status_of(access, OWN, *right, client="10.1.1.1") == 429, "otherwise guessing would continue"
    assert access.person(request_of(OWN, *right, client="10.1.1.2")) == "Ada"
    clock.now_s = 60
    assert access.person(request_of(OWN, *right, client="10.1.1.1")) == "Ada"


def test_addresses_of_one_ipv6_network_count_as_one(tmp_path: Path) -> None:
    access = access_with(tmp_path)
    for number in range(10):
        assert status_of(access, OWN, *bearer("wrong-token-12345", "A"), client=f"2001:db8::{number}") == 401
    assert status_of(access, OWN, *bearer(SHARED, "A"), client="2001:db8::ffff:1") == 429
    assert access.person(request_of(OWN, *bearer(SHARED, "A"), client="2001:db8:0:1::1")) == "A"


def test_limits_the_writes_of_a_person(tmp_path: Path) -> None:
    clock = Time()
    access = access_with(tmp_path, f"Ada:{ADA}\nBob:{BOB}", clock)
    for _ in range(60):
        access.person(request_of(OWN, *bearer(ADA)))
    assert status_of(access, OWN, *bearer(ADA)) == 429
    assert access.person(request_of(OWN, *bearer(BOB))) == "Bob"
    clock.now_s = 60
    assert access.person(request_of(OWN, *bearer(ADA))) == "Ada"


def test_names_in_messages_and_limits_are_bounded(tmp_path: Path) -> None:
    access = access_with(tmp_path)
    for number in range(3000):
        with pytest.raises(AccessRefusedError):
            access.person(
                request_of(OWN, *bearer("wrong-token-12345", "A"), client=f"10.0.{number // 250}.{number % 250}")
            )
    assert len(access._wrong_tokens._times) == 1000
    with pytest.raises(AccessRefusedError) as refused:
        access.person(request_of(("origin", "http://" + "x" * 100_000)))
    assert len(str(refused.value)) < 500
