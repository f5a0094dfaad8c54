"""The choice between the wheel and its pure-Python twin, and the twin itself."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import _fallback, _impl
from gobstopper_http._impl import parse_cookies, parse_query


def test_what_was_chosen() -> None:
    assert _impl.IMPL in {"python", "rust"}


@pytest.mark.parametrize("wanted", ["auto", "python"])
def test_without_the_wheel(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_impl, "import_module", missing)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _impl._choose(wanted) is _fallback


def missing(name: str) -> Any:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def broken(name: str) -> Any:
    raise ImportError("undefined symbol", name=name)


def test_a_forced_wheel_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_impl, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'gobstopper-http\[rust\]'"):
        _impl._choose("rust")


def test_an_unknown_wish() -> None:
    with pytest.raises(ImportError, match="use auto, python or rust"):
        _impl._choose("fast")


def test_a_broken_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_impl, "import_module", broken)
    with pytest.warns(UserWarning, match="installed but broken"):
        assert _impl._choose("auto") is _fallback


@pytest.mark.parametrize("wanted", ["auto", "rust"])
def test_a_wheel(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = types.ModuleType("gobstopper_http_rs")
    monkeypatch.setitem(sys.modules, "gobstopper_http_rs", wheel)
    chosen: Any = _impl._choose(wanted)
    assert chosen is wheel


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("", []),
        ("&&", []),
        ("a", [("a", "")]),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a=b=c&=d&=", [("a", "b=c"), ("", "d"), ("", "")]),
        ("a+b=%20%2B", [("a b", " +")]),
        ("%zz=%", [("%zz", "%")]),
        ("%ff=%c3%a9", [("�", "é")]),
    ],
)
def test_queries(query: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_query(query, 100) == pairs


def test_a_query_has_as_many_fields_as_it_may() -> None:
    assert len(parse_query("a&b&c", 3)) == 3
    with pytest.raises(ValueError, match="more than 3 fields"):
        parse_query("a&b&c&d", 3)
    with pytest.raises(ValueError):
        parse_query("&&&", 3)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=8))
def test_a_query_comes_back(pairs: list[tuple[str, str]]) -> None:
    try:
        query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    except UnicodeEncodeError:
        return
    assert parse_query(query, 100) == pairs


@given(st.text(alphabet="ab=&+%20fé;", max_size=60))
def test_as_the_standard_library(query: str) -> None:
    assert parse_query(query, 1000) == parse_qsl(query, keep_blank_values=True)


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("", []),
        ("a=1; b=2", [("a", "1"), ("b", "2")]),
        (" a = 1 ;b= ;c", [("a", "1"), ("b", "")]),
        ("=x; ;;a==", [("a", "=")]),
        ('a="x;y"', [("a", '"x')]),
    ],
)
def test_cookies(header: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_cookies(header) == pairs


@given(st.text(max_size=100))
def test_any_cookie(header: str) -> None:
    assert all(name and ";" not in name + value for name, value in parse_cookies(header))
