"""`request.session`, loaded before the handler and saved once after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

from gobstopper_http import Request, Response, StreamingResponse, WebSocket, WebSocketDisconnect
from gobstopper_http.datastructures import Headers
from gobstopper_http.errors import HTTPException

from ._client_side import ClientSide
from ._lifetimes import Lifetimes
from ._options import check_flag, check_whole, kind_of
from ._server_side import ServerSide, logger
from .cookie_storage import CookieSessionStorage
from .file_storage import FileSessionStorage
from .session import Session
from .session_cookie import SameSite, SessionCookie
from .storage import MAX_RECORD, SessionStorage, SetupContext

__all__ = ["ABSOLUTE_TIMEOUT", "IDLE_TIMEOUT", "SAVED", "SessionMiddleware", "middleware_of"]

IDLE_TIMEOUT = 24 * 3600.0
"""Seconds without a request after which a session ends: a day."""

ABSOLUTE_TIMEOUT = 14 * 24 * 3600.0
"""Seconds after which a session ends whatever happens: two weeks."""

SAVED = (
    "it was saved, and the headers of the answer are made; write before the handler returns (a streamed page that "
    "needs request.csrf_token has to read it in the handler)"
)
"""Why a session is closed after the handler."""

_NO_STORE = ("cache-control", "no-store")
_VARY = ("vary", "Cookie")

middleware_of: WeakKeyDictionary[Any, SessionMiddleware] = WeakKeyDictionary()
"""The session middleware of an application, for its tests."""

Next = Callable[[Request], Awaitable[Response]]


class SessionMiddleware:
    """Gives requests and WebSockets their `session`.

    A request without the cookie costs no round trip to the store, one with it a read, and a write only if something
    changed, or a tenth of the idle time has passed. Concurrent changes to different keys are both kept; a request that
    changed the same key as another one, or whose session was ended meanwhile, is answered 409 and saves nothing.
    Answers that depend on the session are `no-store` and `Vary: Cookie`.

    Usable with any `async (request, next)` chain: `await middleware(request, next)`. An application calls `setup` once
    and then `finalize` on every answer.

    Args:
        storage: A `SessionStorage`, or a `CookieSessionStorage`. Default: `FileSessionStorage()`.
        cookie_name: Without the `__Host-` that is put before it.
        cookie_secure: `"auto"`: `Secure`, except in debug for a loopback `Host`; or `True`, `False`.
        cookie_samesite: `"Lax"`, `"Strict"` or `"None"`.
        cookie_domain: Share the session with the subdomains of this name; the prefix is then `__Secure-`.
        cookie_persistent: Keep the cookie when the browser is closed, until the absolute time-out.
        idle_timeout: Seconds without a request after which a session ends: a day. `None` for no such limit.
        absolute_timeout: Seconds from its beginning after which it ends: two weeks. `None` for no such limit.
        max_size: Bytes of a stored session: 256 KiB.

    Raises:
        TypeError, ValueError: for settings that contradict each other or the rules of cookies.
    """

    def __init__(
        self,
        storage: SessionStorage | CookieSessionStorage | None = None,
        *,
        cookie_name: str = "session",
        cookie_secure: bool | Literal["auto"] = "auto",
        cookie_samesite: SameSite = "Lax",
        cookie_domain: str | None = None,
        cookie_persistent: bool = False,
        idle_timeout: float | None = IDLE_TIMEOUT,
        absolute_timeout: float | None = ABSOLUTE_TIMEOUT,
        max_size: int = MAX_RECORD,
    ) -> None:
        lifetimes = Lifetimes(idle_timeout, absolute_timeout)
        max_age = (
            None
            if not check_flag("cookie_persistent", cookie_persistent)
            else int(min(lifetimes.absolute, 400 * 24 * 3600))
        )
        self.cookie = SessionCookie(
            cookie_name, secure=cookie_secure, samesite=cookie_samesite, domain=cookie_domain, max_age=max_age
        )
        self.storage = FileSessionStorage() if storage is None else storage
        self.backend: ServerSide | ClientSide
        if isinstance(self.storage, CookieSessionStorage):
            self.backend = ClientSide(self.storage, lifetimes, self.cookie.plain_name)
        elif isinstance(self.storage, SessionStorage):
            self.backend = ServerSide(self.storage, lifetimes, check_whole("max_size", max_size))
        else:
            raise _no_storage(self.storage)
        self._finalized_outside = False

    def setup(self, context: SetupContext) -> None:
        """Take folders, keys and debug mode from an application, which will call `finalize` from now on."""
        self._finalized_outside = True
        if context.debug:
            self.cookie.allow_plain()
        self.storage.setup(context)
        with suppress(TypeError):  # an application that cannot be referred to weakly
            middleware_of[context.app] = self
        if (on_shutdown := getattr(context.app, "on_shutdown", None)) is not None:
            on_shutdown(self.storage.close)

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        """Load, call on, save."""
        session = await self.open(request)
        response = await next_handler(request)
        await self.save(request, session, response)
        if not self._finalized_outside:
            response = response.fresh()
            self.finalize(request, response)
        return response

    async def open(self, request: Request | WebSocket) -> Session:
        """Load the session and set it on the request."""
        value = self.cookie.find(request)
        if value is None:
            request.session = session = Session()
            return session
        return await self.load(request, value)

    async def load(self, request: Request | WebSocket, value: str) -> Session:
        """Load the session of a cookie and set it on the request."""
        request.session = session = await self.backend.load(value)
        session.presented = True
        return session

    async def save(self, request: Request, session: Session, response: Response | None) -> None:
        """Store what has changed; afterwards the session can only be read.

        Raises:
            HTTPException: 409, 503; `response` is closed then.
        """
        backend = self.backend
        if not session.touched and not backend.is_due(session):
            session.close(SAVED)
            return
        try:
            value = await backend.save(session)
        except BaseException:
            if response is not None:
                await response.close()
            raise
        if value or (value is not None and session.presented):
            session._cookie = self.cookie.dump(value, request)
        session.close(SAVED)

    def finalize(self, request: Request, response: Response) -> None:
        """Put the cookie and the caching rules on the answer.

        Whoever calls it gives it `response.fresh()`: a handler may return one object to many clients.
        """
        session = request.__dict__.get("session")
        if not isinstance(session, Session):
            return
        cookie = session._cookie
        if cookie is not None:
            headers = response.headers
            if cookie not in headers.getlist("set-cookie"):
                headers.add("set-cookie", cookie)
            if "no-store" not in (control := headers.get("cache-control", "")) and "private" not in control:
                headers["cache-control"] = "no-store"
            headers.vary("Cookie")
        elif session.touched or (session.presented and isinstance(response, StreamingResponse)):
            # A stream may read the session when its headers are gone.
            response.headers = Headers.shared(_not_cached(response.headers.raw))

    async def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> None:
        """Load before the handshake, save when the handler is done.

        A WebSocket cannot set a cookie: a session cannot begin, rotate or end its cookie here.
        """
        session = await self.open(websocket)
        session.pin()
        if session._is_new or isinstance(self.backend, ClientSide):
            session.close("a WebSocket cannot set a cookie; begin or change the session in a request")
        try:
            await next_handler(websocket)
        except WebSocketDisconnect:
            await self._save_websocket(session)
            raise
        await self._save_websocket(session)

    async def _save_websocket(self, session: Session) -> None:
        if not session.touched or session._is_new:
            return
        try:
            await self.backend.save(session)
        except HTTPException as error:
            logger.warning("the session of a WebSocket was not saved: %s", error)


def _no_storage(given: Any) -> TypeError:
    if isinstance(given, type):
        return TypeError(f"the storage is {kind_of(given)}")
    return TypeError(
        f"{kind_of(given)} is no session storage: make one of it, such as AsyncRedisSessionStorage(url=...), or "
        "subclass SessionStorage"
    )


def _not_cached(raw: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields with `no-store`, unless they say something of their own, and with `Vary: Cookie`.

    One new list instead of checked writes: an answer that CORS has put its `Vary` on is frequent.
    """
    fields = []
    vary = None
    is_controlled = False
    for pair in raw:
        name, value = pair
        if name == "vary":
            vary = value if vary is None else f"{vary}, {value}"
        else:
            fields.append(pair)
            if name == "cache-control":
                is_controlled = True
    if not is_controlled:
        fields.append(_NO_STORE)
    fields.append(_VARY if vary is None else ("vary", _with_cookie(vary)))
    return fields


@lru_cache(64)
def _with_cookie(vary: str) -> str:
    names = [name.strip() for name in vary.split(",") if name.strip()]
    if "*" in names:
        return "*"
    return ", ".join(names if "cookie" in map(str.lower, names) else [*names, "Cookie"])
