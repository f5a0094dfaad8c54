from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient, WebSocketRejected
from gobstopper_middleware import CSRFMiddleware, SecurityMiddleware, csrf_field
from gobstopper_middleware.csrf import is_valid_token, masked_token
from gobstopper_sessions import MemorySessionStorage, Session, SessionClosedError, SessionMiddleware
from middleware_site import Site

HOST = "https://example.org"
NAME = "__Host-session"


async def token(request: Request) -> Response:
    return Response(request.csrf_token)


async def field(request: Request) -> Response:
    return Response(csrf_field(request))


async def login(request: Request) -> Response:
    request.session.rotate()
    request.session["user"] = 1
    return Response("in")


async def form(request: Request) -> Response:
    return Response(str((await request.form()).get("text")))


HANDLERS = {"/token": token, "/field": field, "/login": login, "/form": form}


def make(**options: Any) -> Site:
    return Site(SessionMiddleware(MemorySessionStorage()), CSRFMiddleware(**options), handlers=HANDLERS)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make(trusted_origins=["https://trusted.example"]), base_url=HOST) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass(client: TestClient, method: str) -> None:
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client.request(method, "/", headers=headers).status == 200


def test_two_sites_are_none_that_passes(client: TestClient) -> None:
    for second in ("cross-site", "same-origin"):
        sites = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", second)]
        assert client.post("/", headers=sites).status == 403
        assert client.post("/", headers=[*sites, ("origin", "https://evil.example")]).status == 403
        assert client.post("/", headers=[*sites, ("origin", HOST)]).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": ""}, 403),
        ({"sec-fetch-site": "SAME-ORIGIN"}, 403),
        ({"sec-fetch-site": "same-origin, cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://trusted.example"}, 200),
        ({"sec-fetch-site": "cross-site", "origin": HOST}, 403),
        ({"origin": HOST}, 200),
        ({"origin": HOST + ":443"}, 200),
        ({"origin": "https://trusted.example"}, 200),
        ({"origin": "http://example.org"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://example.org.evil.example"}, 403),
        ({"origin": "https://sub.example.org"}, 403),
        ({"origin": "https://trusted.example.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": HOST + " https://evil.example"}, 403),
        ({}, 200),  # neither a browser of today nor a session
    ],
)
def test_what_a_browser_says_decides(client: TestClient, method: str, headers: dict[str, str], status: int) -> None:
    assert client.request(method, "/", headers=headers).status == status


def test_two_origins_are_refused(client: TestClient) -> None:
    for origins in ([HOST, "https://evil.example"], ["https://evil.example", HOST]):
        assert client.post("/", headers=[("origin", origin) for origin in origins]).status == 403


def test_an_origin_that_is_no_text_is_refused(client: TestClient) -> None:
    raw = TestClient(make(), base_url=HOST)
    with raw:
        assert raw.post("/", headers=[("origin", "https://ex\u00e4mple.org")]).status == 403


def test_a_session_without_browser_headers_needs_a_token(client: TestClient) -> None:
    token = client.get("/token").text
    assert client.post("/").status == 403
    assert client.post("/", headers={"x-csrf-token": token}).status == 200
    assert client.post("/", data={"csrf_token": token}).status == 200
    assert client.post("/", data={"csrf_token": token}, files={"f": b"x"}).status == 200
    assert client.post("/", json={"csrf_token": token}).status == 403
    assert client.post("/?csrf_token=" + token).status == 403
    assert client.post("/form", data={"csrf_token": token, "text": "kept"}).text == "kept"


@pytest.mark.parametrize(
    "change",
    [
        *(lambda t: "", lambda t: t[:-1], lambda t: t + "A", lambda t: "é" + t[1:], lambda t: t[:43] + t[:43]),
        *(lambda t: ("A" if t[0] != "A" else "B") + t[1:], lambda t: "A" * 86, lambda t: "A" * 10_000),
    ],
)
def test_a_wrong_token_is_refused(client: TestClient, change: Any) -> None:
    token = client.get("/token").text
    assert client.post("/", data={"csrf_token": change(token)}).status == 403


def test_a_token_is_bound_to_its_session(client: TestClient) -> None:
    token = client.get("/token").text
    cookie = client.cookies[NAME]
    client.cookies.clear()
    other = client.get("/token").text
    assert client.post("/", headers={"x-csrf-token": token}).status == 403
    assert client.post("/", headers={"x-csrf-token": other}).status == 200
    client.cookies.clear()
    assert client.post("/", headers={"x-csrf-token": token, "cookie": f"{NAME}={cookie}"}).status == 200


def test_a_session_cookie_that_is_not_valid_is_refused_too(client: TestClient) -> None:
    assert client.post("/", headers={"cookie": f"{NAME}=invalid"}).status == 403
    assert client.post("/", headers={"cookie": f"{NAME}={'a' * 43}"}).status == 403
    assert client.post("/", headers={"cookie": "other=1"}).status == 200


def test_a_token_ends_with_the_id(client: TestClient) -> None:
    token = client.get("/token").text
    client.get("/login")
    assert client.post("/", headers={"x-csrf-token": token}).status == 403
    assert client.post("/", headers={"x-csrf-token": client.get("/token").text}).status == 200


def test_tokens_never_look_the_same(client: TestClient) -> None:
    tokens = {client.get("/token").text for _ in range(20)}
    assert len(tokens) == 20
    assert all(client.post("/", headers={"x-csrf-token": token}).status == 200 for token in tokens)


def test_the_field(client: TestClient) -> None:
    html = client.get("/field").text
    assert html.startswith('<input type="hidden" name="csrf_token" value="')
    token = html.split('value="')[1].removesuffix('">')
    assert client.post("/", data={"csrf_token": token}).status == 200


def test_a_broken_form_is_the_clients_mistake(client: TestClient) -> None:
    client.get("/token")
    response = client.post("/", content=b"x", headers={"content-type": "multipart/form-data"})
    assert response.status == 400


def test_exemptions_match_exactly() -> None:
    site = make(exempt=["/hook", "webhook"])
    site.handlers |= dict.fromkeys(("/hook", "/hook/", "/hook/x", "/Hook"), site.handlers["/"])
    with TestClient(site, base_url=HOST) as client:
        evil = {"origin": "https://evil.example"}
        assert client.post("/hook", headers=evil).status == 200
        for path in ("/hook/", "/hook/x", "/Hook", "/", "/x/../hook"):
            assert client.post(path, headers=evil).status == 403, path


async def test_a_route_can_be_exempt() -> None:
    middleware = CSRFMiddleware(exempt=["webhook"])
    raw = {"origin": "https://evil.example"}
    headers = SimpleNamespace(get=raw.get, get_all=lambda name: [raw[name]] if name in raw else [])
    request: Any = SimpleNamespace(raw_headers=headers, path="/x", route=SimpleNamespace(name="webhook"), method="POST")
    await middleware.check(request)


def test_without_a_session_there_is_the_origin_check_alone() -> None:
    with TestClient(Site(CSRFMiddleware(), handlers=HANDLERS), base_url=HOST) as client:
        assert client.post("/", headers={"cookie": f"{NAME}=x"}).status == 200
        assert client.post("/", headers={"origin": "https://evil.example"}).status == 403
        with pytest.raises(AttributeError, match="needs a session"):
            client.get("/token")


def test_websockets_of_other_origins_are_refused() -> None:
    site = Site(CSRFMiddleware(trusted_origins=["https://trusted.example"]), dressed=False)
    with TestClient(site, base_url=HOST) as client:
        for origin in (None, HOST, "https://trusted.example"):
            with client.websocket("/", headers={"origin": origin} if origin else {}) as socket:
                assert socket.receive_text() == "hello"
        for origin in ("https://evil.example", "null", "http://example.org"):
            with pytest.raises(WebSocketRejected), client.websocket("/", headers={"origin": origin}):
                pass


def test_an_application_checks_websockets_itself() -> None:
    with (
        TestClient(Site(CSRFMiddleware()), base_url=HOST) as client,
        client.websocket("/", headers={"origin": "https://allowed-by-the-route.example"}) as socket,
    ):
        assert socket.receive_text() == "hello"


def test_a_single_string_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="csrf_exempt='/hook'"):
        CSRFMiddleware(exempt="/hook")
    with pytest.raises(ValueError, match=r"trusted_origins: '\*'"):
        CSRFMiddleware(trusted_origins=["*"])


@given(st.text(max_size=100))
def test_no_text_is_a_token(text: str) -> None:
    session = Session()
    session.secret()
    assert not is_valid_token(session, text)


def test_a_new_session_has_no_valid_token() -> None:
    session = Session()
    assert not is_valid_token(session, masked_token(session))


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream_cannot_begin_a_session_unnoticed(whole: bool) -> None:
    async def stream(request: Request) -> Response:
        async def chunks() -> AsyncIterator[str]:
            yield request.csrf_token

        return StreamingResponse(chunks())

    middleware = (
        [SecurityMiddleware(session_storage=MemorySessionStorage())]
        if whole
        else [SessionMiddleware(MemorySessionStorage()), CSRFMiddleware()]
    )
    with TestClient(Site(*middleware, handlers=HANDLERS | {"/stream": stream}), base_url=HOST) as client:
        with pytest.raises(SessionClosedError, match="has to read it in the handler"):
            client.get("/stream")
        client.get("/token")
        response = client.get("/stream")  # of a session that is there it can be had at any time
        assert response.headers["cache-control"] == "no-store"
        assert client.post("/", headers={"x-csrf-token": response.text}).status == 200
