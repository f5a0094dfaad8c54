from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_middleware.origins import check_origins, is_same_host, parse_origin


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("https://example.org", ("https", "example.org", "443")),
        ("HTTP://Example.ORG:8080", ("http", "example.org", "8080")),
        ("http://[::1]:80", ("http", "[::1]", "80")),
        ("chrome-extension://abcdef", ("chrome-extension", "abcdef", "")),
        ("https://example.org:0443", ("https", "example.org", "443")),
    ],
)
def test_origins_are_read(text: str, parsed: tuple[str, str, str]) -> None:
    assert parse_origin(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "https://", "https://example.org/", "https://user@example.org", "https://a b", "*"),
        *("https://example.org:", "https://example.org:99999999", "//example.org", "https:example.org", "h" * 10_000),
        *("https://example.org?x", "https://é.org", "https://example.org\0", "https://example.org\n", "https://[::1"),
        *("https://*.example.org", "https://a.org,https://evil.org", "https://a.org https://evil.org"),
    ],
)
def test_what_is_no_origin(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "same"),
    [
        ("https://example.org", "example.org", "https", True),
        ("https://example.org", "example.org:443", "https", True),
        ("https://EXAMPLE.org", "example.ORG", "https", True),
        ("http://localhost:8000", "localhost:8000", "http", True),
        ("https://example.org", "example.org", "http", True),  # behind a proxy that ends TLS
        ("http://example.org", "example.org", "https", False),  # somebody in the middle
        ("https://example.org:8443", "example.org", "https", False),
        ("https://example.org.evil.org", "example.org", "https", False),
        ("https://evil.org", "example.org", "https", False),
        ("https://sub.example.org", "example.org", "https", False),
        ("null", "null", "https", False),
        ("null", "example.org", "https", False),
        ("", "", "https", False),
        ("file://example.org", "example.org", "http", False),
        ("https://example.org", "", "https", False),
        ("https://a@example.org", "example.org", "https", False),
        ("https://evil.org", "example.org@evil.org", "https", False),
    ],
)
def test_same_host(origin: str, host: str, scheme: str, same: bool) -> None:
    assert is_same_host(origin, host, scheme) is same


@given(st.text(), st.text(), st.sampled_from(["http", "https"]))
def test_comparing_never_raises(origin: str, host: str, scheme: str) -> None:
    is_same_host(origin, host, scheme)


LABEL = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=3).map(".".join)


@given(HOST, HOST, st.integers(1, 65535), st.integers(1, 65535))
def test_only_the_same_host_and_port_pass(one: str, other: str, port: int, other_port: int) -> None:
    same = (one, port) == (other, other_port)
    assert is_same_host(f"https://{one}:{port}", f"{other}:{other_port}", "https") is same


def test_allowed_origins_are_checked() -> None:
    assert check_origins("x", ["https://Example.org:443", "http://a:8080"]) == {"https://example.org", "http://a:8080"}
    assert check_origins("x", ["null"], allow=frozenset({"null"})) == {"null"}
    for bad in ("https://example.org/", "example.org", "*", "https://*.example.org", "null", ""):
        with pytest.raises(ValueError, match=r"x: .* is no origin: write scheme://host"):
            check_origins("x", [bad])
    with pytest.raises(TypeError, match="sequence"):
        check_origins("x", "https://example.org")
