from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.cookies import parse_cookie
from gobstopper_sessions.session_cookie import SessionCookie, is_loopback_host


def request(*headers: str, host: str = "example.org") -> Any:
    class Raw(dict[str, str]):
        def get_all(self, name: str) -> list[str]:
            return list(headers)

    raw = Raw(host=host)
    if headers:
        raw["cookie"] = headers[0]
    cookies = parse_cookie("; ".join(headers))
    return SimpleNamespace(raw_headers=raw, cookies=cookies, scope=SimpleNamespace(authority=None))


PIECES = st.sampled_from(
    ["__Host-session", "session", "=", ";", "; ", " ", "\t", '"', "\\", "abc", "a" * 43, ",", "__host-session", "x=y"]
)
HEADER = st.lists(PIECES, max_size=8).map("".join)


@given(HEADER, st.none() | HEADER)
def test_the_short_cut_finds_what_the_parser_finds(first: str, second: str | None) -> None:
    found = request(first) if second is None else request(first, second)
    for debug in (False, True):
        cookie = SessionCookie("session")
        if debug:
            cookie.allow_plain()
        assert cookie.find(found) == parse_cookie("; ".join(found.raw_headers.get_all("cookie"))).get("__Host-session")


def test_in_development_the_other_name_counts() -> None:
    cookie = SessionCookie("session")
    cookie.allow_plain()
    assert cookie.find(request("session=a; __Host-session=b", host="localhost:8000")) == "a"
    assert cookie.find(request("session=a; __Host-session=b", host="example.org")) == "b"


@pytest.mark.parametrize("name", ["sid", "__Host-sid", "__Secure-sid", "__host-sid"])
def test_the_prefix_is_put_once(name: str) -> None:
    assert SessionCookie(name).secure_name == "__Host-sid"
    assert SessionCookie(name, domain="example.org").secure_name == "__Secure-sid"
    assert SessionCookie(name, secure=False).name_for("example.org") == "sid"
    assert SessionCookie(name, secure=True).name_for("localhost") == "__Host-sid"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9:1", True),
        ("[::1]:8000", True),
        ("", False),
        ("localhost.example.org", False),
        ("xlocalhost", False),
        ("a.b.localhost.evil", False),
        ("127.0.0.1.example.org", False),
        ("128.0.0.1", False),
        ("localhost:", False),
        ("localhost@evil", False),
        ("localhost\n", False),
        ("[::2]", False),
    ],
)
def test_what_counts_as_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback_host(host) is loopback


def test_a_first_field_that_the_server_does_not_hand_over_hides_no_other() -> None:
    """On HTTP/2 a browser may send each cookie in a field of its own; one that is not ASCII reads as missing."""

    class Raw(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            return default if name == "cookie" else super().get(name, default)

    hidden = SimpleNamespace(raw_headers=Raw(host="example.org", cookie=""), cookies={"__Host-session": "id"})
    hidden.scope = SimpleNamespace(authority=None)
    assert SessionCookie("session").find(hidden) == "id"
