"""From http to https."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

from gobstopper_http import HTTPException, RedirectResponse, Request, Response, WebSocket
from gobstopper_sessions import SetupContext

from ._options import check_paths, check_text
from ._standalone import Next
from .hosts import HostList, check_host, configured_hosts

__all__ = ["HTTPSRedirectMiddleware"]

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")


_UNKNOWN = "it is not known where to redirect: give host=, or set ALLOWED_HOSTS or allowed_hosts="


class HTTPSRedirectMiddleware:
    """Redirects (308) requests that came without TLS, and refuses (403) such WebSockets.

    Behind a proxy that ends TLS it needs `ProxyMiddleware` around it, or it redirects for ever.

    Args:
        host: Where to. Default: the host that was asked for, if it is one of the allowed ones: a redirection to
            whatever
            `Host` says could be kept by a cache and lead others astray.
        allowed_hosts: Default: the application's `ALLOWED_HOSTS`.
        exempt: Exact paths that are answered without TLS too, such as a health check.

    Raises:
        TypeError, ValueError: for what is no host or path, and for both `host` and `allowed_hosts`; if none of them is
            known, from `setup`, or without an application from the first request (`RuntimeError`).
    """

    def __init__(
        self, *, host: str | None = None, allowed_hosts: Iterable[str] | None = None, exempt: Iterable[str] = ()
    ) -> None:
        if host is not None and not _HOST.fullmatch(check_text("host", host)):
            raise ValueError(f"host={host!r}: write the name alone, with a port if it is not 443")
        if host is not None and allowed_hosts is not None:
            raise ValueError("host= and allowed_hosts= are both given: the first is where to redirect always")
        self._host = host
        self._hosts = HostList(() if allowed_hosts is None else allowed_hosts)
        self._exempt = check_paths("exempt", exempt)
        self._any_host = False

    def setup(self, context: SetupContext) -> None:
        """Take `ALLOWED_HOSTS`, unless it is known where to redirect."""
        if self._host is None and not self._hosts:
            self._hosts = configured_hosts(context)
            if not self._hosts and not context.debug:
                raise ValueError(_UNKNOWN)
            self._any_host = not self._hosts

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Go on if there is TLS, else redirect.

        Raises:
            HTTPException: 400 for a host that is not allowed, and for a target that is no path.
        """
        if request.scheme == "https" or request.path in self._exempt:
            return next_handler(request)
        return self._redirect(request)

    def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> Awaitable[Any]:
        """Go on if there is TLS: a handshake cannot be redirected.

        Raises:
            HTTPException: 403.
        """
        if websocket.scheme not in {"https", "wss"}:
            raise HTTPException(403, "WebSockets need TLS here.")
        return next_handler(websocket)

    async def _redirect(self, request: Request) -> Response:
        if not request.path.startswith("/"):
            raise HTTPException(400, "This target cannot be asked for over https.")  # "OPTIONS *"
        host = self._host
        if host is None:
            if not self._hosts and not self._any_host:
                raise RuntimeError(_UNKNOWN)
            check_host(self._hosts, request)
            # The port was that of http.
            host = re.sub(r":[0-9]*$", "", request.host)
        path = quote(request.path, safe="/!$&'()*+,;=:@~")
        query = request.query_string
        return RedirectResponse(f"https://{host}{path}{'?' + query if query else ''}", 308)
