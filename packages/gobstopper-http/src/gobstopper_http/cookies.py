"""Cookies: writing ``Set-Cookie`` and reading ``Cookie`` (RFC 6265bis)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from urllib.parse import quote

from ._dates import format_http_date
from ._impl import parse_cookies

__all__ = ["MAX_COOKIE_SIZE", "SameSite", "dump_cookie", "parse_cookie"]

SameSite: TypeAlias = Literal["Lax", "Strict", "None", "lax", "strict", "none"]

MAX_COOKIE_SIZE = 4096
"""Bytes of name and value together that browsers keep; a larger cookie they drop without a word (5.6)."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# cookie-octet (4.1.1): visible ASCII without the double quote, comma, semicolon and backslash.
_PLAIN = re.compile(r"[!#-+\--:<-\[\]-~]*")
_TO_ESCAPE = re.compile(rb'[\x00-\x1f",;\\\x7f-\xff]')
_ESCAPED = re.compile(rb"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")


def dump_cookie(
    name: str,
    value: str = "",
    *,
    max_age: int | timedelta | None = None,
    expires: datetime | float | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: SameSite | None = "Lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a ``Set-Cookie`` field.

    A value with characters that a cookie cannot hold is put in quotes with octal escapes, as Werkzeug does;
    `parse_cookie` reads it back unchanged.

    Args:
        name: a token.
        value: any text.
        max_age: seconds (0 or less deletes the cookie), or a timedelta; without it and `expires` the cookie lasts as
            long as the browser runs.
        expires: a datetime (UTC if it has no zone) or seconds since 1970.
        path: the cookie is sent for this path and below.
        domain: also send it to the subdomains of this name; without it, to this host alone.
        secure: https only.
        httponly: hidden from JavaScript.
        samesite: ``"Lax"``, ``"Strict"``, ``"None"``, or `None` to leave it out.
        partitioned: keyed by the top-level site too (CHIPS).

    Raises:
        ValueError: a name, path or domain that browsers refuse, a cookie they would drop: over 4096 bytes, one that
            breaks the rules of its prefix (``__Host-``, ``__Secure-``), ``SameSite=None`` or `partitioned` without
            `secure`.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"cookie name {name!r} is not a token: use letters, digits and !#$%&'*+-.^_`|~ only")
    quoted = value if _PLAIN.fullmatch(value) else _quote(value)
    if len(name) + len(quoted) > MAX_COOKIE_SIZE:
        raise ValueError(
            f"cookie {name!r} has {len(name) + len(quoted)} bytes of name and value, and browsers drop it beyond "
            f"{MAX_COOKIE_SIZE}: keep the data on the server and put a key to it in the cookie"
        )
    same = samesite.capitalize() if samesite else None
    if same not in {"Lax", "Strict", "None", None}:
        raise ValueError(f"cookie {name!r}: samesite={samesite!r} is unknown, use 'Lax', 'Strict', 'None' or None")
    _check_rules(name, path, domain, secure, same == "None", partitioned)
    parts = [f"{name}={quoted}"]
    if domain:
        parts.append(f"Domain={_domain(name, domain)}")
    if expires is not None:
        parts.append(f"Expires={format_http_date(expires)}")
    if max_age is not None:
        parts.append(f"Max-Age={int(max_age.total_seconds() if isinstance(max_age, timedelta) else max_age)}")
    if path is not None:
        parts.append(f"Path={_path(name, path)}")
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if same:
        parts.append(f"SameSite={same}")
    if partitioned:
        parts.append("Partitioned")
    return "; ".join(parts)


def parse_cookie(header: str) -> dict[str, str]:
    """Read a ``Cookie`` field: name to value, the first of a name winning; never raises.

    Values in double quotes are unquoted, the reverse of `dump_cookie`.
    """
    cookies: dict[str, str] = {}
    for name, value in parse_cookies(header):
        if name not in cookies:
            cookies[name] = _unquote(value) if value[:1] == '"' else value
    return cookies


def _quote(value: str) -> str:
    escaped = _TO_ESCAPE.sub(_escape, value.encode("utf-8", "surrogatepass"))
    return f'"{escaped.decode("ascii")}"'


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0]
    return b"\\" + byte if byte in b'"\\' else b"\\%03o" % byte[0]


def _unquote(value: str) -> str:
    if len(value) < 2 or value[-1] != '"':
        return value
    if "\\" not in value:
        return value[1:-1]
    return _ESCAPED.sub(_unescape, value[1:-1].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def _unescape(match: re.Match[bytes]) -> bytes:
    octal = match[1]
    return match[2] if octal is None else bytes((int(octal, 8),))


def _check_rules(
    name: str, path: str | None, domain: str | None, secure: bool, cross_site: bool, partitioned: bool
) -> None:
    """The rules whose breach makes a browser drop the cookie (4.1.3, 5.7)."""
    prefix = name.lower()
    if prefix.startswith("__host-") and (not secure or domain or path != "/"):
        raise ValueError(f"cookie {name!r}: the prefix __Host- demands secure=True, path='/' and no domain")
    if prefix.startswith("__secure-") and not secure:
        raise ValueError(f"cookie {name!r}: the prefix __Secure- demands secure=True")
    if cross_site and not secure:
        raise ValueError(f"cookie {name!r}: samesite='None' demands secure=True")
    if partitioned and not secure:
        raise ValueError(f"cookie {name!r}: partitioned=True demands secure=True")


def _path(name: str, path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"cookie {name!r}: path {path!r} does not start with '/', and browsers would ignore it")
    return quote(path, safe="%!$&'()*+,/:=@")


def _domain(name: str, domain: str) -> str:
    try:
        ascii_domain = domain.removeprefix(".").encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    *labels, last = ascii_domain.lower().removesuffix(".").split(".")
    if "_" in last or not all(_LABEL.fullmatch(label) for label in [*labels, last]):
        raise ValueError(f"cookie {name!r}: domain {domain!r} is not a host name")
    return ascii_domain
