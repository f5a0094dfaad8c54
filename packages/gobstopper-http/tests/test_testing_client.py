"""The synchronous client: requests, redirects, cookies, uploads, streams, events, WebSockets, errors."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gobstopper_http.testing import (
    ApplicationError,
    ConnectionLost,
    Disconnect,
    GranianPanic,
    HTTPStatusError,
    TestClient,
    WebSocketClosed,
    WebSocketRejected,
)
from gobstopper_http.testing.request import FileValue


def answer(proto: Any, value: Any, status: int = 200, headers: Any = ()) -> None:
    proto.response_str(status, [("content-type", "application/json"), *headers], json.dumps(value))


class App:
    """Routes by the first segment of the path."""

    def __init__(self) -> None:
        self.life: list[str] = []
        self.notes: dict[str, Any] = {}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.life.append(loop.run_until_complete(asyncio.sleep(0, "init")))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.life.append(loop.run_until_complete(asyncio.sleep(0, "del")))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        name = scope.path.split("/")[1] or "echo"
        await getattr(self, ("ws_" if scope.proto == "ws" else "http_") + name)(scope, proto)

    async def http_echo(self, scope: Any, proto: Any) -> None:
        body = await proto()
        answer(
            proto,
            {
                "method": scope.method,
                "path": scope.path,
                "query": scope.query_string,
                "scheme": scope.scheme,
                "version": scope.http_version,
                "client": scope.client,
                "headers": scope.headers.items(),
                "body": body.decode("latin-1"),
            },
        )

    async def http_set(self, scope: Any, proto: Any) -> None:
        answer(proto, None, headers=[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Path=/elsewhere")])

    async def http_redirect(self, scope: Any, proto: Any) -> None:
        status, _, location = scope.query_string.partition("|")
        await proto()
        answer(proto, "moved", int(status), [("location", location), ("set-cookie", "moved=yes")])

    async def http_loop(self, scope: Any, proto: Any) -> None:
        answer(proto, None, 302, [("location", "/loop")])

    async def http_nowhere(self, scope: Any, proto: Any) -> None:
        answer(proto, None, 302)

    async def http_chunks(self, scope: Any, proto: Any) -> None:
        answer(proto, [chunk.decode() async for chunk in proto])

    async def http_early(self, scope: Any, proto: Any) -> None:
        answer(proto, "early")

    async def http_status(self, scope: Any, proto: Any) -> None:
        proto.response_str(int(scope.query_string), [("content-type", "text/plain; charset=iso-8859-1")], "no \xe9")

    async def http_latin(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-type", 'text/plain; charset="iso-8859-1"')])
        for chunk in (b"\xe9\r", b"\ntwo", b" words\n\nlast"):
            await transport.send_bytes(chunk)

    async def http_cut_text(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        await transport.send_bytes("é".encode()[:1])

    async def http_endless(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-type", "text/plain")])
        left = asyncio.ensure_future(self._left(proto))
        try:
            while not left.done():
                await transport.send_str("tick\n")
                await asyncio.sleep(0.005)
            await transport.send_str("nobody reads this")
        except RuntimeError as error:
            self.notes["endless"] = str(error)
            raise

    async def _left(self, proto: Any) -> None:
        await proto.client_disconnect()

    async def http_events(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-type", "text/event-stream")])
        last = scope.headers.get("last-event-id")
        await transport.send_str(f": hello\n\nid: 7\nevent: resumed\ndata: {json.dumps(last)}\n\n")
        await transport.send_str("data: one\ndata: two\n\n")
        await proto.client_disconnect()
        self.notes["events"] = "left"

    async def http_hang(self, scope: Any, proto: Any) -> None:
        try:
            await proto.client_disconnect()
        finally:
            self.notes["hang"] = "left"

    async def http_hang_midway(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        await transport.send_str("some")
        await proto.client_disconnect()
        self.notes["midway"] = "left"
        del transport

    async def http_block(self, scope: Any, proto: Any) -> None:
        time.sleep(0.3)
        answer(proto, None)

    async def http_raise(self, scope: Any, proto: Any) -> None:
        raise {"value": ValueError, "exit": SystemExit}[scope.query_string]("out of the application")

    async def http_late(self, scope: Any, proto: Any) -> None:
        answer(proto, "fine")
        await asyncio.sleep(0.02)
        raise ValueError("after the answer")

    async def http_midway(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        await transport.send_str("some")
        await asyncio.sleep(0.01)
        raise ValueError("in the middle")

    async def http_short(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-length", "9")])
        await transport.send_str("short")

    async def http_wrong_length(self, scope: Any, proto: Any) -> None:
        proto.response_str(200, [("content-length", "2")], "longer")

    async def http_panic(self, scope: Any, proto: Any) -> None:
        try:
            proto.response_empty(99, [])
        except BaseException:  # nothing helps: the process is gone
            answer(proto, "saved")

    async def http_task_exit(self, scope: Any, proto: Any) -> None:
        async def leave() -> None:
            raise SystemExit(3)

        self.notes["task"] = asyncio.ensure_future(leave())
        await proto.client_disconnect()

    async def http_background(self, scope: Any, proto: Any) -> None:
        answer(proto, None)
        await asyncio.sleep(0.05)
        self.notes["background"] = "done"

    async def ws_echo(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        await transport.send_str(json.dumps([scope.query_string, scope.headers.items()]))
        while (message := await transport.receive()).kind:
            await (transport.send_str if message.kind == 2 else transport.send_bytes)(message.data)
        self.notes["ws"] = "closed"

    async def ws_bye(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        await transport.send_str("bye")
        proto.close(4000)

    async def ws_no(self, scope: Any, proto: Any) -> None:
        proto.close(401)

    async def ws_raise(self, scope: Any, proto: Any) -> None:
        if scope.query_string:
            await proto.accept()
        raise ValueError("out of the handler")

    async def ws_gone(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        try:
            await transport.receive()
        except RuntimeError as error:
            self.notes["gone"] = str(error)
            raise

    async def ws_quiet(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        await transport.receive()

    async def ws_panic(self, scope: Any, proto: Any) -> None:
        await proto.accept()
        await proto.accept()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_start_up_and_shutdown(app: App) -> None:
    with TestClient(app) as client:
        assert app.life == ["init"]
        assert client.get("/").ok
    assert app.life == ["init", "del"]
    with client:  # once more
        assert client.get("/").ok
    assert app.life == ["init", "del", "init", "del"]


def test_a_bare_callable_is_an_application() -> None:
    async def app(scope: Any, proto: Any) -> None:
        proto.response_str(200, [], "bare")

    with TestClient(app) as client:
        assert client.get("/").text == "bare"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_methods(client: TestClient, method: str) -> None:
    response = getattr(client, method)("/")
    assert response.status == 200
    assert response.json()["method"] == method.upper()


def test_head(client: TestClient) -> None:
    response = client.head("/")
    assert (response.status, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


def test_what_is_sent_by_default(client: TestClient) -> None:
    seen = client.get("/echo/a path/%2e?x=1", params={"y": ["2", "3"], "z": None, "t": True}).json()
    assert seen["path"] == "/echo/a path/."
    assert seen["query"] == "x=1&y=2&y=3&t=true"
    assert dict(map(tuple, seen["headers"])) == {
        "host": "127.0.0.1",
        "user-agent": "gobstopper-testclient",
        "accept": "*/*",
    }
    assert (seen["scheme"], seen["version"], seen["client"]) == ("http", "1.1", "127.0.0.1:50000")


def test_settings(app: App) -> None:
    with TestClient(
        app,
        base_url="https://example.org:8443/",
        headers={"X-Always": "1", "accept": "text/html"},
        cookies={"who": "me"},
        http_version="2",
        client="[2001:db8::1]:9",
    ) as client:
        client.headers["x-later"] = "2"
        seen = client.get("/", headers={"x-always": "3"}).json()
    headers = dict(map(tuple, seen["headers"]))
    assert headers["host"] == "example.org:8443"
    assert (headers["x-always"], headers["x-later"], headers["accept"]) == ("3", "2", "text/html")
    assert headers["cookie"] == "who=me"
    assert (seen["scheme"], seen["version"], seen["client"]) == ("https", "2", "[2001:db8::1]:9")


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "http://"])
def test_a_bad_base_url_is_refused(app: App, url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        TestClient(app, base_url=url)


def test_json_form_and_raw_bodies(client: TestClient) -> None:
    def seen(**options: Any) -> tuple[str, str | None]:
        got = client.post("/", **options).json()
        return got["body"], dict(map(tuple, got["headers"])).get("content-type")

    assert seen(json={"a": [1]}) == ('{"a":[1]}', "application/json")
    assert seen(data={"a": "1 2", "b": ["x", "y"]}) == ("a=1+2&b=x&b=y", "application/x-www-form-urlencoded")
    assert seen(content=b"raw") == ("raw", None)
    assert seen(content="text") == ("text", "text/plain; charset=utf-8")
    assert seen(content=b"{}", headers={"content-type": "a/b"}) == ("{}", "a/b")


def test_files(client: TestClient) -> None:
    upload = io.BytesIO(b"from a file")
    files: list[tuple[str, FileValue]] = [
        ("one", ('na"me\n.txt', b"1", "text/plain")),
        ("two", "2"),
        ("three", upload),
        ("four", (None, b"4")),
    ]
    seen = client.post("/", data={"field": "value"}, files=files).json()
    kind = dict(map(tuple, seen["headers"]))["content-type"]
    boundary = kind.removeprefix("multipart/form-data; boundary=")
    assert seen["body"].split(f"--{boundary}") == [
        "",
        '\r\ncontent-disposition: form-data; name="field"\r\n\r\nvalue\r\n',
        (
            '\r\ncontent-disposition: form-data; name="one"; filename="na%22me%0A.txt"\r\n'
            "content-type: text/plain\r\n\r\n1\r\n"
        ),
        (
            '\r\ncontent-disposition: form-data; name="two"; filename="two"\r\n'
            "content-type: application/octet-stream\r\n\r\n2\r\n"
        ),
        (
            '\r\ncontent-disposition: form-data; name="three"; filename="three"\r\n'
            "content-type: application/octet-stream\r\n\r\nfrom a file\r\n"
        ),
        '\r\ncontent-disposition: form-data; name="four"\r\ncontent-type: application/octet-stream\r\n\r\n4\r\n',
        "--\r\n",
    ]


def test_a_file_object_gives_its_name(client: TestClient, tmp_path: Any) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        assert 'filename="notes.txt"' in client.post("/", files={"f": file}).json()["body"]


def test_chunked_upload(client: TestClient) -> None:
    assert client.post("/chunks", content=iter([b"one", b"", b"two"])).json() == ["one", "two", ""]
    seen = client.post("/", content=iter([b"x"])).json()
    assert ["transfer-encoding", "chunked"] in seen["headers"]


def test_an_upload_that_breaks_off(client: TestClient) -> None:
    def content() -> Iterator[bytes]:
        yield b"one"
        raise Disconnect

    assert client.post("/chunks", content=content()).json() == ["one", "", ""]


def test_an_upload_whose_iterator_fails(client: TestClient) -> None:
    def content() -> Iterator[bytes]:
        yield b"one"
        raise KeyError("of the test")

    with pytest.raises(KeyError, match="of the test"):
        client.post("/chunks", content=content())


def test_an_upload_stops_when_the_answer_is_there(client: TestClient) -> None:
    sent = []

    def content() -> Iterator[bytes]:
        for number in range(1000):
            sent.append(number)
            yield b"x"
            time.sleep(0.005)

    assert client.post("/early", content=content()).json() == "early"
    assert len(sent) < 1000


def test_an_asynchronous_iterator_is_for_the_other_client(client: TestClient) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(TypeError, match="AsyncTestClient"):
        client.post("/", content=content())


@pytest.mark.parametrize(
    ("status", "method", "followed"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_redirects(client: TestClient, status: int, method: str, followed: str) -> None:
    response = client.request(method, f"/redirect?{status}|/?seen", content=b"body")
    seen = response.json()
    assert seen["method"] == followed
    assert seen["body"] == ("body" if followed != "GET" else "")
    assert ("content-length" in dict(map(tuple, seen["headers"]))) == (followed != "GET")
    assert response.url == "http://127.0.0.1/?seen"
    (first,) = response.history
    assert (first.status, first.json()) == (status, "moved")
    assert dict(map(tuple, seen["headers"]))["cookie"] == "moved=yes"


def test_redirects_that_are_not_followed(client: TestClient) -> None:
    assert client.get("/redirect?302|/", follow_redirects=False).status == 302
    assert client.get("/nowhere").status == 302
    with pytest.raises(RuntimeError, match="more than 20 times"):
        client.get("/loop")
    with pytest.raises(RuntimeError, match="another host"):
        client.get("/redirect?302|//example.org/x")
    with pytest.raises(RuntimeError, match="streamed"):
        client.post("/redirect?307|/", content=iter([b"x"]))


def test_cookies(client: TestClient) -> None:
    response = client.get("/set")
    assert response.cookies == {"a": "1", "b": "2"}
    assert client.cookies["a"] == "1"

    def sent(path: str, **options: Any) -> str | None:
        return dict(map(tuple, client.get(path, **options).json()["headers"])).get("cookie")

    assert sent("/") == "a=1"
    assert sent("/", cookies={"a": "once", "c": "3"}) == "a=once; c=3"
    assert sent("/", headers={"cookie": "own=1"}) == "own=1"
    assert sent("/") == "a=1"
    client.cookies.clear()
    assert sent("/") is None


def test_responses(client: TestClient) -> None:
    response = client.get("/status?404")
    assert (response.ok, response.reason, response.content_type) == (False, "Not Found", "text/plain")
    assert repr(response) == "<ClientResponse 404>"
    with pytest.raises(HTTPStatusError, match=r"GET http://127.0.0.1/status.404: 404 Not Found\nno") as caught:
        response.raise_for_status()
    assert caught.value.status == 404
    good = client.get("/status?299")
    good.raise_for_status()
    assert (good.reason, good.charset) == ("", "iso-8859-1")
    assert client.get("/redirect?302|/").json(dict)["method"] == "GET"


def test_streams(client: TestClient) -> None:
    with client.stream("GET", "/latin") as response:
        assert (response.status, response.charset) == (200, "iso-8859-1")
        assert list(response.iter_bytes()) == [b"\xe9\r", b"\ntwo", b" words\n\nlast"]
    with client.stream("GET", "/latin") as response:
        assert list(response.iter_lines()) == ["é", "two words", "", "last"]
    with client.stream("GET", "/latin") as response:
        assert response.read().text == "é\r\ntwo words\n\nlast"
    with client.stream("GET", "/cut_text") as response:
        assert list(response.iter_text()) == ["\ufffd"]


def test_leaving_a_stream_disconnects(app: App, client: TestClient) -> None:
    with client.stream("GET", "/endless") as response:
        assert next(response.iter_lines()) == "tick"
    client.settle()
    assert app.notes["endless"] == "RSGI transport is closed"
    # What is raised because this client left is kept, but not raised here.
    assert [str(error) for error in client.server.errors] == ["RSGI transport is closed"]


def test_disconnect_drops_everything(app: App, client: TestClient) -> None:
    with client.stream("GET", "/endless") as response:
        client.disconnect()
        client.settle()
        assert list(response.iter_bytes()) == []
    assert "endless" in app.notes


def test_events(app: App, client: TestClient) -> None:
    with client.sse("/events", last_event_id="6") as events:
        first = next(events)
        assert (first.event, first.id, first.json()) == ("resumed", "7", "6")
        assert next(events).data == "one\ntwo"
        assert events.comments == ["hello"]
        assert events.response.content_type == "text/event-stream"
    client.settle()
    assert app.notes["events"] == "left"
    for event in client.sse("/events"):
        assert event.event == "resumed"
        break


def test_events_time_out(client: TestClient) -> None:
    events = client.sse("/events", timeout=0.1)
    next(events)
    next(events)
    with pytest.raises(TimeoutError, match=r"GET http://127.0.0.1/events: nothing within 0.1 seconds"):
        next(events)
    events.close()


@pytest.mark.parametrize(("path", "why"), [("/status?503", "503, text/plain"), ("/status?200", "200, text/plain")])
def test_what_is_no_event_stream(client: TestClient, path: str, why: str) -> None:
    with pytest.raises(HTTPStatusError, match=why):
        client.sse(path)


def test_websocket(app: App, client: TestClient) -> None:
    client.cookies["c"] = "1"
    with client.websocket("/echo", params={"q": "1"}, headers={"x-own": "2"}, subprotocols=["a", "b"]) as ws:
        query, headers = ws.receive_json()
        sent = dict(map(tuple, headers))
        assert query == "q=1"
        assert (sent["x-own"], sent["cookie"], sent["sec-websocket-protocol"]) == ("2", "c=1", "a, b")
        ws.send_text("hé")
        assert ws.receive_text() == "hé"
        ws.send_bytes(b"\0")
        assert ws.receive_bytes() == b"\0"
        ws.send_json({"a": 1})
        assert ws.receive_json() == {"a": 1}
        ws.send_text("text")
        with pytest.raises(TypeError, match="binary message was expected"):
            ws.receive_bytes()
        ws.send_bytes(b"bytes")
        with pytest.raises(TypeError, match="text message was expected"):
            ws.receive_text()
    client.settle()
    assert app.notes["ws"] == "closed"


def test_a_websocket_that_the_application_closes(client: TestClient) -> None:
    with client.websocket("/bye") as ws:
        assert list(ws) == ["bye"]
        with pytest.raises(WebSocketClosed) as closed:
            ws.receive()
        assert closed.value.code == 1005  # Granian loses the code
        assert ws.app_close_code == 4000
        with pytest.raises(WebSocketClosed):
            ws.send_text("late")


def test_a_websocket_that_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketRejected) as refused, client.websocket("/no"):
        pass
    assert refused.value.status == 401
    assert refused.value.headers["content-length"] == "0"


def test_websocket_errors(app: App, client: TestClient) -> None:
    with pytest.raises(ValueError, match="out of the handler"), client.websocket("/raise"):
        pass
    with client.websocket("/raise?accept") as ws, pytest.raises(ValueError, match="out of the handler"):
        ws.receive()
    with client.websocket("/quiet") as ws, pytest.raises(TimeoutError, match=r"WebSocket http://127.0.0.1/quiet"):
        ws._client._run(ws._receive(), "WebSocket http://127.0.0.1/quiet", 0.05)
    with client.websocket("/gone") as ws:
        ws.disconnect()
    client.settle()
    assert app.notes["gone"] == "RSGI transport is closed"


def test_a_websocket_block_that_raises_drops_the_connection(app: App, client: TestClient) -> None:
    with pytest.raises(KeyError), client.websocket("/gone"):
        raise KeyError("of the test")
    client.settle()
    assert app.notes["gone"] == "RSGI transport is closed"


def test_what_the_application_raises_is_raised(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="out of the application"):
        client.get("/raise?value")
    with pytest.raises(ApplicationError, match=r"SystemExit: out of the application") as caught:
        client.get("/raise?exit")
    assert isinstance(caught.value.__cause__, SystemExit)
    with pytest.raises(ValueError, match="in the middle"):
        client.get("/midway")
    assert [type(error) for error in client.server.errors] == [ValueError, SystemExit, ValueError]
    assert caplog.messages == ["Application callable raised an exception"] * 3


def test_or_is_the_500_that_granian_gives(app: App) -> None:
    with TestClient(app, raise_app_exceptions=False) as client:
        response = client.get("/raise?value")
        assert (response.status, response.content) == (500, b"")
        assert client.get("/midway").text == "some"
        with pytest.raises(WebSocketRejected) as refused, client.websocket("/raise"):
            pass
        assert refused.value.status == 403
        client.get("/late")
    assert len(client.server.errors) == 4


def test_what_is_raised_after_the_answer_is_raised_at_the_end(app: App) -> None:
    with pytest.raises(ValueError, match="after the answer"), TestClient(app) as client:
        assert client.get("/late").json() == "fine"
        client.settle()
    # The test's own error comes first.
    with pytest.raises(KeyError, match="of the test"), TestClient(app) as client:
        client.get("/late")
        client.settle()
        raise KeyError("of the test")


@pytest.mark.parametrize("path", ["/short", "/wrong_length"])
def test_a_length_that_is_not_the_bodys(client: TestClient, path: str) -> None:
    with pytest.raises(ConnectionLost, match=r"content-length 2|Content-Length"):
        client.get(path)


def test_time_outs(app: App, client: TestClient) -> None:
    with pytest.raises(TimeoutError, match=r"GET http://127.0.0.1/hang: nothing within 0.05 seconds"):
        client.get("/hang", timeout=0.05)
    with pytest.raises(TimeoutError):
        client.get("/hang_midway", timeout=0.05)
    client.settle()
    assert (app.notes["hang"], app.notes["midway"]) == ("left", "left")  # the time-out dropped the connection
    with pytest.raises(TimeoutError):
        client.get("/block", timeout=0.05)  # also if the application blocks its loop
    client.settle()
    with client.stream("GET", "/hang_midway", timeout=0.05) as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"some"
        with pytest.raises(TimeoutError):
            next(chunks)
    with client.stream("GET", "/hang_midway"), pytest.raises(TimeoutError, match="settle"):
        client.settle(0.05)
    assert client.get("/", timeout=None).ok


def test_settle_waits_for_work_after_the_answer(app: App, client: TestClient) -> None:
    client.get("/background")
    assert "background" not in app.notes
    client.settle()
    assert app.notes["background"] == "done"


def test_a_panic_ends_the_server(app: App) -> None:
    client = TestClient(app)
    client.start()
    with client.stream("GET", "/endless") as other:
        with pytest.raises(GranianPanic, match="status 99"):
            client.get("/panic")
        with pytest.raises(GranianPanic):
            client.get("/")
        with pytest.raises(GranianPanic):
            list(other.iter_bytes())
    client.stop()
    assert app.life == ["init"]  # a process that is gone shuts nothing down
    with client:
        assert client.get("/").ok


def test_a_second_accept_ends_the_server(app: App) -> None:
    client = TestClient(app)
    client.start()
    with client.websocket("/panic") as ws, pytest.raises(GranianPanic, match=r"second accept\(\)"):
        ws.receive()
    client.stop()


def test_a_system_exit_in_a_task_ends_the_server(app: App) -> None:
    client = TestClient(app)
    client.start()
    with pytest.raises(GranianPanic, match="SystemExit in a task of the application ended the worker: 3"):
        client.get("/task_exit")
    client.stop()
    assert isinstance(app.notes["task"].exception(), SystemExit)


def test_a_client_that_is_not_started(app: App) -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        TestClient(app).get("/")
