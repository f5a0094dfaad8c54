from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gobstopper_http import Request, Response, send
from gobstopper_http.testing import TestClient
from gobstopper_sessions import CookieSessionStorage, SessionMiddleware
from gobstopper_sessions.sealing import Sealer

KEY, OTHER = "k" * 32, "o" * 32
NAME = "__Host-session"


def app(storage: CookieSessionStorage, **options: Any) -> Any:
    middleware = SessionMiddleware(storage, **options)

    async def handler(request: Request) -> Response:
        match request.path:
            case "/count":
                request.session["count"] = request.session.get("count", 0) + 1
            case "/logout":
                request.session.invalidate()
            case "/big":
                request.session["x"] = "é" * 3000
            case "/bad":
                request.session["x"] = {1}
            case "/quiet":
                return Response("quiet")
        return Response(msgspec.json.encode(dict(request.session)))

    async def rsgi(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        await send(request, await middleware(request, handler))

    return rsgi


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app(CookieSessionStorage(KEY)), base_url="https://example.org") as client:
        yield client


def test_data_lasts_in_the_cookie(client: TestClient) -> None:
    assert client.get("/count").json() == {"count": 1}
    assert client.get("/count").json() == {"count": 2}
    assert "set-cookie" not in client.get("/").headers
    assert "set-cookie" not in client.get("/quiet").headers
    assert client.get("/logout").json() == {}
    assert NAME not in client.cookies
    assert "set-cookie" not in client.get("/logout").headers
    assert "set-cookie" not in client.get("/").headers


def test_nobody_can_read_it(client: TestClient) -> None:
    client.get("/count")
    opened = Sealer([KEY]).open(client.cookies[NAME], b"session")
    assert opened is not None
    assert b"count" in opened
    assert "count" not in client.cookies[NAME]


@pytest.mark.parametrize(
    "change", [lambda v: v[:-1], lambda v: v + "A", lambda v: "A" + v[1:], lambda v: v[::-1], lambda v: ""]
)
def test_a_tampered_cookie_counts_for_nothing(client: TestClient, change: Any) -> None:
    client.get("/count")
    value = client.cookies[NAME]
    client.cookies.clear()
    assert client.get("/", headers={"cookie": f"{NAME}={change(value)}"}).json() == {}


@pytest.mark.parametrize("value", ["A" * 10_000, "../../x", '"\\000"', "%00", "a" * 43, "{}", "é"])
def test_a_cookie_of_the_clients_choice_counts_for_nothing(client: TestClient, value: str) -> None:
    assert client.get("/count", headers={"cookie": f"{NAME}={value}"}).json() == {"count": 1}
    assert client.get("/count").json() == {"count": 2}


def test_an_old_cookie_brings_the_old_data_back_as_its_documentation_says(client: TestClient) -> None:
    client.get("/count")
    old = client.cookies[NAME]
    client.get("/count")
    client.get("/logout")
    assert client.get("/", headers={"cookie": f"{NAME}={old}"}).json() == {"count": 1}
    assert "replayed" in str(CookieSessionStorage.__doc__)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"x", b"[" * 3000, b'["id",1,2,[]]', b"\xff"])
def test_sealed_text_of_another_shape_counts_for_nothing(client: TestClient, content: bytes) -> None:
    value = Sealer([KEY]).seal(content, b"session")
    assert client.get("/", headers={"cookie": f"{NAME}={value}"}).json() == {}


def test_it_is_bound_to_its_cookie() -> None:
    with TestClient(app(CookieSessionStorage(KEY)), base_url="https://example.org") as one:
        one.get("/count")
        value = one.cookies[NAME]
    with TestClient(app(CookieSessionStorage(KEY), cookie_name="admin"), base_url="https://example.org") as other:
        assert other.get("/", headers={"cookie": f"__Host-admin={value}"}).json() == {}


def test_keys_rotate() -> None:
    with TestClient(app(CookieSessionStorage(KEY)), base_url="https://example.org") as client:
        client.get("/count")
        value = client.cookies[NAME]
    with TestClient(app(CookieSessionStorage([OTHER, KEY])), base_url="https://example.org") as client:
        assert client.get("/count", headers={"cookie": f"{NAME}={value}"}).json() == {"count": 2}
        new = client.cookies[NAME]
    with TestClient(app(CookieSessionStorage([OTHER])), base_url="https://example.org") as client:
        assert client.get("/", headers={"cookie": f"{NAME}={value}"}).json() == {}
        assert client.get("/", headers={"cookie": f"{NAME}={new}"}).json() == {"count": 2}


def test_it_expires_idle_and_absolutely(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr(time, "time", lambda: clock.now)
    storage = CookieSessionStorage(KEY)
    with TestClient(app(storage, idle_timeout=100, absolute_timeout=250), base_url="https://example.org") as client:
        client.get("/count")
        replayed = client.cookies[NAME]
        clock.now += 5
        assert "set-cookie" not in client.get("/").headers
        for _ in range(2):
            clock.now += 90
            assert "set-cookie" in client.get("/quiet").headers  # renewed
        assert client.get("/").json() == {"count": 1}
        assert client.get("/", headers={"cookie": f"{NAME}={replayed}"}).json() == {}
        clock.now += 66
        assert client.get("/").json() == {}


def test_too_much_is_an_error(client: TestClient) -> None:
    with pytest.raises(ValueError, match="browsers drop it beyond 3,900"):
        client.get("/big")
    with pytest.raises(TypeError, match=r"session\['x'\]"):
        client.get("/bad")


def test_keys_come_from_the_application() -> None:
    storage = CookieSessionStorage()
    with pytest.raises(RuntimeError, match="has no key"):
        _ = storage.sealer
    with pytest.raises(ValueError, match="set SECRET_KEY"):
        storage.setup(SimpleNamespace(secret_keys=[]))
    storage.setup(SimpleNamespace(secret_keys=[KEY, OTHER]))
    sealer = storage.sealer
    storage.setup(SimpleNamespace(secret_keys=[OTHER]))
    assert storage.sealer is sealer


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gobstopper_sessions.sealing", None)
    with pytest.raises(ImportError, match=r"gobstopper-sessions\[cookie\]"):
        CookieSessionStorage(KEY)


async def test_closing_is_harmless() -> None:
    await CookieSessionStorage(KEY).close()
