"""The pure-Python twin of the wheel."""

from __future__ import annotations

from urllib.parse import unquote_plus

__all__ = ["IMPL", "parse_cookies", "parse_query"]

IMPL = "python"


def parse_query(query: str, max_fields: int) -> list[tuple[str, str]]:
    """Decode `application/x-www-form-urlencoded` (WHATWG URL section 5.1).

    Args:
        query: `a=1&b=two+words`; broken percent-encodings stay as they are, invalid UTF-8 becomes U+FFFD.
        max_fields: How many fields are allowed.

    Raises:
        ValueError: for more fields than that; counted before anything is decoded.
    """
    if not query:
        return []
    if query.count("&") >= max_fields:
        raise ValueError(f"more than {max_fields} fields")
    encoded = "%" in query or "+" in query
    pairs = []
    for field in query.split("&"):
        if not field:
            continue
        name, _, value = field.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)) if encoded else (name, value))
    return pairs


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Split a `Cookie` field (RFC 6265 section 5.4) into names and raw values, in order; never raises.

    A pair without `=` is a value without a name, as browsers send it; it is left out.
    """
    pairs = []
    for part in header.split(";"):
        name, separator, value = part.partition("=")
        name = name.strip(" \t")
        if separator and name:
            pairs.append((name, value.strip(" \t")))
    return pairs
