"""What the wire shows of an answer: the headers that Granian and hyper add, drop and correct."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate

from .errors import GranianPanic
from .scope import RequestHead

__all__ = ["Answer", "FileBody", "RawHeaders", "ResponseHead", "StreamBody", "bad_request", "check_status", "finish"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

RawHeaders = list[tuple[str, str]]


@dataclass(frozen=True)
class StreamBody:
    """A body of unknown length."""


@dataclass(frozen=True)
class FileBody:
    """A file that is opened after the answer was given; `end` is exclusive, `None` for all of it."""

    path: str
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Answer:
    """What the application handed over."""

    status: int
    headers: RawHeaders
    body: bytes | StreamBody | FileBody


@dataclass(frozen=True)
class ResponseHead:
    """Status and headers as sent; whether a body follows; and whether the connection is lost instead of all of it."""

    status: int
    headers: RawHeaders
    has_body: bool
    length: int | None = None
    lost: bool = False


def check_status(status: int) -> int:
    """Pass a status from 100 to 999.

    Raises:
        GranianPanic: for any other number.
    """
    if not 100 <= status <= 999:
        raise GranianPanic(f"status {status} panics in Granian, and a panic ends the worker: use 200 to 599")
    return status


def finish(answer: Answer, request: RequestHead) -> ResponseHead:
    """Work out status and headers as they go over the wire."""
    if answer.status < 200 and answer.status != 101:
        # hyper refuses informational statuses as answers.
        length: RawHeaders = [] if request.method == "HEAD" else [("content-length", "0")]
        return ResponseHead(500, [*length, _date()], has_body=False)
    fields = _group(answer.headers)
    fields.setdefault("server", ["granian"])
    if request.http_version == "1.1" and request.has_token("connection", b"close"):
        fields.setdefault("connection", ["close"])
    has_body = request.method != "HEAD" and answer.status not in {101, 204, 304}
    declared = fields.get("content-length")
    lost, limit = False, None
    if isinstance(answer.body, bytes):
        _exact(fields, answer, has_body=has_body, head=request.method == "HEAD")
    elif not has_body:
        fields.pop("transfer-encoding", None)
        if request.method != "HEAD":
            fields.pop("content-length", None)
    elif declared is not None:
        # A length that is no number ends the connection before anything is sent.
        lost = not (declared[0].isascii() and declared[0].isdecimal())
        limit = None if lost else int(declared[0])
    elif request.http_version == "1.1":
        fields["transfer-encoding"] = ["chunked"]
    pairs = [(name, value) for name, values in fields.items() for value in values]
    if "date" not in fields:
        pairs.append(_date())
    return ResponseHead(answer.status, pairs, has_body, limit, lost)


def bad_request() -> ResponseHead:
    """What the HTTP library answers by itself to a request that it cannot read."""
    return ResponseHead(400, [("connection", "close"), ("content-length", "0"), _date()], has_body=False)


def _exact(fields: dict[str, list[str]], answer: Answer, *, has_body: bool, head: bool) -> None:
    assert isinstance(answer.body, bytes)
    if head:
        fields.pop("transfer-encoding", None)
        if answer.body and answer.status not in {101, 204, 304}:
            fields.setdefault("content-length", [str(len(answer.body))])
    elif not has_body:
        fields.pop("content-length", None)
    elif not answer.body:
        fields.pop("content-length", None)  # so that it comes last, as hyper's own does
        fields["content-length"] = ["0"]
    elif "transfer-encoding" not in fields:
        fields.setdefault("content-length", [str(len(answer.body))])


def _group(headers: RawHeaders) -> dict[str, list[str]]:
    """Lower-case the names, group equal ones, drop what is invalid: all as the header map does, without a word."""
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        if _TOKEN.fullmatch(name) and not _BAD_VALUE.search(value):
            fields.setdefault(name.lower(), []).append(value)
    return fields


def _date() -> tuple[str, str]:
    return "date", formatdate(usegmt=True)
