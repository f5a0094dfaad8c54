"""From http to https."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

from gobstopper_http import HTTPException, RedirectResponse, Request, Response, WebSocket
from gobstopper_sessions import SetupContext

from ._standalone import Next
from .hosts import HostList, check_host, configured_hosts

__all__ = ["HTTPSRedirectMiddleware"]

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?")


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
        ValueError: for what is no host; from `setup`, if neither `host` nor allowed hosts are known.
    """

    def __init__(
        self, *, host: str | None = None, allowed_hosts: Iterable[str] | None = None, exempt: Iterable[str] = ()
    ) -> None:
        if host is not None and not _HOST.fullmatch(host):
            raise ValueError(f"host={host!r}: write the name alone, with a port if it is not 443")
        if isinstance(exempt, str):
            raise TypeError(f"exempt={exempt!r}: give a sequence of paths, as in [{exempt!r}]")
        self._host = host
        self._hosts = HostList(allowed_hosts or ())
        self._exempt = frozenset(exempt)

    def setup(self, context: SetupContext) -> None:
        """Take `ALLOWED_HOSTS`, unless it is known where to redirect."""
        if self._host is None and not self._hosts:
            self._hosts = configured_hosts(context)
            if not self._hosts and not context.debug:
                raise ValueError("it is not known where to redirect: give host=, or set ALLOWED_HOSTS")

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Go on if there is TLS, else redirect.

        Raises:
            HTTPException: 400 for a host that is not allowed.
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
        host = self._host
        if host is None:
            check_host(self._hosts, request)
            # The port was that of http.
            host = re.sub(r":[0-9]*$", "", request.host)
        path = quote(request.path, safe="/!$&'()*+,;=:@~")
        query = request.query_string
        return RedirectResponse(f"https://{host}{path}{'?' + query if query else ''}", 308)
