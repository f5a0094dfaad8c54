"""Sessions, CSRF protection and security headers in one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from gobstopper_http import Request, Response, WebSocket
from gobstopper_sessions import CookieSessionStorage, Session, SessionMiddleware, SessionStorage, SetupContext
from gobstopper_sessions.middleware import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT, SAVED

from ._options import check_flag
from ._standalone import Next
from .csrf import SAFE, CSRFMiddleware, says_same_origin
from .headers import DEFAULT_CSP, DEFAULT_HSTS, DEFAULT_PERMISSIONS, DEFAULT_REFERRER, SecurityHeadersMiddleware

__all__ = ["SecurityMiddleware"]


class SecurityMiddleware:
    """`SessionMiddleware`, `CSRFMiddleware` and `SecurityHeadersMiddleware`, each of which can be turned off.

    ```python
    app.add_middleware(SecurityMiddleware, priority=100, session_storage=AsyncRedisSessionStorage(client=redis))
    ```

    Args:
        session_storage: Where sessions are kept. Default: `FileSessionStorage()`, below the application's instance
            folder.
        sessions: Whether requests have a session.
        csrf: Whether unsafe requests of other sites are refused.
        csrf_exempt: Exact paths or route names that are not checked for it.
        headers: Whether security headers are added.
        content_security_policy: See `SecurityHeadersMiddleware`, as are the next three.
        hsts: `Strict-Transport-Security`, over https alone.
        referrer_policy: `Referrer-Policy`.
        permissions_policy: `Permissions-Policy`.
        cookie_name: See `SessionMiddleware`, as are the next four.
        cookie_secure: `"auto"`, `True` or `False`.
        cookie_samesite: `"Lax"`, `"Strict"` or `"None"`.
        cookie_domain: Share the session with subdomains.
        cookie_persistent: Keep the cookie when the browser is closed.
        trusted_origins: Origins besides the own one that may send unsafe requests.
        idle_timeout: Seconds without a request after which a session ends: a day.
        absolute_timeout: Seconds after which it ends in any case: two weeks.

    Raises:
        TypeError, ValueError: for settings that make no sense, contradict each other, or belong to what is turned off.
    """

    def __init__(
        self,
        *,
        session_storage: SessionStorage | CookieSessionStorage | None = None,
        sessions: bool = True,
        csrf: bool = True,
        csrf_exempt: Iterable[str] = (),
        headers: bool = True,
        content_security_policy: str | None = DEFAULT_CSP,
        hsts: str | None = DEFAULT_HSTS,
        referrer_policy: str | None = DEFAULT_REFERRER,
        permissions_policy: str | None = DEFAULT_PERMISSIONS,
        cookie_name: str = "session",
        cookie_secure: bool | Literal["auto"] = "auto",
        cookie_samesite: Literal["Lax", "Strict", "None"] = "Lax",
        cookie_domain: str | None = None,
        cookie_persistent: bool = False,
        trusted_origins: Iterable[str] = (),
        idle_timeout: float | None = IDLE_TIMEOUT,
        absolute_timeout: float | None = ABSOLUTE_TIMEOUT,
    ) -> None:
        _check_unused("sessions", sessions, {
            "session_storage": (session_storage, None), "cookie_name": (cookie_name, "session"),
            "cookie_secure": (cookie_secure, "auto"), "cookie_samesite": (cookie_samesite, "Lax"),
            "cookie_domain": (cookie_domain, None), "cookie_persistent": (cookie_persistent, False),
            "idle_timeout": (idle_timeout, IDLE_TIMEOUT), "absolute_timeout": (absolute_timeout, ABSOLUTE_TIMEOUT),
        })  # fmt: skip
        _check_unused("csrf", csrf, {"csrf_exempt": (csrf_exempt, ()), "trusted_origins": (trusted_origins, ())})
        _check_unused("headers", headers, {
            "content_security_policy": (content_security_policy, DEFAULT_CSP), "hsts": (hsts, DEFAULT_HSTS),
            "referrer_policy": (referrer_policy, DEFAULT_REFERRER),
            "permissions_policy": (permissions_policy, DEFAULT_PERMISSIONS),
        })  # fmt: skip
        check_flag("cookie_persistent", cookie_persistent)
        self.sessions = (
            SessionMiddleware(
                session_storage,
                cookie_name=cookie_name,
                cookie_secure=cookie_secure,
                cookie_samesite=cookie_samesite,
                cookie_domain=cookie_domain,
                cookie_persistent=cookie_persistent,
                idle_timeout=idle_timeout,
                absolute_timeout=absolute_timeout,
            )
            if sessions
            else None
        )
        self.csrf = CSRFMiddleware(exempt=csrf_exempt, trusted_origins=trusted_origins) if csrf else None
        self.headers = (
            SecurityHeadersMiddleware(
                content_security_policy=content_security_policy,
                hsts=hsts,
                referrer_policy=referrer_policy,
                permissions_policy=permissions_policy,
            )
            if headers
            else None
        )
        self._dressed_outside = False

    def setup(self, context: SetupContext) -> None:
        """Set up the parts; from now on `finalize` is called by the application."""
        self._dressed_outside = True
        for part in (self.sessions, self.csrf, self.headers):
            if part is not None:
                part.setup(context)

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        """Load the session, check, go on, save the session.

        Raises:
            HTTPException: 403 for a request of another site, 409 and 503 as `SessionMiddleware`.
        """
        # The parts' own calls would be three coroutines more for every request.
        sessions = self.sessions
        session: Session | None = None
        if sessions is not None:
            value = sessions.cookie.find(request)
            if value is None:
                request.session = session = Session()
            else:
                request.session = session = await sessions.backend.load(value)
                session.presented = True
        if self.csrf is not None and request.method not in SAFE and not says_same_origin(request):
            await self.csrf.check(request)
        response = await next_handler(request)
        if sessions is not None and session is not None:
            if session.touched or sessions.backend.is_due(session):
                await sessions.save(request, session, response)
            else:
                session.close(SAVED)
        if not self._dressed_outside:
            response = response.fresh()
            self.finalize(request, response)
        return response

    def finalize(self, request: Request, response: Response) -> None:
        """Put the session's cookie and the headers on the answer."""
        if self.sessions is not None:
            self.sessions.finalize(request, response)
        if self.headers is not None:
            self.headers.finalize(request, response)

    async def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> None:
        """Check the origin, and give the WebSocket the session.

        Raises:
            HTTPException: 403, 503.
        """
        if self.csrf is not None:
            self.csrf.check_websocket(websocket)
        if self.sessions is not None:
            await self.sessions.websocket(websocket, next_handler)
        else:
            await next_handler(websocket)


def _check_unused(part: str, value: bool, settings: dict[str, tuple[Any, Any]]) -> None:
    """Refuse settings of a part that is turned off: whoever wrote them believes that they do something."""
    if check_flag(part, value):
        return
    for name, (given, default) in settings.items():
        if given is not default and given != default and given != []:
            raise ValueError(f"{part}=False, but there is a {name}: leave one of them out")
