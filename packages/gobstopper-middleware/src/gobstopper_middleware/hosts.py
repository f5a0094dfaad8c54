"""Which hosts the application answers for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from gobstopper_http import HTTPException, Request, Response, WebSocket
from gobstopper_sessions import SetupContext

from ._options import check_texts
from ._standalone import Next

__all__ = ["AllowedHostsMiddleware", "HostList", "check_host", "configured_hosts"]


_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class HostList:
    """Hosts, compared exactly and without regard to case; one without a port fits every port.

    Raises:
        TypeError: for a single string.
        ValueError: for a wildcard or a dot before a name, a scheme, a path, an IPv6 address without brackets, or
            letters that browsers send in another form.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in check_texts("allowed_hosts", hosts, "hosts"))
        for host in self._hosts:
            if host != "*" and not _HOST.fullmatch(host):
                raise ValueError(f"allowed_hosts: {host!r} is no host{_advice(host)}")

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


def _advice(host: str) -> str:
    if host.startswith((".", "*.")):
        return ": names are matched exactly, so name each subdomain"
    if not host.isascii():
        try:
            return f": write it as browsers send it, {host.encode('idna').decode()!r}"
        except UnicodeError:
            pass
    return ": write names as in Host ('example.org', '[::1]:8000'), or '*' alone for any"


class AllowedHostsMiddleware:
    """Refuses (400) requests for other hosts, and those whose `Host` is missing, doubled or malformed.

    Args:
        allowed_hosts: Exact names, with a port or without; `["*"]` for any. Default: the application's
            `ALLOWED_HOSTS`; without that only malformed ones are refused.

    Raises:
        TypeError, ValueError: for what is no list of hosts.
    """

    def __init__(self, *, allowed_hosts: Iterable[str] | None = None) -> None:
        self._hosts = HostList(() if allowed_hosts is None else allowed_hosts)
        if allowed_hosts is not None and not self._hosts:
            raise ValueError("allowed_hosts is empty: name a host, or leave it out for ALLOWED_HOSTS")

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
