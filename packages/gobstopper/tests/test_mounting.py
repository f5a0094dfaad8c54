"""What an application below a prefix may count on, and what the one around it keeps of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gobstopper import Gobstopper
from gobstopper_http import Request, Response, WebSocket
from gobstopper_http.testing import TestClient, WebSocketClosed, WebSocketRejected


def mounted(app: Gobstopper, function: Any) -> TestClient:
    app.mount("/inner", function)
    return TestClient(app, timeout=10)


@pytest.mark.parametrize("path", ["/shop", "/shop/"])
def test_the_prefix_is_the_root_of_what_is_mounted(app: Gobstopper, path: str) -> None:
    shop = Gobstopper("shop", config=app.config)
    shop.get("/")(lambda request: f"the shop at {request.path}")
    app.mount("/shop", shop)
    with TestClient(app) as client:
        assert client.get(path).text == "the shop at /"


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_the_content_type_is_the_one_that_was_given(app: Gobstopper, name: str) -> None:
    async def csv(scope: Any, proto: Any) -> None:
        proto.response_str(200, [(name, "text/csv"), ("X-A", "b")], "a,b")

    with mounted(app, csv) as client:
        answer = client.get("/inner/x")
    assert (answer.headers.getlist("content-type"), answer.headers["x-a"]) == (["text/csv"], "b")


def test_an_empty_answer_is_empty(app: Gobstopper) -> None:
    async def empty(scope: Any, proto: Any) -> None:
        proto.response_empty(404, [])

    with mounted(app, empty) as client:
        answer = client.get("/inner/x")
    assert (answer.status, answer.content) == (404, b"")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    "answer",
    [
        lambda proto, status: proto.response_empty(status, []),
        lambda proto, status: proto.response_str(status, [], "x"),
        lambda proto, status: proto.response_bytes(status, [], b"x"),
        lambda proto, status: proto.response_file(status, [], __file__),
        lambda proto, status: proto.response_file_range(status, [], __file__, 0, 1),
        lambda proto, status: proto.response_stream(status, []),
    ],
)
@pytest.mark.parametrize("status", [0, 100, 1000])
def test_a_status_that_the_server_would_die_of_is_refused_where_it_is_given(
    app: Gobstopper, answer: Any, status: int
) -> None:
    async def impossible(scope: Any, proto: Any) -> None:
        with pytest.raises(ValueError, match=f"{status} is not a final status"):
            answer(proto, status)
        proto.response_str(418, [], "instead")

    with mounted(app, impossible) as client:
        assert (client.get("/inner/x").status, client.get("/inner/x").text) == (418, "instead")


@pytest.mark.parametrize("first", ["whole", "stream"])
def test_of_several_answers_the_first_counts(app: Gobstopper, first: str, caplog: pytest.LogCaptureFixture) -> None:
    async def twice(scope: Any, proto: Any) -> None:
        if first == "whole":
            proto.response_str(201, [], "one")
        else:
            transport = proto.response_stream(201, [])
            await transport.send_str("one")
        proto.response_str(200, [], "two")
        proto.response_file(200, [], __file__)
        proto.response_file_range(200, [], __file__, 0, 1)
        with pytest.raises(RuntimeError, match="answered twice"):
            proto.response_stream(200, [])

    with mounted(app, twice) as client:
        answer = client.get("/inner/x")
        client.settle()
    assert (answer.status, answer.text) == (201, "one")
    assert caplog.records == []


def test_a_stream_is_not_bound_by_the_time_out_of_handlers(app: Gobstopper) -> None:
    async def slow(scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        for part in "abc":
            await transport.send_str(part)
            await asyncio.sleep(0.5)

    app.config["HANDLER_TIMEOUT"] = 0.3
    with mounted(app, slow) as client:
        assert client.get("/inner/x").text == "abc"


def test_what_went_out_by_itself_is_known_to_be_answered(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    """Hooks see its status and headers, and an error after it is logged, not answered."""
    seen: list[Any] = []

    class Marks:
        async def __call__(self, request: Request, following: Any) -> Response:
            response: Response = await following(request)
            seen.append((request.answered, response.status, response.headers.get("x-a")))
            return response

        def finalize(self, request: Request, response: Response) -> None:
            response.headers["x-path"] = request.path

    async def breaks(scope: Any, proto: Any) -> None:
        transport = proto.response_stream(202, [("X-A", "b")])
        await transport.send_str("some")
        if scope.path == "/breaks":
            raise LookupError("in the middle")

    app.add_middleware(Marks)
    with mounted(app, breaks) as client:
        answer = client.get("/inner/x")
        assert (answer.status, answer.text, answer.headers["x-path"]) == (202, "some", "/inner/x")
        assert caplog.records == []
        assert client.get("/inner/breaks").status == 202
        client.settle()
    assert "in the middle" in caplog.text
    assert len(caplog.records) == 1
    assert seen == [(202, 202, "b"), (202, 202, None)]


def test_it_learns_that_the_client_has_gone(app: Gobstopper) -> None:
    gone: list[str] = []

    async def waits(scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        await transport.send_str("begun")
        await asyncio.wait_for(proto.client_disconnect(), 5)
        gone.append(scope.path)

    with mounted(app, waits) as client:
        with client.stream("GET", "/inner/x") as stream:
            assert next(stream.iter_bytes()) == b"begun"
            assert gone == []
        client.settle()
    assert gone == ["/x"]


def test_an_application_that_does_not_answer_is_named(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Any, proto: Any) -> None:
        pass

    with mounted(app, silent) as client:
        assert client.get("/inner/x").status == 500
    assert "the application mounted at /inner did not answer /inner/x" in caplog.text


async def websockets(scope: Any, proto: Any) -> None:
    if scope.path == "/refuses":
        proto.close(401)
        return
    transport = await proto.accept()
    await transport.send_str("hello")
    if scope.path == "/closes":
        proto.close(1000)
    elif scope.path == "/breaks":
        raise LookupError("after the answer")


def test_a_handshake_is_answered_by_what_is_mounted_alone(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    phases: list[str] = []

    class Around:
        async def __call__(self, request: Request, following: Any) -> Any:
            return await following(request)

        async def websocket(self, websocket: WebSocket, following: Any) -> None:
            try:
                await following(websocket)
            finally:
                phases.append(websocket.phase)

    app.add_middleware(Around)
    with mounted(app, websockets) as client:
        with pytest.raises(WebSocketRejected) as refused, client.websocket("/inner/refuses"):
            pass
        assert refused.value.status == 401
        with client.websocket("/inner/closes") as socket:
            assert socket.receive_text() == "hello"
            with pytest.raises(WebSocketClosed):
                socket.receive()
        with client.websocket("/inner/breaks") as socket:
            assert socket.receive_text() == "hello"
        client.settle()
    assert phases == ["closed"] * 3
    assert "after the answer" in caplog.text
