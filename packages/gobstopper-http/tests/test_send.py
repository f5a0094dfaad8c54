"""Sending without the application class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gobstopper_http.convert import UnsupportedReturnError
from gobstopper_http.files import FileResponse
from gobstopper_http.request import Request
from gobstopper_http.response import Response
from gobstopper_http.send import send
from gobstopper_http.testing import TestClient


def test_answers_and_background_work() -> None:
    done: list[str] = []
    files: list[Any] = []

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        if scope.path == "/nonsense":
            with pytest.raises(UnsupportedReturnError):
                await send(request, 1)
            await send(request, "instead")
        elif scope.path == "/upload":
            file = (await request.files())["f"]
            files.append(file)

            async def later() -> None:
                done.append((await file.read()).decode())

            await send(request, Response(b"x", background=later))
        else:
            await send(request, Response(b"x", background=lambda: done.append("sync")))

    with TestClient(app) as client:
        assert client.get("/").text == "x"
        assert client.get("/nonsense").text == "instead"
        assert client.post("/upload", files={"f": ("a", b"content")}).text == "x"
        client.settle()
    assert done == ["sync", "content"]
    assert files[0].file.closed


def test_what_is_not_in_memory() -> None:
    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        await send(request, iter(["a", "b"]) if scope.path == "/stream" else FileResponse(__file__))

    with TestClient(app) as client:
        assert client.get("/stream").text == "ab"
        assert client.get("/file").content == Path(__file__).read_bytes()
