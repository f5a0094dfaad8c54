"""What both clients share: settings, cookies, redirects. Its coroutines run on the fake server's loop."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict
from urllib.parse import urlsplit

from ..datastructures import Headers
from .bodies import RequestBody
from .cookies import CookieJar
from .errors import ConnectionLost, protocol_closed
from .http import HTTPExchange
from .request import ClientRequest, Content, Files, HeaderTypes, Params, build_request, header_pairs, redirected
from .response import ClientResponse, ResponseStart
from .server import FakeServer, as_exception
from .websocket import WebSocketExchange

__all__ = ["Call", "ClientSettings", "Connection", "RequestOptions", "Session", "Upload"]

MAX_REDIRECTS = 20
_REDIRECTS = {301, 302, 303, 307, 308}
_ABSOLUTE = ("http://", "https://", "ws://", "wss://")


class RequestOptions(TypedDict, total=False):
    """What every request takes.

    Attributes:
        params: the query: mapping, pairs, or a string; a sequence repeats its name, `None` is left out.
        headers: mapping or pairs, on top of the client's own.
        cookies: name to value, for this request only, on top of the jar's.
        json: a body, encoded by msgspec.
        data: the fields of a form: urlencoded, or multipart together with `files`.
        files: field name to bytes, text, a file, or a tuple `(filename, content)` or `(filename, content, type)`.
        content: a raw body; an iterator is sent in chunks, and may raise `Disconnect` to break off.
        follow_redirects: the client's setting, for this request.
        timeout: seconds for the whole answer, the client's setting without it; `None` waits for ever.
    """

    params: Params | None
    headers: HeaderTypes | None
    cookies: Mapping[str, str] | None
    json: Any
    data: Params | None
    files: Files | None
    content: Content | None
    follow_redirects: bool
    timeout: float | None


class ClientSettings(TypedDict, total=False):
    """The keyword arguments of both clients; `TestClient` describes them."""

    base_url: str
    headers: HeaderTypes | None
    cookies: Mapping[str, str] | None
    timeout: float | None
    follow_redirects: bool
    raise_app_exceptions: bool
    http_version: str
    client: str
    loop_factory: Callable[[], asyncio.AbstractEventLoop]


class Upload:
    """A body that is sent in chunks, from another thread than the server's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        self.chunks = chunks
        self.body = RequestBody(loop, complete=False)
        self._loop = loop

    def feed(self, data: bytes) -> None:
        """Send a chunk."""
        self._loop.call_soon_threadsafe(self.body.feed, bytes(data))

    def end(self) -> None:
        """That was all."""
        self._loop.call_soon_threadsafe(self.body.end)

    def cut(self) -> None:
        """Break off."""
        self._loop.call_soon_threadsafe(self.body.fail, protocol_closed())


@dataclass(frozen=True)
class Call:
    """A request that is ready to be sent."""

    request: ClientRequest
    upload: Upload | None
    cookies: dict[str, str]
    follow: bool
    timeout: float | None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.request.method} {self.request.url}"


class Session:
    """The settings of a client, and its connections; see `TestClient` for the arguments."""

    def __init__(
        self,
        app: Any,
        *,
        base_url: str = "http://127.0.0.1",
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        timeout: float | None = 5.0,
        follow_redirects: bool = True,
        raise_app_exceptions: bool = True,
        http_version: str = "1.1",
        client: str = "127.0.0.1:50000",
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"base_url is an absolute http URL, not {base_url!r}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.base_url = base_url.rstrip("/")
        self.headers = Headers([("user-agent", "gobstopper-testclient"), ("accept", "*/*")])
        if headers is not None:
            self.headers.update(headers)
        self.cookies = CookieJar(parts.hostname)
        for name, value in (cookies or {}).items():
            self.cookies[name] = value
        self.timeout = timeout
        self.follow_redirects = follow_redirects
        self.raise_app_exceptions = raise_app_exceptions
        self.http_version = http_version
        self.client = client
        # The listening address has to be an address: a name in the base URL is what the client asks for, no more.
        self.server = FakeServer(app, port=port, loop_factory=loop_factory)
        self._exchanges: list[HTTPExchange | WebSocketExchange] = []

    def url(self, path: str) -> str:
        """The absolute URL of a path; one that begins with two slashes is still a path."""
        if path.startswith(_ABSOLUTE):
            return path
        return self.base_url + (path if path.startswith("/") else f"/{path}")

    def call(self, method: str, path: str, options: RequestOptions, *, extra: HeaderTypes = ()) -> Call:
        """Build a request from the client's settings and the options of the call."""
        content = options.get("content")
        request = build_request(
            method,
            self.url(path),
            params=options.get("params"),
            headers=self._merge(options.get("headers"), extra),
            json=options.get("json"),
            data=options.get("data"),
            files=options.get("files"),
            content=content,
        )
        upload = None
        if request.content is None:
            assert isinstance(content, Iterable | AsyncIterable)
            upload = Upload(self.server.loop, content)  # type: ignore[arg-type]  # bytes and str have been sorted out
        return Call(
            request,
            upload,
            dict(options.get("cookies") or {}),
            options.get("follow_redirects", self.follow_redirects),
            options.get("timeout", self.timeout),
        )

    def websocket_call(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
    ) -> Call:
        """Build a WebSocket handshake."""
        handshake = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", base64.b64encode(secrets.token_bytes(16)).decode()),
            ("sec-websocket-version", "13"),
        ]
        if names := ", ".join(subprotocols):
            handshake.append(("sec-websocket-protocol", names))
        options: RequestOptions = {"params": params, "headers": headers, "cookies": cookies}
        return self.call("GET", path, options, extra=handshake)

    def disconnect(self) -> None:
        """Drop every connection; on the server's loop."""
        for exchange in self._exchanges:
            exchange.disconnect()

    def stop(self, *, quiet: bool = False) -> None:
        """Stop the server; then raise what the application raised after an answer and no call has reported."""
        self.server.stop()
        unseen = [exchange.unseen for exchange in self._exchanges if exchange.unseen]
        self._exchanges.clear()
        if unseen and self.raise_app_exceptions and not quiet:
            raise as_exception(unseen[0], "the application")

    # On the loop

    async def open(self, call: Call) -> Connection:
        """Send a request, follow redirects; returns when the head of the answer is there."""
        history: list[ClientResponse] = []
        request = call.request
        body = call.upload.body if call.upload else RequestBody(self.server.loop, (request.content or b"",))
        while True:
            request = self._with_cookies(request, call.cookies)
            connection = await self._send(request, body, tuple(history))
            start = connection.start
            location = start.headers.get("location")
            if not call.follow or start.status not in _REDIRECTS or location is None:
                return connection
            history.append(ClientResponse(start, await connection.read_all()))
            if len(history) > MAX_REDIRECTS:
                raise RuntimeError(f"{call.name} redirects more than {MAX_REDIRECTS} times, last to {location}")
            request = redirected(request, start.status, location)
            body = RequestBody(self.server.loop, (request.content or b"",))

    async def fetch(self, call: Call) -> ClientResponse:
        """Send a request, follow redirects, read the answer to its end."""
        connection = await self.open(call)
        return ClientResponse(connection.start, await connection.read_all())

    async def connect(self, call: Call) -> WebSocketExchange:
        """Open a WebSocket."""
        request = self._with_cookies(call.request, call.cookies)
        exchange = self.server.websocket(self._head(request))
        self._remember(exchange)
        try:
            await exchange.opened
        except BaseException:
            exchange.disconnect()
            self.report(exchange)
            raise
        return exchange

    def report(self, exchange: HTTPExchange | WebSocketExchange) -> None:
        """Raise what the application's callable raised, once, if this client is to."""
        error, exchange.unseen = exchange.unseen, None
        if error is not None and self.raise_app_exceptions:
            raise as_exception(error, "the application")

    async def _send(self, request: ClientRequest, body: RequestBody, history: tuple[ClientResponse, ...]) -> Connection:
        exchange = self.server.http(self._head(request), body)
        self._remember(exchange)
        try:
            head = await exchange.response
        except BaseException:
            exchange.disconnect()
            raise
        self.report(exchange)
        headers = Headers.shared(head.headers)
        self.cookies.store(request.url, headers.getlist("set-cookie"))
        return Connection(self, exchange, ResponseStart(head.status, headers, request, history))

    def _head(self, request: ClientRequest) -> Any:
        return request.head(http_version=self.http_version, client=self.client, server=self.server.address)

    def _merge(self, headers: HeaderTypes | None, extra: HeaderTypes) -> list[tuple[str, str]]:
        pairs = [*header_pairs(headers), *header_pairs(extra)]
        given = {name.lower() for name, _ in pairs}
        return [pair for pair in self.headers.items() if pair[0] not in given] + pairs

    def _with_cookies(self, request: ClientRequest, cookies: dict[str, str]) -> ClientRequest:
        if request.header("cookie") is not None:
            return request
        own = [f"{name}={value}" for name, value in cookies.items()]
        stored = [
            pair
            for pair in (self.cookies.header(request.url) or "").split("; ")
            if pair.partition("=")[0] not in cookies
        ]
        value = "; ".join(pair for pair in [*stored, *own] if pair)
        return replace(request, headers=(*request.headers, ("cookie", value))) if value else request

    def _remember(self, exchange: HTTPExchange | WebSocketExchange) -> None:
        self._exchanges = [each for each in self._exchanges if each.unseen or not each.finished.is_set()]
        self._exchanges.append(exchange)


class Connection:
    """An answer whose body is still to be read."""

    def __init__(self, session: Session, exchange: HTTPExchange, start: ResponseStart) -> None:
        self.start = start
        self.exchange = exchange
        self._session = session

    async def read(self) -> bytes:
        """The next bytes, `b""` at the end."""
        data = await self.exchange.response_body.get()
        if not data:
            self._session.report(self.exchange)
        return data

    async def read_all(self) -> bytes:
        """All of the body; a time-out drops the connection."""
        chunks = []
        try:
            while data := await self.read():
                chunks.append(data)
        except asyncio.CancelledError:
            self.exchange.disconnect()
            raise
        content = b"".join(chunks)
        self._check_length(len(content))
        return content

    async def disconnect(self) -> None:
        """Drop the connection."""
        self.exchange.disconnect()

    def _check_length(self, received: int) -> None:
        declared = self.start.headers.get("content-length")
        if received and declared is not None and declared != str(received):
            raise ConnectionLost(
                f"{self.start.request.method} {self.start.url}: the answer says content-length {declared}, "
                f"its body has {received} bytes"
            )
