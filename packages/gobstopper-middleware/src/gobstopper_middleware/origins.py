"""Origins (RFC 6454): reading, comparing, and checking what a developer allows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ._options import check_texts

__all__ = ["check_origins", "is_same_host", "parse_origin"]

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,31})://([a-z0-9._~-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_PORTS = {"http": "80", "https": "443"}


def parse_origin(text: str) -> tuple[str, str, str] | None:
    """Read an `Origin`.

    Returns:
        Scheme, host in lower case, and port (`""` if the scheme has none of its own); `None` for anything malformed,
        and for `null`.
    """
    match = _ORIGIN.fullmatch(text.lower()) if len(text) <= 300 else None
    if match is None:
        return None
    scheme, host, port = match.groups()
    return scheme, host, (port or "").lstrip("0") or _PORTS.get(scheme, "")


def is_same_host(origin: str, host: str, scheme: str) -> bool:
    """Whether an `Origin` is that of the host that was asked for.

    Over TLS the origin must be `https` too. Without TLS it may be either: a proxy may have ended it, and then the
    browser's port is the default one of its own scheme.

    Args:
        origin: The field's value.
        host: The `Host` field's value, port included.
        scheme: That of the request as the server sees it.
    """
    found = parse_origin(origin)
    if found is None or found[0] not in _PORTS or (scheme == "https" and found[0] != "https"):
        return False
    return found == parse_origin(f"{found[0]}://{host}")


def check_origins(name: str, origins: Iterable[str], *, allow: frozenset[str] = frozenset()) -> frozenset[str]:
    """Check origins that a developer wrote.

    Args:
        name: The argument, for messages.
        origins: Such as `https://example.org`.
        allow: Words that are allowed too.

    Returns:
        The origins as browsers write them.

    Raises:
        ValueError: for anything with a path, a trailing slash, a wildcard or no scheme.
        TypeError: for a single string.
    """
    checked = set()
    for origin in check_texts(name, origins, "origins"):
        found = parse_origin(origin)
        if origin in allow:
            checked.add(origin)
        elif found is None:
            raise ValueError(
                f"{name}: {origin!r} is no origin: write scheme://host or scheme://host:port, without a path, a slash "
                "at the end or a wildcard"
            )
        else:
            scheme, host, port = found
            checked.add(f"{scheme}://{host}" + (f":{port}" if port and port != _PORTS.get(scheme) else ""))
    return frozenset(checked)
