"""What is still at work when the grace period of a stopping server is over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gobstopper import Gobstopper
from gobstopper_http import EventStream, Request, StreamingResponse, WebSocket
from gobstopper_http.testing import TestClient

GRACE = 0.4


pytestmark = pytest.mark.usefixtures("draining")


@pytest.fixture
def draining(app: Gobstopper) -> None:
    """Adds a route that begins the end, as SIGTERM does."""
    app.config["GRACE"] = GRACE

    @app.get("/drain")
    async def drain(request: Request) -> str:
        app.lifecycle.drain(asyncio.get_running_loop())
        return "ok"


def in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("staged", [False, True])
def test_a_request_gets_503_when_the_grace_is_over(
    app: Gobstopper, staged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()
    ended: list[str] = []

    @app.get("/slow", timeout=None)
    async def slow() -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("slow")
        return "late"

    @app.get("/quick")
    async def quick() -> str:
        return "quick"

    if staged:
        app.after_request(lambda request, response: None)
    with TestClient(app, timeout=20) as client:
        thread, answers = in_background(lambda: client.get("/slow"))
        assert begun.wait(10)
        began = time.monotonic()
        assert client.get("/drain").text == "ok"
        assert client.get("/quick").text == "quick"  # on a connection that was open before
        thread.join(20)
        took = time.monotonic() - began
    assert ended == ["slow"]
    assert (answers[0].status, answers[0].headers["retry-after"]) == (503, "1")
    assert "The server stops." in answers[0].text
    assert GRACE <= took < 10
    assert "GET /slow was cut off: the server stops" in caplog.text
    assert "did not answer within" not in caplog.text
    assert len(caplog.records) == 1


def test_a_download_breaks_off_and_a_websocket_s_handler_is_cancelled(
    app: Gobstopper, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    @app.get("/download")
    async def download() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            try:
                yield "begun"
                await asyncio.sleep(30)
            finally:
                ended.append("download")

        return StreamingResponse(chunks())

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("begun")
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("websocket")

    with TestClient(app, timeout=20, raise_app_exceptions=False) as client, client.stream("GET", "/download") as stream:
        assert next(stream.iter_bytes()) == b"begun"
        with client.websocket("/ws") as socket:
            assert socket.receive_text() == "begun"
            client.get("/drain")
            client.settle(10)
    assert sorted(ended) == ["download", "websocket"]
    assert "GET /download was cut off: the server stops" in caplog.text
    assert len(caplog.records) == 1, "nothing to say of a WebSocket that the server ends"


def test_events_end_at_once_and_the_drain_begins_once(app: Gobstopper) -> None:
    app.config["GRACE"] = 30

    @app.get("/events")
    async def events() -> EventStream:
        async def source() -> AsyncIterator[str]:
            yield "hello"
            await asyncio.sleep(30)

        return EventStream(source())

    with TestClient(app, timeout=20) as client, client.sse("/events") as events_:
        assert next(iter(events_)).data == "hello"
        began = time.monotonic()
        client.get("/drain")
        assert list(events_) == []
        assert time.monotonic() - began < 10
        assert app.lifecycle.runtime is not None
        assert app.lifecycle.runtime.stopping
        assert not app.lifecycle.runtime.cutting_off


def test_a_mounted_application_drains_with_the_outer_one(app: Gobstopper) -> None:
    inner = Gobstopper("inner", config={**app.config, "GRACE": 30})
    app.mount("/inner", inner)
    with TestClient(app) as client:
        assert inner.lifecycle.runtime is not None
        assert not inner.lifecycle.runtime.stopping
        client.get("/drain")
        assert inner.lifecycle.runtime.stopping
