"""Which hosts the application answers for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from gobstopper_http import HTTPException, Request, Response, WebSocket
from gobstopper_sessions import SetupContext

from ._standalone import Next

__all__ = ["AllowedHostsMiddleware", "HostList", "check_host", "configured_hosts"]


class HostList:
    """Hosts, compared exactly and without regard to case; one without a port fits every port.

    Raises:
        TypeError: for a single string.
        ValueError: for a wildcard inside of a name, a scheme or a path.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        if isinstance(hosts, str):
            raise TypeError(f"allowed_hosts={hosts!r}: give a sequence of hosts, as in [{hosts!r}]")
        self._hosts = frozenset(host.lower() for host in hosts)
        for host in self._hosts:
            if host != "*" and (not host or not host.isprintable() or any(mark in host for mark in "/*@ ?#")):
                raise ValueError(f"allowed_hosts: {host!r} is no host: write names as in Host, or '*' alone for any")

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def __contains__(self, host: object) -> bool:
        if "*" in self._hosts:
            return True
        name = str(host).lower()
        if name in self._hosts:
            return True
        bare, colon, port = name.rpartition(":")
        return bool(colon) and port.isdecimal() and bare in self._hosts


class AllowedHostsMiddleware:
    """Refuses (400) requests for other hosts, and those whose `Host` is missing, doubled or malformed.

    Args:
        allowed_hosts: Exact names, with a port or without; `["*"]` for any. Default: the application's
            `ALLOWED_HOSTS`; without that only malformed ones are refused.

    Raises:
        TypeError, ValueError: for what is no list of hosts.
    """

    def __init__(self, *, allowed_hosts: Iterable[str] | None = None) -> None:
        self._hosts = HostList(allowed_hosts or ())

    def setup(self, context: SetupContext) -> None:
        """Take `ALLOWED_HOSTS`, unless hosts were given."""
        if not self._hosts:
            self._hosts = configured_hosts(context)

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Check, and go on.

        Raises:
            HTTPException: 400.
        """
        check_host(self._hosts, request)
        return next_handler(request)

    def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> Awaitable[Any]:
        """The same for WebSockets.

        Raises:
            HTTPException: 400.
        """
        check_host(self._hosts, websocket)
        return next_handler(websocket)


def check_host(hosts: HostList, connection: Request | WebSocket) -> None:
    """Refuse a host that is malformed, or not allowed.

    Raises:
        HTTPException: 400.
    """
    host = connection.host
    if hosts and host not in hosts:
        raise HTTPException(400, "This host is not served here.")


def configured_hosts(context: SetupContext) -> HostList:
    """The application's `ALLOWED_HOSTS`."""
    config = getattr(context, "config", None) or {}
    return HostList(config.get("ALLOWED_HOSTS") or ())
