from __future__ import annotations

import re
from typing import Any

import pytest

from gobstopper_http import HTTPException, Request, Response, WebSocket
from gobstopper_http.testing import TestClient, WebSocketRejected
from gobstopper_middleware import SecurityMiddleware
from gobstopper_sessions import FileSessionStorage, MemorySessionStorage
from middleware_site import Site

NAME = "__Host-session"


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return Response(str(request.session["count"]))


async def form(request: Request) -> Response:
    return Response(request.csrf_token, headers={"x-nonce": request.csp_nonce})


async def fails(request: Request) -> Response:
    raise HTTPException(418)


HANDLERS = {"/count": count, "/form": form, "/fails": fails}


def start(*, dressed: bool = True, **options: Any) -> TestClient:
    options.setdefault("session_storage", MemorySessionStorage())
    return TestClient(
        Site(SecurityMiddleware(**options), handlers=HANDLERS, dressed=dressed), base_url="https://example.org"
    )


@pytest.mark.parametrize("dressed", [True, False])
def test_everything_together(dressed: bool) -> None:
    with start(dressed=dressed) as client:
        assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        response = client.get("/form")
        assert f"'nonce-{response.headers['x-nonce']}'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert client.post("/count").status == 403
        assert client.post("/count", headers={"x-csrf-token": response.text}).text == "4"
        assert client.post("/count", headers={"sec-fetch-site": "cross-site"}).status == 403
        names = [name for name, _ in client.get("/count").headers.items()]
        assert len(names) == len(set(names))


def test_refusals_and_errors_have_the_headers() -> None:
    with start() as client:
        for response in (client.post("/", headers={"origin": "https://evil.example"}), client.get("/fails")):
            assert response.status in {403, 418}
            assert response.headers["x-frame-options"] == "DENY"
            assert "strict-transport-security" in response.headers


def test_an_untouched_session_is_renewed_and_leaves_no_trace() -> None:
    with start(idle_timeout=100) as client:
        client.get("/count")
        response = client.get("/")
        assert "cache-control" not in response.headers
        assert "vary" not in response.headers


def test_parts_can_be_turned_off() -> None:
    with start(csrf=False) as client:
        client.get("/count")
        assert client.post("/count", headers={"origin": "https://evil.example"}).text == "2"
    with start(headers=False) as client:
        assert "x-frame-options" not in client.get("/").headers
    with start(sessions=False, session_storage=None) as client:
        assert client.post("/", headers={"origin": "https://evil.example"}).status == 403
        assert client.get("/").status == 200
        with pytest.raises(AttributeError):
            client.get("/count")
    with pytest.raises(ValueError, match="sessions=False"):
        SecurityMiddleware(sessions=False, session_storage=MemorySessionStorage())


def test_options_reach_the_parts() -> None:
    middleware = SecurityMiddleware(
        session_storage=MemorySessionStorage(), cookie_name="sid", cookie_domain="example.org",
        cookie_samesite="Strict", cookie_secure=True, trusted_origins=["https://trusted.example"],
        csrf_exempt=["/hook"], idle_timeout=10, absolute_timeout=20, hsts="max-age=1", referrer_policy="no-referrer",
        permissions_policy="usb=()",
        content_security_policy="default-src 'none'", cookie_persistent=True,
    )  # fmt: skip
    assert middleware.sessions is not None
    assert middleware.sessions.backend.lifetimes.idle == 10
    with TestClient(Site(middleware, handlers=HANDLERS), base_url="https://www.example.org") as client:
        response = client.get("/count")
        assert re.match(r"__Secure-sid=[\w-]{43}; Domain=example.org; Max-Age=20; ", response.headers["set-cookie"])
        assert response.headers["content-security-policy"] == "default-src 'none'"
        assert response.headers["strict-transport-security"] == "max-age=1"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["permissions-policy"] == "usb=()"
        assert client.post("/", headers={"origin": "https://trusted.example"}).status == 200
        assert client.post("/hook").status == 404


def test_the_default_storage_is_files() -> None:
    sessions = SecurityMiddleware().sessions
    assert sessions is not None
    assert isinstance(sessions.storage, FileSessionStorage)


def test_websockets() -> None:
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(websocket.session.get("count")))
        await websocket.close()

    cases: list[dict[str, Any]] = [{}, {"csrf": False}]
    for options in cases:
        middleware = SecurityMiddleware(session_storage=MemorySessionStorage(), **options)
        site = Site(middleware, handlers=HANDLERS, dressed=False)
        site.socket = socket
        with TestClient(site, base_url="https://example.org") as client:
            client.get("/count")
            with client.websocket("/") as connection:
                assert connection.receive_text() == "1"
            if not options:
                with (
                    pytest.raises(WebSocketRejected),
                    client.websocket("/", headers={"origin": "https://evil.example"}),
                ):
                    pass
    with start(sessions=False, session_storage=None) as client, client.websocket("/") as connection:
        assert connection.receive_text() == "hello"


@pytest.mark.parametrize("with_headers", [True, False])
def test_in_a_plain_chain_too_an_answer_may_be_returned_again(with_headers: bool) -> None:
    kept = Response("page")

    async def page(request: Request) -> Response:
        if request.query:
            request.session["user"] = "a"
        return kept

    security = SecurityMiddleware(session_storage=MemorySessionStorage(), headers=with_headers)
    with TestClient(Site(security, handlers={"/page": page}, dressed=False), base_url="https://example.org") as client:
        assert "set-cookie" in client.get("/page?first=1").headers
        client.cookies.clear()
        assert "set-cookie" not in client.get("/page").headers
