"""Which host a request is for, and whether it says so as it must (RFC 9112 section 3.2, RFC 9113 section 8.3.1)."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from .rsgi import Scope

__all__ = ["authority_of"]

# RFC 3986 3.2.2, as far as a Host may hold it: a registered name or IPv4 address, or an IP literal; and a port.
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?")


def authority_of(scope: Scope, hosts: list[str]) -> str | None:
    """The authority that was asked for, port included; `""` for HTTP/1.0 without one; `None` for a wrong one.

    That of the target goes before `Host` (an absolute target on HTTP/1, `:authority` on HTTP/2). Wrong is a malformed
    one, on HTTP/1 a `Host` that is doubled, and in 1.1 one that is missing; on HTTP/2 one that says otherwise.

    Args:
        scope: The server's scope.
        hosts: The values of the field `Host`, as the server gives them: an invalid one is missing.
    """
    authority = scope.authority
    version = scope.http_version
    if version == "1" and not hosts and not authority:
        return None if "host" in scope.headers else ""
    if version.startswith("1"):
        if len(hosts) > 1 or (not hosts and version != "1"):
            return None
    elif len({*hosts, authority or hosts[0]} if hosts else ()) > 1:
        return None
    chosen = authority or (hosts[0] if hosts else "")
    return chosen if _is_authority(chosen) else None


def _is_authority(text: str) -> bool:
    match = _HOST.fullmatch(text)
    if match is None or int(match[2] or 0) > 65535:
        return False
    if match[1] is not None:
        try:
            IPv6Address(match[1])
        except ValueError:
            return False
    return True
