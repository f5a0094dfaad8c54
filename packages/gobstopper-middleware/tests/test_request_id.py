from __future__ import annotations

import re

import pytest

from gobstopper_http import JSONResponse, Request, Response, WebSocket
from gobstopper_http.testing import TestClient
from gobstopper_middleware import RequestIDMiddleware, outgoing_headers
from middleware_site import Site

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def outgoing(request: Request) -> Response:
    return JSONResponse(outgoing_headers(request))


def start(**options: object) -> TestClient:
    return TestClient(Site(RequestIDMiddleware(**options), handlers={"/out": outgoing}))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_every_answer_says_its_id(path: str) -> None:
    with start() as client:
        first, second = (client.get(path).headers["x-request-id"] for _ in range(2))
        assert re.fullmatch("[0-9a-f]{32}", first)
        assert first != second
        assert client.get(path, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
        for bad in ("a b", "x" * 129, "<script>", ""):
            assert client.get(path, headers={"x-request-id": bad}).headers["x-request-id"] != bad


def test_the_clients_id_can_be_ignored() -> None:
    with start(trust_incoming=False, header="X-Trace") as client:
        assert client.get("/", headers={"x-request-id": "mine"}).headers["x-trace"] != "mine"


def test_a_trace_goes_on() -> None:
    with start() as client:
        sent = {"traceparent": PARENT, "tracestate": "a=1, b@c=2", "x-request-id": "mine"}
        out = client.get("/out", headers=sent).json()
        assert out["x-request-id"] == "mine"
        version, trace, span, flags = out["traceparent"].split("-")
        assert (version, trace, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "01")
        assert span != "b7ad6b7169203331"
        assert out["tracestate"] == "a=1,b@c=2"


@pytest.mark.parametrize(
    "state", ["", "a", "A=1", "a=1,a=2", "a=" + "x" * 300, ",".join(f"k{n}=1" for n in range(33)), "a=b=c", "a=1,,,=2"]
)
def test_a_broken_state_is_dropped(state: str) -> None:
    with start() as client:
        assert "tracestate" not in client.get("/out", headers={"traceparent": PARENT, "tracestate": state}).json()


def test_a_state_without_a_trace_is_dropped() -> None:
    with start() as client:
        out = client.get("/out", headers={"tracestate": "a=1"}).json()
        assert "tracestate" not in out
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", out["traceparent"])


def test_a_header_that_is_none() -> None:
    with pytest.raises(ValueError, match="not a token"):
        RequestIDMiddleware(header="a b")


def test_a_websocket_has_an_id_of_ours_too() -> None:
    seen = []

    async def socket(websocket: WebSocket) -> None:
        seen.append(websocket.id)
        await websocket.accept()
        await websocket.close()

    for trust in (True, False):
        site = Site(RequestIDMiddleware(trust_incoming=trust))
        site.socket = socket
        with TestClient(site) as client, client.websocket("/", headers={"x-request-id": "chosen"}):
            pass
    assert seen[0] == "chosen"
    assert seen[1] != "chosen"
    assert len(seen[1]) == 32
