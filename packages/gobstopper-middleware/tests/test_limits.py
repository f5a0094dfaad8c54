from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gobstopper_http import Request, Response
from gobstopper_http.deadlines import Deadlines
from gobstopper_http.testing import TestClient
from gobstopper_middleware import LimitsMiddleware
from middleware_site import Site


async def body(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def ignores(request: Request) -> Response:
    return Response("ignored")


async def slow(request: Request) -> Response:
    await asyncio.sleep(5)
    return Response("late")


HANDLERS = {"/body": body, "/ignores": ignores, "/slow": slow}


def test_bodies() -> None:
    with TestClient(Site(LimitsMiddleware(max_body=100), handlers=HANDLERS)) as client:
        assert client.post("/body", content=b"x" * 100).text == "100"
        assert client.post("/body", content=b"x" * 101).status == 413
        assert client.post("/ignores", content=b"x" * 101).status == 413
        assert client.post("/body", content=iter([b"x" * 60, b"x" * 60])).status == 413
        assert client.post("/body", content=iter([b"x" * 50, b"x" * 50])).text == "100"


def test_limits_are_never_loosened() -> None:
    site = Site(LimitsMiddleware(max_body=10**9, body_idle=10**6), handlers=HANDLERS)
    with TestClient(site) as client:
        assert client.post("/body", content=b"x" * (1024 * 1024 + 1)).status == 413
        assert site.requests[0].limits.body_idle == 10
    assert len(site.middleware[0]._routes) == 1


def test_idle_bodies() -> None:
    site = Site(LimitsMiddleware(body_idle=0.2), handlers=HANDLERS)

    def drip() -> Any:
        yield b"x"
        time.sleep(2)
        yield b"x"

    with TestClient(site) as client:
        assert client.post("/body", content=drip()).status == 408


def test_time() -> None:
    with TestClient(Site(LimitsMiddleware(timeout=0.2), handlers=HANDLERS)) as client:
        start = time.monotonic()
        response = client.get("/slow")
        assert response.status == 503
        assert response.headers["retry-after"] == "1"
        assert time.monotonic() - start < 4
        assert client.get("/").text == "hello"


async def test_where_an_application_watches_it_is_told() -> None:
    middleware = LimitsMiddleware(timeout=5, max_body=10)
    clock = Deadlines(asyncio.get_running_loop())

    class Route:
        def __init__(self) -> None:
            from gobstopper_http import Limits

            self.clock, self.limits = clock, Limits()

    request: Any = type("Request", (), {"route": Route(), "deadline": clock.now + 30, "content_length": None})()

    async def following(request: Any) -> Any:
        return request.deadline, request.route.limits.body

    assert await middleware(request, following) == (clock.now + 5, 10)  # type: ignore[comparison-overlap]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="without a limit"):
        LimitsMiddleware()
    with pytest.raises(ValueError, match="timeout=0"):
        LimitsMiddleware(timeout=0)
