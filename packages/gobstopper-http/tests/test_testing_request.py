"""Putting requests together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.datastructures import Headers
from gobstopper_http.testing.request import build_request, encode_url
from gobstopper_http.testing.scope import BadTarget, parse_target

URL = "http://h/"


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        ("http://h", "http://h/"),
        ("http://h//x/../y", "http://h//x/../y"),
        ("http://h/a b?c d#e", "http://h/a%20b?c%20d"),
        ("http://h/é?é", "http://h/%C3%A9?%C3%A9"),
        ("http://h/%2F%zz<>`", "http://h/%2F%zz%3C%3E%60"),
    ],
)
def test_urls(url: str, encoded: str) -> None:
    assert encode_url(url) == encoded


@pytest.mark.parametrize(
    ("params", "url"),
    [
        ({"a": [1, "b c"], "n": None, "t": True}, "http://h/?x=1&a=1&a=b+c&t=true"),
        ("a=ü", "http://h/?x=1&a=%C3%BC"),
        ({}, "http://h/?x=1"),
    ],
)
def test_params(params: Any, url: str) -> None:
    assert encode_url("http://h/?x=1", params) == url


@pytest.mark.parametrize("url", ["http://h/a\nb", "mailto:x", "http:///x", "/x"])
def test_bad_urls(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        encode_url(url)


@pytest.mark.parametrize(
    "options",
    [
        {"json": 1, "content": b""},
        {"json": 1, "data": {}},
        {"content": b"", "files": {}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a b": "c"}},
    ],
)
def test_bad_requests(options: Any) -> None:
    with pytest.raises(ValueError):
        build_request("POST", URL, **options)


def test_a_bad_method() -> None:
    with pytest.raises(ValueError, match="no HTTP method"):
        build_request("GE T", URL)


def test_form_text_cannot_go_with_files() -> None:
    with pytest.raises(TypeError, match="mapping"):
        build_request("POST", URL, data="a=1", files={"f": b""})


def test_lengths() -> None:
    assert build_request("GET", URL).header("content-length") is None
    assert build_request("POST", URL).header("content-length") == "0"
    assert build_request("POST", URL, content=b"x", headers={"Content-Length": "9"}).header("content-length") == "9"
    assert (
        build_request("POST", URL, content=iter([]), headers={"content-length": "9"}).header("transfer-encoding")
        is None
    )


def test_headers_repeat_and_keep_their_host() -> None:
    headers = Headers([("x-a", "1"), ("x-a", "2"), ("host", "other")])
    assert build_request("get", URL, headers=headers).headers == (("x-a", "1"), ("x-a", "2"), ("host", "other"))
    assert build_request("GET", "http://u:p@h:8/").header("Host") == "h:8"


@given(st.text())
def test_every_target_is_parsed_or_refused(target: str) -> None:
    try:
        path, query, _ = parse_target(target)
    except BadTarget:
        return
    assert isinstance(path, str)
    assert isinstance(query, str)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc", "Cs"])))
def test_every_path_arrives(path: str) -> None:
    url = encode_url("http://h/" + path.replace("?", "").replace("#", "").replace("%", ""))
    request = build_request("GET", url)
    head = request.head(http_version="1.1", client="", server="")
    arrived = parse_target(head.target).path
    assert arrived == "/" + path.replace("?", "").replace("#", "").replace("%", "")
