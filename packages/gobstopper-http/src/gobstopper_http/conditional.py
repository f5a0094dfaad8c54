"""Conditional requests (RFC 9110 section 13): whether an answer is 200, 304 or 412, and whether a range still holds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Literal, Protocol

from ._dates import format_http_date, parse_http_date

__all__ = [
    "HeaderLookup",
    "evaluate_preconditions",
    "format_http_date",
    "not_modified",
    "parse_http_date",
    "quote_etag",
    "range_applies",
    "strong_match",
    "weak_match",
]

# A member of a list, which commas inside of quotes do not end. Possessive, so that it is one pass over any nonsense.
_MEMBER = re.compile(r'(?:[^",]++|"[^"]*+"?+)++')
# An entity-tag of RFC 9110 8.8.3: the W is case-sensitive, and nothing is escaped.
_SENT = re.compile(r'(W/)?"([^\x00- "\x7f]*+)"')
_ETAG = re.compile(r'(?:W/)?"[!#-~]*"')
_OPAQUE = re.compile(r"[!#-~]*")


class HeaderLookup(Protocol):
    """Request headers, as far as they are needed here."""

    def getlist(self, name: str, /) -> list[str]:
        """Every value of the field `name`, in order."""
        ...


def quote_etag(tag: str, *, weak: bool = False) -> str:
    """Put an entity tag in quotes, unless it is in quotes (or weak) already.

    Raises:
        ValueError: it holds a quote, a space, a control or non-ASCII character (RFC 9110 8.8.3).
    """
    if _ETAG.fullmatch(tag):
        return tag
    if not _OPAQUE.fullmatch(tag):
        raise ValueError(f"ETag {tag!r} may hold visible ASCII without double quotes only: use a hash or a version")
    return f'W/"{tag}"' if weak else f'"{tag}"'


def weak_match(field: str, etag: str | None) -> bool:
    """Whether a list of entity tags (or ``*``) names this one, weak or not (``If-None-Match``).

    A member of the list that is no entity tag (RFC 9110 8.8.3: ``w/"x"`` is none) names nothing.
    """
    if field.strip(" \t") == "*":
        return True
    if etag is None:
        return False
    opaque = etag.removeprefix("W/").strip('"')
    return any(tag == opaque for _weak, tag in _entity_tags(field))


def strong_match(field: str, etag: str | None) -> bool:
    """Whether a list of entity tags (or ``*``) names this one, both being strong (``If-Match``); see `weak_match`."""
    if field.strip(" \t") == "*":
        return True
    if etag is None or etag.startswith("W/"):
        return False
    opaque = etag.strip('"')
    return any(tag == opaque and not weak for weak, tag in _entity_tags(field))


def _entity_tags(field: str) -> Iterator[tuple[bool, str]]:
    """The tags of a list, without their quotes, and whether each is weak; what is no tag is left out."""
    for member in _MEMBER.finditer(field):
        if (sent := _SENT.fullmatch(member[0].strip(" \t"))) is not None:
            yield sent[1] is not None, sent[2]


def _joined(headers: HeaderLookup, name: str) -> str | None:
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def _date(headers: HeaderLookup, name: str) -> int | None:
    values = headers.getlist(name)
    return parse_http_date(values[0]) if len(values) == 1 else None


def not_modified(headers: HeaderLookup, etag: str | None, last_modified: int | None) -> bool:
    """Whether a GET or HEAD may be answered 304: the client has this very version.

    ``If-None-Match`` decides if it is there (weak comparison), else ``If-Modified-Since``.

    Args:
        headers: those of the request.
        etag: the current entity tag, in quotes, or `None`.
        last_modified: the current modification time in whole seconds since 1970, or `None`.
    """
    tags = _joined(headers, "if-none-match")
    if tags is not None:
        return weak_match(tags, etag)
    since = _date(headers, "if-modified-since") if last_modified is not None else None
    return since is not None and last_modified is not None and last_modified <= since


def evaluate_preconditions(
    method: str, headers: HeaderLookup, etag: str | None, last_modified: int | None
) -> Literal[200, 304, 412]:
    """Evaluate the preconditions of a request on something that exists, in the order of section 13.2.2.

    Returns:
        200 to go on, 304 (GET and HEAD), 412.
    """
    tags = _joined(headers, "if-match")
    if tags is not None:
        if not strong_match(tags, etag):
            return 412
    elif last_modified is not None:
        unmodified = _date(headers, "if-unmodified-since")
        if unmodified is not None and last_modified > unmodified:
            return 412
    if method in {"GET", "HEAD"}:
        return 304 if not_modified(headers, etag, last_modified) else 200
    tags = _joined(headers, "if-none-match")
    return 412 if tags is not None and weak_match(tags, etag) else 200


def range_applies(headers: HeaderLookup, etag: str | None, last_modified: int | None, now: float | None = None) -> bool:
    """Whether ``If-Range`` (section 13.1.5) lets the ``Range`` be served; true without one.

    An entity tag is compared strongly. A date must be exactly the modification time, and that must be at least a second
    ago (section 8.8.2.2), or the content could have changed twice within it.
    """
    values = headers.getlist("if-range")
    if not values:
        return True
    value = values[0].strip(" \t")
    if len(values) > 1:
        return False
    if value.startswith(('"', "W/")):
        return _ETAG.fullmatch(value) is not None and strong_match(value, etag)
    date = parse_http_date(value)
    if date is None or date != last_modified:
        return False
    return date <= (time.time() if now is None else now) - 1
