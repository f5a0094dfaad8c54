"""Whom a request is for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gobstopper_http.authority import authority_of


def authority(hosts: list[str], *, target: str | None = None, version: str = "1.1", sent: bool = True) -> str | None:
    headers = {"host": hosts} if sent else {}
    return authority_of(SimpleNamespace(authority=target, http_version=version, headers=headers), hosts)


@pytest.mark.parametrize(
    "host", ["a", "a.example:80", "127.0.0.1:8000", "[::1]:8000", "a-b_c.example.", "a:", "a:65535", "[::ffff:1.2.3.4]"]
)
def test_good_ones(host: str) -> None:
    assert authority([host]) == host
    assert authority([], target=host, version="2") == host
    assert authority([host], version="2") == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a/b",
        "a@b",
        "[::1",
        "a:123456",
        "é",
        'a"b',
        "a\n",
        "a:65536",
        "[.]",
        "[:::]",
        "[1]:80",
        "[::1]:65536",
    ],
)
def test_malformed_ones(host: str) -> None:
    assert authority([host]) is None
    assert authority([host], version="2") is None
    assert authority(["a"], target=host) is None or host == ""


@pytest.mark.parametrize("version", ["1", "1.1", "2"])
def test_missing_and_doubled(version: str) -> None:
    assert authority([], version=version, sent=False) == ("" if version == "1" else None)
    assert authority(["a", "a"], version=version) == (None if version != "2" else "a")
    assert authority(["a", "b"], version=version) is None


def test_an_invalid_value_is_not_the_same_as_none() -> None:
    """The server hides a value that is not visible ASCII, not the name."""
    assert authority([], version="1") is None


def test_the_target_goes_first() -> None:
    assert authority(["b"], target="a") == "a"
    assert authority([], target="a") is None, "1.1 without Host is refused whatever the target says"
    assert authority([], target="a", version="1", sent=False) == "a"


def test_on_http_2_both_have_to_agree() -> None:
    assert authority(["a"], target="a", version="2") == "a"
    assert authority(["b"], target="a", version="2") is None
