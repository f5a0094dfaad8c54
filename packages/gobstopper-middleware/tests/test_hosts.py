from __future__ import annotations

from typing import Any

import pytest

from gobstopper_http.testing import TestClient, WebSocketRejected
from gobstopper_middleware import AllowedHostsMiddleware
from middleware_site import Site, make_context


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("example.org", 200),
        ("EXAMPLE.org", 200),
        ("example.org:8000", 200),
        ("exact.example:81", 200),
        ("exact.example", 400),
        ("exact.example:82", 400),
        ("[::1]", 200),
        ("[::1]:80", 200),
        ("sub.example.org", 400),
        ("example.org.evil.org", 400),
        ("evil.org", 400),
        ("example.org.", 400),
        ("example.org:x", 400),
        ("example.org@evil.org", 400),
        ("example.org, evil.org", 400),
        ("", 400),
        ("*", 400),
    ],
)
@pytest.mark.parametrize("configured", [True, False])
def test_hosts_match_exactly(host: str, status: int, configured: bool) -> None:
    hosts = ["Example.org", "exact.example:81", "[::1]"]
    if configured:
        site = Site(AllowedHostsMiddleware(), config={"ALLOWED_HOSTS": hosts})
    else:
        site = Site(AllowedHostsMiddleware(allowed_hosts=hosts), config={"ALLOWED_HOSTS": ["other"]})
    with TestClient(site) as client:
        assert client.get("/", headers={"host": host}).status == status


def test_two_hosts_are_refused() -> None:
    with TestClient(Site(AllowedHostsMiddleware(allowed_hosts=["*"]))) as client:
        assert client.get("/", headers=[("host", "a"), ("host", "b")]).status == 400
        assert client.get("/", headers={"host": "anything"}).status == 200


def test_without_a_list_only_malformed_ones_are_refused() -> None:
    with TestClient(Site(AllowedHostsMiddleware())) as client:
        assert client.get("/", headers={"host": "anything"}).status == 200
        assert client.get("/", headers={"host": "a/b"}).status == 400


def test_websockets_too() -> None:
    with TestClient(Site(AllowedHostsMiddleware(allowed_hosts=["example.org"]))) as client:
        with client.websocket("/", headers={"host": "example.org"}) as socket:
            assert socket.receive_text() == "hello"
        with pytest.raises(WebSocketRejected), client.websocket("/", headers={"host": "evil.org"}):
            pass


@pytest.mark.parametrize("hosts", [["*.example.org"], ["https://example.org"], ["a b"], [""], ["a@b"], ["a\n"]])
def test_mistakes(hosts: list[str]) -> None:
    with pytest.raises(ValueError, match="is no host"):
        AllowedHostsMiddleware(allowed_hosts=hosts)
    with pytest.raises(ValueError, match="is no host"):
        AllowedHostsMiddleware().setup(make_context(config={"ALLOWED_HOSTS": hosts}))


def test_a_single_string_is_a_mistake() -> None:
    value: Any = "example.org"
    with pytest.raises(TypeError, match="give a sequence"):
        AllowedHostsMiddleware(allowed_hosts=value)
