"""Protection against requests that another site makes in the name of a visitor."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable
from html import escape
from typing import Any

from gobstopper_http import HTTPException, Request, Response, WebSocket
from gobstopper_sessions import Session, SetupContext

from ._attributes import request_attribute, set_attribute
from ._options import check_texts
from ._standalone import Next
from .origins import check_origins, is_same_host

__all__ = ["CSRFMiddleware", "csrf_field", "is_valid_token", "masked_token"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""

_OWN = frozenset({"same-origin", "none"})
"""What browsers say of requests of the site itself, and of those that a person began."""

_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_LABEL = b"gobstopper csrf v1"
_SIZE = 32


def masked_token(session: Session) -> str:
    """A token of this session: another text each time, so that compression cannot be used to guess it (BREACH).

    It is derived from the session's id, which nobody else knows, so it ends with it and needs no storage of its own.
    The session is begun if there is none yet.
    """
    token = _token(session)
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, token)).rstrip(b"=").decode()


def is_valid_token(session: Session, token: str) -> bool:
    """Whether `token` is one of this session, compared in constant time."""
    if len(token) != 86 or session.is_new:
        return False
    try:
        raw = base64.b64decode(token + "==", altchars=b"-_", validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(_xor(raw[:_SIZE], raw[_SIZE:]), _token(session))


def csrf_field(request: Request) -> str:
    """The hidden input for a form, as HTML."""
    return f'<input type="hidden" name="csrf_token" value="{escape(request.csrf_token)}">'


def _token(session: Session) -> bytes:
    return hmac.digest(session.secret().encode(), _LABEL, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(_SIZE)


def _request_token(request: Request) -> str:
    """The masked CSRF token of this request's session."""
    session = request.__dict__.get("session")
    if not isinstance(session, Session):
        raise AttributeError(  # noqa: TRY004 - so that hasattr() works
            "request.csrf_token needs a session: add SecurityMiddleware, or SessionMiddleware before it"
        )
    return masked_token(session)


request_attribute("csrf_token", _request_token)


def says_same_origin(request: Request) -> bool:
    """Whether a browser says that no other site has caused the request; most are like that, and need no `check`."""
    sites = request.raw_headers.get_all("sec-fetch-site")
    return len(sites) == 1 and sites[0] in _OWN


class CSRFMiddleware:
    """Refuses (403) requests with an unsafe method that another site may have caused.

    What a browser says decides: `Sec-Fetch-Site: same-origin` or `none` passes; otherwise `Origin` must be that of
    the
    `Host`, or one of `trusted_origins`. A client that says neither (old browsers, scripts) needs a token as soon as
    it sends a session cookie: in `X-CSRF-Token`, or in the form field `csrf_token`. `request.csrf_token` gives one.

    Put it inside of `SessionMiddleware`; without sessions there is the origin check alone.

    Args:
        exempt: Exact paths or route names that are not checked, such as webhooks that have a signature of their own.
        trusted_origins: Further origins that may send requests, exactly as browsers write them.

    Raises:
        TypeError, ValueError: for what is no origin, a path with a wildcard, or a single string where several are due.
    """

    def __init__(self, *, exempt: Iterable[str] = (), trusted_origins: Iterable[str] = ()) -> None:
        self._exempt = frozenset(check_texts("csrf_exempt", exempt, "paths and route names"))
        for name in self._exempt:
            if not name or "*" in name:
                raise ValueError(f"csrf_exempt: {name!r} matches nothing: write whole paths, or names of routes")
        self._trusted = check_origins("trusted_origins", trusted_origins)
        self._sockets_checked = False

    def setup(self, context: SetupContext) -> None:
        """The application checks the origin of WebSockets itself, with what a route allows."""
        self._sockets_checked = True

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        """Check, and go on.

        Raises:
            HTTPException: 403.
        """
        if request.method not in SAFE and not says_same_origin(request):
            await self.check(request)
        return await next_handler(request)

    async def check(self, request: Request) -> None:
        """Check a request with an unsafe method.

        Raises:
            HTTPException: 403.
        """
        raw = request.raw_headers
        sites = raw.get_all("sec-fetch-site")
        site = sites[0] if len(sites) == 1 else None  # of two, each may be somebody else's: the origin decides
        if site in _OWN or self._is_exempt(request):
            return
        if site is not None or "sec-fetch-site" in raw or "origin" in raw:
            if not self._is_allowed(request, same_host=site is None):
                raise HTTPException(403, "Cross-site request refused: its origin is not trusted here.")
            return
        session = request.__dict__.get("session")
        if (
            isinstance(session, Session)
            and session.presented
            and not is_valid_token(session, await _sent_token(request))
        ):
            raise HTTPException(403, "The CSRF token is missing or not valid for this session.")

    async def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> None:
        """Check the origin before the handshake.

        Raises:
            HTTPException: 403.
        """
        self.check_websocket(websocket)
        await next_handler(websocket)

    def check_websocket(self, websocket: WebSocket) -> None:
        """Check the origin; where the application does that itself, only tell it `trusted_origins`.

        Raises:
            HTTPException: 403.
        """
        if self._sockets_checked:
            set_attribute(websocket, "trusted_origins", self._trusted)
        elif "origin" in websocket.raw_headers and not self._is_allowed(websocket):
            raise HTTPException(403, "The origin may not open WebSockets here.")

    def _is_allowed(self, connection: Request | WebSocket, *, same_host: bool = True) -> bool:
        origins = connection.raw_headers.get_all("origin")
        if len(origins) != 1:
            return False
        origin = origins[0]
        return origin in self._trusted or (same_host and is_same_host(origin, connection.host, connection.scheme))

    def _is_exempt(self, request: Request) -> bool:
        if not self._exempt:
            return False
        return request.path in self._exempt or getattr(request.route, "name", None) in self._exempt


async def _sent_token(request: Request) -> str:
    token = request.raw_headers.get("x-csrf-token")
    if token is None and request.content_type in _FORMS:
        token = (await request.form()).get("csrf_token")
    return token or ""
