"""Sending without the application class."""

from __future__ import annotations

from typing import Any

import pytest

from gobstopper_http.convert import UnsupportedReturnError
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
