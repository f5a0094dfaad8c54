from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from gobstopper_http import (
    HTTPException,
    Request,
    Response,
    StreamingResponse,
    WebSocket,
    WebSocketDisconnect,
    problem,
    send,
)
from gobstopper_http.testing import TestClient
from gobstopper_sessions import (
    MemorySessionStorage,
    Record,
    SessionClosedError,
    SessionMiddleware,
    get_flashed_messages,
)
from gobstopper_sessions.ids import new_id, storage_key

Handler = Callable[[Request], Awaitable[Response]]
HTTPS = "https://example.org"
NAME = "__Host-session"


class Counting(MemorySessionStorage):
    """Notes every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.before: Callable[[str], Awaitable[None]] | None = None

    async def _note(self, name: str) -> None:
        self.calls.append(name)
        if self.before is not None:
            await self.before(name)

    async def read(self, key: str) -> Record | None:
        await self._note("read")
        return await super().read(key)

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        await self._note("create")
        await super().create(key, data, expires_at)

    async def replace(self, key: str, data: bytes, expires_at: float, **options: Any) -> bool:
        await self._note("replace")
        return await super().replace(key, data, expires_at, **options)

    async def touch(self, key: str, expires_at: float) -> bool:
        await self._note("touch")
        found = self._get(key)
        return found is not None and await super().replace(key, found.data, expires_at, expected=found.data)

    async def delete(self, key: str) -> bool:
        await self._note("delete")
        return await super().delete(key)


class Site:
    """An application of one middleware and handlers by path."""

    def __init__(self, middleware: SessionMiddleware, handlers: dict[str, Handler]) -> None:
        self.middleware = middleware
        self.handlers = handlers
        self.sockets: dict[str, Callable[[WebSocket], Awaitable[None]]] = {}

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto == "ws":
            websocket = WebSocket(scope, proto, "GET", scope.path)
            with suppress(WebSocketDisconnect):
                await self.middleware.websocket(websocket, self.sockets[scope.path])
            return
        request = Request.from_rsgi(scope, proto)
        try:
            response = await self.middleware(request, self.handlers[scope.path])
        except HTTPException as error:
            response = problem(error.status, error.detail, headers=error.headers)
            self.middleware.finalize(request, response)
        await send(request, response)


async def show(request: Request) -> Response:
    return Response(repr(dict(request.session)))


async def untouched(request: Request) -> Response:
    return Response("untouched")


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return Response(str(request.session["count"]))


async def nested(request: Request) -> Response:
    request.session.setdefault("cart", {"items": []})["items"].append(7)
    return Response("ok")


async def login(request: Request) -> Response:
    request.session.rotate()
    request.session["user"] = 7
    return Response("in")


async def logout(request: Request) -> Response:
    request.session.invalidate()
    return Response("out")


async def restart(request: Request) -> Response:
    request.session.invalidate()
    request.session["fresh"] = True
    return Response("again")


async def flash(request: Request) -> Response:
    request.session.flash("hello", "info")
    return Response("flashed")


async def flashes(request: Request) -> Response:
    return Response(repr(get_flashed_messages(request.session, with_categories=True)))


HANDLERS: dict[str, Handler] = {
    "/": show, "/untouched": untouched, "/count": count, "/nested": nested, "/login": login, "/logout": logout,
    "/restart": restart, "/flash": flash, "/flashes": flashes,
}  # fmt: skip


@pytest.fixture
def storage() -> Counting:
    return Counting()


@pytest.fixture
def site(storage: Counting) -> Site:
    return Site(SessionMiddleware(storage), dict(HANDLERS))


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    with TestClient(site, base_url=HTTPS) as client:
        yield client


def test_nothing_happens_without_a_session(client: TestClient, storage: Counting) -> None:
    for path in ("/untouched", "/", "/logout", "/flashes"):
        response = client.get(path)
        assert response.status == 200
        assert "set-cookie" not in response.headers
    assert storage.calls == []


def test_data_lasts(client: TestClient, storage: Counting) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert client.get("/").text == "{'count': 3}"
    assert storage.calls == ["create", "read", "replace", "read", "replace", "read"]


def test_the_cookie(client: TestClient) -> None:
    header = client.get("/count").headers["set-cookie"]
    name, _, rest = header.partition("=")
    value, *attributes = rest.split("; ")
    assert name == NAME
    assert len(value) == 43
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}


def test_a_request_that_does_not_touch_reads_once_and_may_be_cached(client: TestClient, storage: Counting) -> None:
    client.get("/count")
    storage.calls.clear()
    response = client.get("/untouched")
    assert storage.calls == ["read"]
    assert "cache-control" not in response.headers
    assert "vary" not in response.headers


def test_a_touched_session_is_not_cached(client: TestClient) -> None:
    for path in ("/", "/count"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["vary"] == "Cookie"


def test_the_handlers_own_caching_stays_but_not_with_a_cookie(site: Site, client: TestClient) -> None:
    async def own(request: Request) -> Response:
        request.session.get("x")
        return Response("own", headers={"cache-control": "public, max-age=60", "vary": "Accept"})

    async def writes(request: Request) -> Response:
        request.session["x"] = 1
        return Response("own", headers={"cache-control": "public, max-age=60"})

    async def private(request: Request) -> Response:
        request.session.rotate()
        return Response("own", headers={"cache-control": "private, max-age=60"})

    site.handlers.update({"/own": own, "/writes": writes, "/private": private})
    headers = client.get("/own").headers
    assert headers["cache-control"] == "public, max-age=60"
    assert headers["vary"] == "Accept, Cookie"
    assert client.get("/writes").headers["cache-control"] == "no-store"
    response = client.get("/private")
    assert "set-cookie" in response.headers
    assert response.headers["cache-control"] == "private, max-age=60"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], "Cookie"),
        (["Origin"], "Origin, Cookie"),
        (["accept", "Accept-Encoding , origin"], "accept, Accept-Encoding, origin, Cookie"),
        (["cookie"], "cookie"),
        (["Origin, COOKIE", "Accept"], "Origin, COOKIE, Accept"),
        (["*"], "*"),
        (["Accept", "*"], "*"),
        (["", ","], "Cookie"),
    ],
)
def test_vary_is_one_field(site: Site, client: TestClient, own: list[str], expected: str) -> None:
    async def handler(request: Request) -> Response:
        request.session.get("x")
        return Response("own", headers=[("vary", value) for value in own])

    site.handlers["/vary"] = handler
    headers = client.get("/vary").headers
    assert headers.getlist("vary") == [expected]
    assert headers.getlist("cache-control") == ["no-store"]


def test_nested_changes_are_noticed(client: TestClient) -> None:
    client.get("/nested")
    client.get("/nested")
    assert client.get("/").text == "{'cart': {'items': [7, 7]}}"


def test_true_and_one_are_different(site: Site, client: TestClient) -> None:
    async def one(request: Request) -> Response:
        request.session["x"] = 1
        return Response("")

    async def true(request: Request) -> Response:
        request.session["x"] = True
        return Response("")

    site.handlers.update({"/one": one, "/true": true})
    client.get("/one")
    client.get("/true")
    assert client.get("/").text == "{'x': True}"


def test_writing_the_same_is_no_write(site: Site, client: TestClient, storage: Counting) -> None:
    async def same(request: Request) -> Response:
        request.session["user"] = 7
        return Response("")

    site.handlers["/same"] = same
    client.get("/same")
    storage.calls.clear()
    client.get("/same")
    assert storage.calls == ["read"]


@pytest.mark.parametrize(
    # The random one has a fixed name, so that processes that share the suite collect the same tests.
    "cookie",
    [
        pytest.param(new_id(), id="well-formed"),
        *["a" * 43, "x", "", "../../x", "%00", "A" * 10_000, '"\\000"', "a" * 42 + "%", "\\", "{}"],
    ],
)
def test_an_id_of_the_clients_choice_is_never_adopted(client: TestClient, storage: Counting, cookie: str) -> None:
    response = client.get("/count", headers={"cookie": f"{NAME}={cookie}"})
    assert response.text == "1"
    assert client.cookies[NAME] != cookie
    assert len(storage) == 1
    if len(cookie) != 43 or "%" in cookie:
        assert "read" not in storage.calls


def test_a_session_cookie_of_another_name_counts_for_nothing(client: TestClient) -> None:
    client.get("/count")
    value = client.cookies[NAME]
    client.cookies.clear()
    for name in ("session", "__Secure-session", "__host-session"):
        assert client.get("/", headers={"cookie": f"{name}={value}"}).text == "{}"
    assert client.get("/", headers={"cookie": f"{NAME}={value}"}).text == "{'count': 1}"


def test_the_store_does_not_know_ids(client: TestClient, storage: Counting) -> None:
    client.get("/count")
    value = client.cookies[NAME]
    assert list(storage._records) == [storage_key(value)]
    assert value.encode() not in next(iter(storage._records.values())).data
    assert client.get("/", headers={"cookie": f"{NAME}={storage_key(value)}"}, cookies={}).status == 200


def test_login_changes_the_id_and_kills_the_old_one(client: TestClient, storage: Counting) -> None:
    client.get("/count")
    old = client.cookies[NAME]
    client.get("/login")
    new = client.cookies[NAME]
    assert new != old
    assert client.get("/").text == "{'count': 1, 'user': 7}"
    client.cookies.clear()
    assert client.get("/", headers={"cookie": f"{NAME}={old}"}).text == "{}"
    assert len(storage) == 1


def test_an_old_id_does_not_remove_the_new_cookie(client: TestClient) -> None:
    client.get("/count")
    old = client.cookies[NAME]
    client.get("/login")
    late = client.get("/", headers={"cookie": f"{NAME}={old}"})
    assert "set-cookie" not in late.headers


def test_logout_ends_the_session_and_removes_the_cookie(client: TestClient, storage: Counting) -> None:
    client.get("/login")
    old = client.cookies[NAME]
    response = client.get("/logout")
    assert response.headers["set-cookie"].startswith(f"{NAME}=; ")
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert NAME not in client.cookies
    assert len(storage) == 0
    assert client.get("/", headers={"cookie": f"{NAME}={old}"}).text == "{}"


def test_what_is_written_after_logout_is_a_new_session(client: TestClient, storage: Counting) -> None:
    client.get("/login")
    old = client.cookies[NAME]
    client.get("/restart")
    assert client.cookies[NAME] != old
    assert client.get("/").text == "{'fresh': True}"
    assert len(storage) == 1


def test_flash(client: TestClient) -> None:
    client.get("/flash")
    assert client.get("/flashes").text == "[('info', 'hello')]"
    assert client.get("/flashes").text == "[]"


def test_a_slow_request_does_not_bring_a_session_back(site: Site, client: TestClient, storage: Counting) -> None:
    client.get("/login")
    cookie = f"{NAME}={client.cookies[NAME]}"

    async def slow(request: Request) -> Response:
        request.session["slow"] = True
        await storage.delete(storage_key(client.cookies[NAME]))  # the log-out of another request
        return Response("done")

    site.handlers["/slow"] = slow
    response = client.get("/slow", headers={"cookie": cookie})
    assert response.status == 409
    assert "ended" in response.json()["detail"]
    assert len(storage) == 0


@pytest.mark.parametrize("path", ["/slow-login", "/slow-write"])
def test_concurrent_changes(site: Site, client: TestClient, storage: Counting, path: str) -> None:
    client.get("/count")

    async def other(key: str, value: Any) -> None:
        session = await site.middleware.backend.load(client.cookies[NAME])
        session[key] = value
        await site.middleware.backend.save(session)

    async def slow_login(request: Request) -> Response:
        request.session.rotate()
        request.session["user"] = 7
        await other("colour", "red")
        return Response("")

    async def slow_write(request: Request) -> Response:
        request.session["user"] = 7
        await other("colour", "red")
        return Response("")

    site.handlers.update({"/slow-login": slow_login, "/slow-write": slow_write})
    assert client.get(path).status == 200
    assert client.get("/").text == "{'count': 1, 'colour': 'red', 'user': 7}"


def test_concurrent_changes_of_one_key_are_409(site: Site, client: TestClient) -> None:
    client.get("/count")
    closed = []

    class Closing(Response):
        async def close(self) -> None:
            closed.append(True)

    async def clash(request: Request) -> Response:
        request.session["count"] += 1
        session = await site.middleware.backend.load(client.cookies[NAME])
        session["count"] += 1
        await site.middleware.backend.save(session)
        return Closing("")

    site.handlers["/clash"] = clash
    response = client.get("/clash")
    assert response.status == 409
    assert "'count'" in response.json()["detail"]
    assert closed == [True]
    assert client.get("/").text == "{'count': 2}"


def test_endless_races_end(site: Site, client: TestClient, storage: Counting) -> None:
    client.get("/count")
    key = storage_key(client.cookies[NAME])

    async def interfere(name: str) -> None:
        if name == "replace":
            record = storage._records[key]
            storage._records[key] = Record(record.data[:-2] + b',"n%d":1}}' % len(storage.calls), record.expires_at)

    storage.before = interfere
    assert client.get("/count").status == 409
    assert storage.calls.count("replace") == 21


# --- time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


def test_idle_sessions_end(storage: Counting, clock: SimpleNamespace) -> None:
    site = Site(SessionMiddleware(storage, idle_timeout=100, absolute_timeout=1000), HANDLERS)
    with TestClient(site, base_url=HTTPS) as client:
        client.get("/count")
        clock.now += 99
        assert client.get("/").text == "{'count': 1}"  # renewed
        clock.now += 99
        assert client.get("/").text == "{'count': 1}"
        clock.now += 101
        assert client.get("/").text == "{}"


def test_renewing_is_not_a_write_per_request(storage: Counting, clock: SimpleNamespace) -> None:
    site = Site(SessionMiddleware(storage, idle_timeout=100, absolute_timeout=1000), HANDLERS)
    with TestClient(site, base_url=HTTPS) as client:
        client.get("/count")
        storage.calls.clear()
        for path in ("/untouched", "/"):
            for _ in range(20):
                clock.now += 1
                client.get(path)
        assert storage.calls.count("read") == 40
        assert 3 <= storage.calls.count("touch") <= 4
        assert storage.calls.count("replace") == 0


def test_sessions_end_absolutely(storage: Counting, clock: SimpleNamespace) -> None:
    site = Site(SessionMiddleware(storage, idle_timeout=100, absolute_timeout=250), HANDLERS)
    with TestClient(site, base_url=HTTPS) as client:
        client.get("/count")
        for _ in range(4):
            clock.now += 60
            assert client.get("/count").text != "1"
        client.get("/login")  # rotating gives no further time
        clock.now += 11
        assert client.get("/").text == "{}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"idle_timeout": 0}, "idle_timeout=0"),
        ({"absolute_timeout": -1}, "absolute_timeout=-1"),
        ({"idle_timeout": float("inf")}, "None for no limit"),
        ({"idle_timeout": None, "absolute_timeout": None}, "never expire"),
        ({"cookie_secure": "maybe"}, "cookie_secure='maybe'"),
        ({"cookie_secure": False, "cookie_samesite": "None"}, "demands secure"),
        ({"cookie_name": "a b"}, "not a token"),
        ({"cookie_domain": "a b"}, "not a host name"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionMiddleware(MemorySessionStorage(), **options)


def test_what_is_no_storage() -> None:
    with pytest.raises(TypeError, match="no session storage"):
        SessionMiddleware({})  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [{"idle_timeout": None}, {"absolute_timeout": None}])
def test_one_limit_is_enough(limit: dict[str, Any], storage: Counting) -> None:
    site = Site(SessionMiddleware(storage, **limit), HANDLERS)
    with TestClient(site, base_url=HTTPS) as client:
        client.get("/count")
        assert client.get("/count").text == "2"


# --- the cookie's variants


def context(debug: bool, **more: Any) -> Any:
    hooks: list[Any] = []
    return SimpleNamespace(
        debug=debug, app=SimpleNamespace(on_shutdown=hooks.append), hooks=hooks, secret_keys=[], **more
    )


@pytest.mark.parametrize(
    ("debug", "base_url", "secure", "expected"),
    [
        (False, "http://localhost", "auto", f"{NAME} Secure"),
        (False, "http://example.org", "auto", f"{NAME} Secure"),
        (True, "http://localhost:8000", "auto", "session "),
        (True, "http://127.0.0.1:8000", "auto", "session "),
        (True, "http://[::1]:8000", "auto", "session "),
        (True, "http://app.localhost", "auto", "session "),
        (True, "http://example.org", "auto", f"{NAME} Secure"),
        (True, "http://localhost.example.org", "auto", f"{NAME} Secure"),
        (True, "http://127.0.0.1.example.org", "auto", f"{NAME} Secure"),
        (True, "http://localhost", True, f"{NAME} Secure"),
        (False, "http://example.org", False, "session "),
    ],
)
def test_when_the_cookie_is_secure(debug: bool, base_url: str, secure: Any, expected: str) -> None:
    middleware = SessionMiddleware(MemorySessionStorage(), cookie_secure=secure)
    middleware.setup(context(debug))
    site = Site(middleware, HANDLERS)

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        response = await middleware(request, HANDLERS[scope.path])
        middleware.finalize(request, response)
        middleware.finalize(request, response)  # twice does no harm
        await send(request, response)

    site.__dict__["__rsgi__"] = app
    with TestClient(app, base_url=base_url) as client:
        fields = client.get("/count").headers.getlist("set-cookie")
        assert len(fields) == 1
        name, _, rest = fields[0].partition("=")
        assert f"{name} {'Secure' if 'Secure' in rest.split('; ') else ''}" == expected
        assert "HttpOnly" in rest


def test_domain_name_and_persistence() -> None:
    middleware = SessionMiddleware(
        MemorySessionStorage(), cookie_name="sid", cookie_domain="example.org", cookie_samesite="Strict",
        cookie_persistent=True, absolute_timeout=500,
    )  # fmt: skip
    with TestClient(Site(middleware, HANDLERS), base_url="https://www.example.org") as client:
        header = client.get("/count").headers["set-cookie"]
        assert header.startswith("__Secure-sid=")
        for attribute in ("Domain=example.org", "Max-Age=500", "SameSite=Strict", "Secure", "HttpOnly", "Path=/"):
            assert f"; {attribute}" in header
        assert client.get("/count").text == "2"
        removal = client.get("/logout").headers["set-cookie"]
        assert "Max-Age=0" in removal
        assert "Max-Age=500" not in removal
        assert "Domain=example.org" in removal
        assert "__Secure-sid" not in client.cookies


def test_samesite_none_has_lax_in_development() -> None:
    middleware = SessionMiddleware(MemorySessionStorage(), cookie_samesite="None")
    middleware.setup(context(debug=True))
    assert "SameSite=Lax" in middleware.cookie._attributes[False]
    assert (
        "SameSite=None; Secure" in middleware.cookie._attributes[True]
        or "Secure" in middleware.cookie._attributes[True]
    )


def test_two_cookies_of_one_name_the_first_counts(client: TestClient) -> None:
    client.get("/count")
    good = client.cookies[NAME]
    client.cookies.clear()
    assert client.get("/", headers={"cookie": f"{NAME}={good}; {NAME}={new_id()}"}).text == "{'count': 1}"
    assert client.get("/", headers={"cookie": f"{NAME}={new_id()}; {NAME}={good}"}).text == "{}"


# --- what goes wrong


class Broken(MemorySessionStorage):
    async def read(self, key: str) -> Record | None:
        raise ConnectionRefusedError("no one is there")

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        raise ConnectionRefusedError("no one is there")


def test_a_store_that_is_down_is_503(caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(Site(SessionMiddleware(Broken()), HANDLERS), base_url=HTTPS) as client:
        assert client.get("/untouched").status == 200  # needs no store
        for headers in ({}, {"cookie": f"{NAME}={new_id()}"}):
            response = client.get("/count", headers=headers)
            assert response.status == 503
            assert response.headers["retry-after"] == "1"
            assert "set-cookie" not in response.headers
            assert "no one" not in response.text
    assert "Broken: create() failed: ConnectionRefusedError" in caplog.text


def test_a_store_that_hangs_is_503_within_a_second(caplog: pytest.LogCaptureFixture) -> None:
    class Hanging(MemorySessionStorage):
        timeout = 0.8

        async def read(self, key: str) -> Record | None:
            await asyncio.sleep(60)
            return None

    with TestClient(Site(SessionMiddleware(Hanging()), HANDLERS), base_url=HTTPS) as client:
        start = time.monotonic()
        assert client.get("/", headers={"cookie": f"{NAME}={new_id()}"}).status == 503
        assert 0.5 < time.monotonic() - start < 20  # not sixty
    assert "did not answer in time" in caplog.text


def test_failing_to_renew_is_no_error(storage: Counting, clock: SimpleNamespace) -> None:
    async def fail(name: str) -> None:
        if name == "touch":
            raise OSError("full")

    site = Site(SessionMiddleware(storage, idle_timeout=100), HANDLERS)
    with TestClient(site, base_url=HTTPS) as client:
        client.get("/count")
        clock.now += 50
        storage.before = fail
        assert client.get("/").text == "{'count': 1}"
        storage.before = None
        clock.now += 49
        assert client.get("/").text == "{'count': 1}"


def test_an_unreadable_record_is_a_new_session(client: TestClient, storage: Counting, caplog: Any) -> None:
    client.get("/count")
    key = storage_key(client.cookies[NAME])
    storage._records[key] = Record(b"\x80\x04pickle", time.time() + 60)
    assert client.get("/count").text == "1"
    assert "not readable" in caplog.text
    assert storage_key(client.cookies[NAME]) != key


def test_too_much_data_is_an_error(site: Site) -> None:
    site.middleware = SessionMiddleware(MemorySessionStorage(), max_size=1000)

    async def much(request: Request) -> Response:
        request.session["x"] = "x" * 2000
        return Response("")

    site.handlers["/much"] = much
    with TestClient(site, base_url=HTTPS) as client, pytest.raises(ValueError, match=r"bytes of 1,000.*max_size"):
        client.get("/much")


def test_what_is_no_json_is_an_error(site: Site, client: TestClient) -> None:
    async def bad(request: Request) -> Response:
        request.session["x"] = object()
        return Response("")

    site.handlers["/bad"] = bad
    with pytest.raises(TypeError, match=r"session\['x'\]"):
        client.get("/bad")


def test_writing_after_the_answer_is_an_error(site: Site, client: TestClient) -> None:
    async def stream(request: Request) -> Response:
        request.session["a"] = 1

        async def chunks() -> Any:
            yield str(request.session["a"])
            request.session["late"] = True

        return StreamingResponse(chunks())

    site.handlers["/stream"] = stream
    with pytest.raises(SessionClosedError, match="before the handler returns"):
        client.get("/stream")


def test_an_error_of_the_chain_saves_nothing(site: Site, client: TestClient, storage: Counting) -> None:
    async def fails(request: Request) -> Response:
        request.session["x"] = 1
        raise HTTPException(418)

    site.handlers["/fails"] = fails
    response = client.get("/fails")
    assert response.status == 418
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers
    assert len(storage) == 0


def test_purging_happens_by_itself(site: Site, client: TestClient, storage: Counting, caplog: Any) -> None:
    backend: Any = site.middleware.backend
    backend._next_purge = 0.0
    storage._records["dead"] = Record(b"", 1.0)
    client.get("/count")
    client.get("/untouched")
    assert "dead" not in storage._records

    async def fails() -> int:
        raise OSError("broken")

    storage.purge = fails  # type: ignore[method-assign]
    backend._next_purge = 0.0
    client.cookies.clear()
    client.get("/count")
    client.get("/untouched")
    assert "purge() failed: OSError('broken')" in caplog.text


def test_the_store_is_closed_at_shutdown() -> None:
    storage = MemorySessionStorage()
    setup = context(debug=False)
    SessionMiddleware(storage).setup(setup)
    assert setup.hooks == [storage.close]


# --- WebSockets


def test_a_websocket_has_the_session(site: Site, client: TestClient) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(websocket.session["count"]))
        websocket.session["from socket"] = True
        with pytest.raises(SessionClosedError, match="cannot set the cookie"):
            websocket.session.rotate()
        await websocket.receive_text()

    site.sockets["/ws"] = talk
    client.get("/count")
    with client.websocket("/ws") as socket:
        assert socket.receive_text() == "1"
    client.server.submit(_settle(client)).result(5)
    assert client.get("/").text == "{'count': 1, 'from socket': True}"


async def _settle(client: TestClient) -> None:
    await asyncio.wait_for(client.server.settle(), 3)


def test_a_websocket_cannot_begin_a_session(site: Site, client: TestClient) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        assert websocket.session.get("x") is None
        try:
            websocket.session["x"] = 1
        except SessionClosedError as error:
            await websocket.send_text(str(error))
        await websocket.close()

    site.sockets["/ws"] = talk
    with client.websocket("/ws") as socket:
        assert "cannot set a cookie" in socket.receive_text()


def test_a_websocket_whose_session_ended_is_logged(
    site: Site, client: TestClient, storage: Counting, caplog: Any
) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.session["x"] = 1
        await storage.delete(storage_key(client.cookies[NAME]))
        await websocket.close()

    site.sockets["/ws"] = talk
    client.get("/count")
    with client.websocket("/ws"):
        client.server.submit(_settle(client)).result(5)
    assert "was not saved" in caplog.text
    assert len(storage) == 0


def test_an_answer_that_is_returned_again_has_no_cookie_of_the_client_before(site: Site, client: TestClient) -> None:
    kept = Response("page")

    async def page(request: Request) -> Response:
        if request.query:
            request.session["user"] = 7
        return kept

    site.handlers["/page"] = page
    assert "set-cookie" in client.get("/page?first=1").headers
    client.cookies.clear()
    assert "set-cookie" not in client.get("/page").headers
