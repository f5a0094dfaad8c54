"""Time-outs of handlers, and the thread pool behind `def` handlers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from gobstopper import Gobstopper, current_request
from gobstopper_http import Request, StreamingResponse
from gobstopper_http.testing import TestClient

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def test_a_handler_that_never_answers_gets_503(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    @app.get("/", timeout=0.3)
    async def never(request: Request) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    @app.get("/sync", timeout=0.3)
    def never_sync(request: Request) -> None:
        time.sleep(1.5)

    async def slow(request: Request, next_handler: object) -> None:
        await asyncio.sleep(60)

    with TestClient(app, timeout=10) as client:
        began = time.monotonic()
        answer = client.get("/")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert time.monotonic() - began < 20
        assert ended == ["cancelled"]
        assert "never" in caplog.text
        assert "did not answer within 0.3 s" in caplog.text
        assert client.get("/sync").status == 503


def test_a_handler_that_swallows_the_cancellation_is_answered_for(app: Gobstopper) -> None:
    @app.get("/", timeout=0.2)
    async def stubborn(request: Request) -> str:
        end = asyncio.get_running_loop().time() + 5
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
        return "late"

    with TestClient(app, timeout=10) as client:
        began = time.monotonic()
        answer = client.get("/")
        assert answer.status == 503
        assert time.monotonic() - began < 4.5


def test_streams_and_inner_timeouts_are_not_cut(app: Gobstopper) -> None:
    @app.get("/stream", timeout=0.3)
    async def stream(request: Request) -> StreamingResponse:
        async def chunks() -> object:
            for part in "abc":
                await asyncio.sleep(0.5)
                yield part

        return StreamingResponse(chunks())  # type: ignore[arg-type]

    @app.get("/inner")
    async def inner(request: Request) -> str:
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(5)
        except TimeoutError:
            return "timed out inside"
        return "?"

    @app.get("/off", timeout=None)
    async def off(request: Request) -> str:
        await asyncio.sleep(0.8)
        return "done"

    app.config["HANDLER_TIMEOUT"] = 0.6
    with TestClient(app, timeout=10) as client:
        assert client.get("/stream").text == "abc"
        assert client.get("/inner").text == "timed out inside"
        assert client.get("/off").text == "done"


def test_threads_carry_context_and_are_bounded(app: Gobstopper) -> None:
    app.config["THREADS"] = 2
    running: list[int] = []
    most: list[int] = []

    @app.before_request
    def set_variable(request: Request) -> None:
        variable.set(request.path)

    @app.get("/<name>")
    def blocking(request: Request, name: str) -> dict[str, object]:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return {
            "variable": variable.get(),
            "request": current_request() is request,
            "thread": threading.current_thread() is not threading.main_thread(),
        }

    with TestClient(app) as client:
        results: list[object] = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(client.get(f"/{n}").json()["variable"]))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [f"/{n}" for n in range(8)]  # type: ignore[type-var]
        assert max(most) == 2
        assert client.get("/x").json() == {"variable": "/x", "request": True, "thread": True}


def test_stop_iteration_of_a_threaded_handler(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    @app.get("/")
    def stops(request: Request) -> None:
        next(iter([]))

    with TestClient(app) as client:
        assert client.get("/").status == 500
    assert "StopIteration" in caplog.text


def test_the_error_handler_of_a_time_out_is_not_cancelled_itself(app: Gobstopper) -> None:
    @app.get("/", timeout=0.1)
    async def never() -> None:
        await asyncio.sleep(60)

    @app.error_handler(503)
    async def sorry(request: Request, error: Exception) -> dict[str, int]:
        task = asyncio.current_task()
        assert task is not None
        return {"cancelling": task.cancelling()}  # asyncio.timeout() and TaskGroup look at it

    with TestClient(app, timeout=20) as client:
        assert client.get("/").json() == {"cancelling": 0}
