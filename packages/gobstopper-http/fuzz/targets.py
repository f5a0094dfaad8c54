"""What is fuzzed: each takes bytes, and raises AssertionError for an answer that must not be.

Any exception but those that say "the client's mistake" is a find, too.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from gobstopper_http._impl import parse_cookies, parse_query
from gobstopper_http.body import decode_json
from gobstopper_http.cookies import dump_cookie, parse_cookie
from gobstopper_http.errors import HTTPException
from gobstopper_http.multipart import FormLimits, FormParser
from gobstopper_http.negotiation import Accept, parse_accept, parse_options
from gobstopper_http.ranges import MAX_RANGES, parse_range

__all__ = ["TARGETS"]


def query(data: bytes) -> None:
    """`parse_query` gives what the standard library gives."""
    text = data.decode("utf-8", "replace")
    try:
        pairs = parse_query(text, 1000)
    except ValueError:
        assert text.count("&") >= 1000
        return
    assert pairs == parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)


def cookie(data: bytes) -> None:
    """Parsing never fails; what is dumped comes back, in one clean field."""
    text = data.decode("utf-8", "replace")
    cookies = parse_cookie(text)
    assert set(cookies) == {name for name, _ in parse_cookies(text)}
    for name, value in [*cookies.items(), ("name", text)]:
        try:
            field = dump_cookie(name, value)
        except ValueError:
            continue
        assert field.isascii()
        assert field.isprintable()
        assert parse_cookie(field.partition("; ")[0]) == {name: value}


def multipart(data: bytes) -> None:
    """A form is parsed or refused with 400, 413 or 415; how it was cut into chunks makes no difference."""
    head, _, body = data.partition(b"\n")
    content_type = head.decode("latin-1") or "multipart/form-data; boundary=x"
    outcomes = set()
    for size in (len(body) or 1, 1 + len(head) % 7):
        limits = FormLimits(max_text=10_000, max_parts=10, max_fields=10, spool_size=100)
        try:
            parser = FormParser(content_type, limits)
            for start in range(0, len(body), size):
                parser.feed(body[start : start + size])
            fields, files = parser.finish()
        except HTTPException as error:
            assert error.status in {400, 413, 415}, error  # noqa: PT017
            outcomes.add("refused")
            continue
        contents = []
        for name, file in files.items(multi=True):
            assert not set(file.filename) & set("/\\\0\r\n"), file.filename
            file.file.seek(0)
            contents.append((name, file.filename, file.file.read()))
        parser.close()
        outcomes.add(repr((list(fields.items(multi=True)), contents)))
    assert len(outcomes) == 1, outcomes


def range_(data: bytes) -> None:
    """Ranges lie within the file, do not overlap, and are few."""
    size = int.from_bytes(data[:2], "big")
    ranges = parse_range(data[2:].decode("latin-1"), size)
    if not ranges:
        return
    assert len(ranges) <= MAX_RANGES
    assert all(0 <= start < end <= size for start, end in ranges)
    assert sum(end - start for start, end in ranges) <= size


def accept(data: bytes) -> None:
    """Negotiation never fails, and what it chooses was on offer."""
    text = data.decode("latin-1")
    for _, quality, _ in parse_accept(text):
        assert 0 <= quality <= 1
    offered = ["text/html", "application/json"]
    assert Accept(text).best(offered) in {*offered, None}
    kind, options = parse_options(text)
    assert isinstance(kind, str)
    assert all(isinstance(value, str) for value in options.values())


def json(data: bytes) -> None:
    """JSON is decoded or refused with 400 or 422, without a word on how deep what it accepts may be."""
    try:
        decode_json(data, None, 16)
    except HTTPException as error:
        assert error.status in {400, 422}, error  # noqa: PT017


TARGETS: dict[str, Callable[[bytes], None]] = {
    "query": query, "cookie": cookie, "multipart": multipart, "range": range_, "accept": accept, "json": json,
}  # fmt: skip
