"""The cookie jar: what a browser keeps and sends."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.testing import CookieJar

URL = "http://app.example.org/shop/cart"


def sent(header: str, url: str, origin: str = URL) -> str | None:
    jar = CookieJar("app.example.org")
    jar.store(origin, [header])
    return jar.header(url)


@pytest.mark.parametrize(
    ("header", "url", "expected"),
    [
        ("a=1", "http://app.example.org/shop/x", "a=1"),
        ("a=1", "http://app.example.org/shop", "a=1"),
        ("a=1", "http://app.example.org/shopping", None),
        ("a=1", "http://app.example.org/", None),
        ("a=1; Path=/", "http://app.example.org", "a=1"),
        ("a=1; Path=relative", "http://app.example.org/shop/x", "a=1"),
        ("a=1; Path=/docs/", "http://app.example.org/docs/x", "a=1"),
        ("a=1; Path=/docs/", "http://app.example.org/docs", None),
        ("a=1; Path=/", "http://other.example.org/", None),
        ("a=1; Path=/", "http://sub.app.example.org/", None),
        ("a=1; Path=/; Domain=.example.org", "http://other.example.org/", "a=1"),
        ("a=1; Path=/; Domain=EXAMPLE.org", "http://example.org/", "a=1"),
        ("a=1; Path=/; Domain=ample.org", "http://app.example.org/", None),
        ("a=1; Path=/; Domain=elsewhere.org", "http://elsewhere.org/", None),
        ("a=1; Path=/; Secure", "https://app.example.org/", None),  # came without https
        (" a = 1 2 ; Path=/", "http://app.example.org/", "a=1 2"),
        ("nameless; Path=/", "http://app.example.org/", "nameless"),
        ("a=; Path=/", "http://app.example.org/", "a="),
        ("; Path=/", "http://app.example.org/", None),
        (f"a={'x' * 5000}; Path=/", "http://app.example.org/", None),
        ("a=1; Path=/; Max-Age=9", "http://app.example.org/", "a=1"),
        ("a=1; Path=/; Max-Age=0", "http://app.example.org/", None),
        ("a=1; Path=/; Max-Age=-1", "http://app.example.org/", None),
        ("a=1; Path=/; Max-Age=soon", "http://app.example.org/", "a=1"),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://app.example.org/", None),
        ("a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://app.example.org/", None),
        ("a=1; Path=/; Expires=whenever", "http://app.example.org/", "a=1"),
        ("a=1; Path=/; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://app.example.org/", "a=1"),
    ],
)
def test_what_is_kept_and_sent(header: str, url: str, expected: str | None) -> None:
    assert sent(header, url) == expected


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("__Host-a=1; Path=/; Secure", True),
        ("__Host-a=1; Path=/", False),
        ("__Host-a=1; Secure", False),
        ("__Host-a=1; Path=/; Secure; Domain=example.org", False),
        ("__Secure-a=1; Secure; Domain=example.org", True),
        ("__secure-a=1", False),
    ],
)
def test_prefixes(header: str, kept: bool) -> None:
    jar = CookieJar()
    jar.store("https://app.example.org/", [header])
    assert len(jar) == kept


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/", True),
        ("http://example.org/", False),
        ("http://localhost:8000/", True),
        ("http://app.localhost/", True),
        ("http://127.0.0.1/", True),
        ("http://[::1]:1/", True),
        ("http://192.0.2.1/", False),
    ],
)
def test_secure_cookies_need_https_or_this_machine(url: str, kept: bool) -> None:
    jar = CookieJar()
    jar.store(url, ["a=1; Secure"])
    assert jar.header(url) == ("a=1" if kept else None)


def test_an_address_has_no_subdomains() -> None:
    jar = CookieJar()
    jar.store("http://127.0.0.1/", ["a=1; Domain=127.0.0.1", "b=1; Domain=0.0.1"])
    assert jar.header("http://127.0.0.1/") == "a=1"
    assert jar.cookie("a").host_only


def test_longer_paths_come_first() -> None:
    jar = CookieJar()
    jar.store(URL, ["a=old; Path=/", "b=1; Path=/shop", "a=2; Path=/"])
    assert jar.header(URL) == "b=1; a=2"


def test_it_is_a_mapping_of_names() -> None:
    jar = CookieJar("Example.org")
    jar["a"] = "1"
    jar.set("b", "2", domain=".example.org", path="/deep")
    assert (jar["a"], jar.get("b"), jar.get("c"), jar.get("c", "none")) == ("1", "2", None, "none")
    assert ("a" in jar, "c" in jar, len(jar)) == (True, False, 2)
    assert [(cookie.name, cookie.host_only, cookie.path) for cookie in jar] == [("a", True, "/"), ("b", False, "/deep")]
    assert repr(jar) == "CookieJar(['a', 'b'])"
    assert jar.header("http://www.example.org/deep/er") == "b=2"
    del jar["a"]
    with pytest.raises(KeyError):
        del jar["a"]
    jar.clear()
    assert len(jar) == 0


def test_attributes() -> None:
    jar = CookieJar()
    moment = round(time.time()) + 100
    jar.store(URL, [f"a=1; HttpOnly; SameSite=Lax; Expires={formatdate(moment, usegmt=True)}"])
    cookie = jar.cookie("a")
    assert (cookie.http_only, cookie.same_site, cookie.expires) == (True, "Lax", moment)
    assert cookie.attributes["samesite"] == "Lax"


def test_cookies_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    jar = CookieJar()
    jar.store(URL, ["a=1; Max-Age=10; Path=/"])
    assert jar.header(URL) == "a=1"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 11)
    assert jar.header(URL) is None
    assert "a" not in jar


def test_an_expired_cookie_deletes() -> None:
    jar = CookieJar()
    jar.store(URL, ["a=1; Path=/", "a=; Path=/; Max-Age=0"])
    assert len(jar) == 0


@given(st.text())
def test_nothing_is_too_odd(header: str) -> None:
    jar = CookieJar()
    jar.store("https://example.org/x", [header])
    jar.header("https://example.org/x")
