from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gobstopper_http import JSONResponse, Request, Response, send
from gobstopper_http.testing import AsyncTestClient, TestClient
from gobstopper_sessions import CookieSessionStorage, MemorySessionStorage, SessionMiddleware
from gobstopper_sessions.testing import session_of


class Site:
    def __init__(self, middleware: SessionMiddleware, *, debug: bool = False, known: bool = True) -> None:
        self.middleware = middleware
        if known:
            middleware.setup(SimpleNamespace(app=self, debug=debug, secret_keys=[]))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        async def handler(request: Request) -> Response:
            if scope.path == "/count":
                request.session["count"] = request.session.get("count", 0) + 1
            return JSONResponse(dict(request.session))

        request = Request.from_rsgi(scope, proto)
        response = await self.middleware(request, handler)
        self.middleware.finalize(request, response)
        await send(request, response)


@pytest.mark.parametrize("storage", [MemorySessionStorage, lambda: CookieSessionStorage("k" * 32)])
@pytest.mark.parametrize("debug", [False, True])
def test_a_test_reads_and_sets_the_session(storage: Any, debug: bool) -> None:
    with TestClient(Site(SessionMiddleware(storage()), debug=debug)) as client:
        with session_of(client) as session:
            assert dict(session) == {}
            session["user"] = 7
        assert client.get("/").json() == {"user": 7}
        client.get("/count")
        with session_of(client) as session:
            assert dict(session) == {"user": 7, "count": 1}
            session["user"] = 8
        assert client.get("/").json() == {"user": 8, "count": 1}
        with session_of(client) as session:
            session.rotate()
        assert client.get("/").json() == {"user": 8, "count": 1}
        with session_of(client) as session:
            session.invalidate()
        assert len(client.cookies) == 0
        assert client.get("/").json() == {}


async def test_with_the_asynchronous_client() -> None:
    async with AsyncTestClient(Site(SessionMiddleware(MemorySessionStorage()))) as client:
        with session_of(client) as session:
            session["user"] = 7
        assert (await client.get("/")).json() == {"user": 7}


def test_a_middleware_that_is_not_known_can_be_given() -> None:
    middleware = SessionMiddleware(MemorySessionStorage())
    with TestClient(Site(middleware, known=False)) as client:
        with pytest.raises(LookupError, match="pass middleware="), session_of(client):
            pass
        with session_of(client, middleware) as session:
            session["user"] = 7
        assert client.get("/").json() == {"user": 7}


def test_nothing_is_saved_if_the_block_fails() -> None:
    site = Site(SessionMiddleware(MemorySessionStorage()))

    def fail(client: TestClient) -> None:
        with session_of(client) as session:
            session["user"] = 7
            raise RuntimeError

    with TestClient(site) as client:
        with pytest.raises(RuntimeError):
            fail(client)
        assert client.get("/").json() == {}
