"""Responses that are complete before they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

import msgspec

from .cookies import dump_cookie
from .datastructures import Headers
from .errors import reason_phrase
from .types import BackgroundTask, HeaderInput, RawHeaders

if TYPE_CHECKING:
    from .request import Request

__all__ = [
    "HTMLResponse",
    "JSONResponse",
    "RedirectResponse",
    "Response",
    "TextResponse",
    "encode_json",
    "problem",
    "redirect",
]

# Shared by every answer of their kind; a write copies them first.
HTML: RawHeaders = [("content-type", "text/html; charset=utf-8")]
TEXT: RawHeaders = [("content-type", "text/plain; charset=utf-8")]
JSON: RawHeaders = [("content-type", "application/json")]
BYTES: RawHeaders = [("content-type", "application/octet-stream")]
PROBLEM: RawHeaders = [("content-type", "application/problem+json")]
EMPTY: RawHeaders = []

_new = object.__new__

# Compiled with the first redirection: the set takes milliseconds, which every start would wait for.
_CONTROLS = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"


class Response:
    """An answer with its whole body in memory.

    Args:
        body: `bytes`, or `str` to be encoded as UTF-8.
        status: 200 to 599; checked when it is sent. A 205 is sent without its body (RFC 9110 section 15.3.6).
        headers: Header fields, checked now. A `Content-Length` that is not the body's is not sent, except to HEAD.
        content_type: The `Content-Type`. Default: `text/html; charset=utf-8` for `str`, `application/octet-stream` for
            `bytes`, none for an empty body; one among `headers` wins over the default.
        background: Called after the answer was handed to the server; awaited if it returns an awaitable.

    Raises:
        TypeError, ValueError: for a header that may not be sent.
    """

    __slots__ = ("background", "body", "headers", "status")

    immediate: ClassVar[bool] = True
    """Whether `send_now` answers without awaiting anything."""
    default_headers: ClassVar[RawHeaders | None] = None
    """The content type of a kind of response, whatever its body is given as."""

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        headers: HeaderInput | None = None,
        content_type: str | None = None,
        *,
        background: BackgroundTask | None = None,
    ) -> None:
        if isinstance(body, str):
            default, self.body = HTML, body.encode()
        else:
            default, self.body = (BYTES if body else EMPTY), bytes(body)
        self.status = status
        self.headers = _merge(default if self.default_headers is None else self.default_headers, headers, content_type)
        self.background = background

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.content_type or 'no content type'}>"

    @classmethod
    def prepared(cls, body: bytes, raw: RawHeaders, status: int = 200) -> Response:
        """A response over a header list that others share; nothing is checked. For the framework's own answers."""
        self = _new(cls)
        self.body = body
        self.status = status
        # Headers.shared() in line: each answer that passes middleware begins here.
        self.headers = headers = _new(Headers)
        headers._raw = raw
        headers._shared = True
        self.background = None
        return self

    def fresh(self) -> Response:
        """The same answer with header fields of its own: what is added for one client must not reach another.

        A handler may return one object again and again, and a middleware keep one. So whatever adds a cookie or a nonce
        for a request does it to this.
        """
        kind: Any = type(self)
        new: Any
        if kind in _PLAIN:  # most answers, at a tenth of the time of copy.copy
            new = _new(kind)
            new.body = self.body
            new.status = self.status
            new.background = self.background
        elif (names := _slots(kind)) is not None:  # files: at half of it
            new = _new(kind)
            for name in names:
                if hasattr(self, name):
                    setattr(new, name, getattr(self, name))
        else:
            new = copy(self)
        mine = self.headers
        mine._shared = True
        new.headers = headers = _new(Headers)
        headers._raw = mine._raw
        headers._shared = True
        fresh: Response = new
        return fresh

    @property
    def content_type(self) -> str | None:
        """The `Content-Type`, `None` if there is none."""
        return self.headers.get("content-type")

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.headers["content-type"] = value

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["Lax", "Strict", "None"] | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Add a `Set-Cookie` field (RFC 6265 section 4.1); `max_age` in seconds.

        Raises:
            ValueError: for a name that is no token, or attributes that a browser would refuse together.
        """
        cookie = dump_cookie(
            name, value, max_age=max_age, expires=expires, path=path, domain=domain,
            secure=secure, httponly=httponly, samesite=samesite, partitioned=partitioned,
        )  # fmt: skip
        self.headers.add("set-cookie", cookie)

    def delete_cookie(
        self, name: str, *, path: str | None = "/", domain: str | None = None, secure: bool | None = None
    ) -> None:
        """Make the browser forget a cookie; `path` and `domain` must be those that it was set with.

        `secure` is on by default for `__Host-` and `__Secure-` names, which browsers ignore without it.
        """
        if secure is None:
            secure = name.startswith(("__Host-", "__Secure-"))
        self.set_cookie(name, max_age=0, path=path, domain=domain, secure=secure)

    def send_now(self, request: Request) -> None:
        """Hand the answer to the server.

        Raises:
            AlreadyAnsweredError: if the request has an answer.
            ValueError, TypeError: for a status or header that the server would die of or drop.
        """
        raw, body = self.headers.raw, self.body
        if self.status == 205:
            raw, body = without_length(raw), b""
        else:
            for field, _ in raw:
                if field == "content-length":
                    raw = _true_length(raw, self, request.method)
                    break
        proto = request.claim(self.status)
        try:
            proto.response_bytes(self.status, raw, body)
        except BaseException:
            request.answered = 0  # the server took nothing: a body that is no bytes
            raise

    async def send(self, request: Request) -> None:
        """Answer `request` completely; subclasses whose body is not in memory override it.

        Raises:
            AlreadyAnsweredError: if the request has an answer.
            ValueError, TypeError: for a status or header that the server would die of or drop.
        """
        self.send_now(request)

    async def close(self) -> None:
        """Release the body of a response that will not be sent."""


class HTMLResponse(Response):
    """`text/html; charset=utf-8`."""

    __slots__ = ()

    default_headers: ClassVar[RawHeaders | None] = HTML


class TextResponse(Response):
    """`text/plain; charset=utf-8`."""

    __slots__ = ()

    default_headers: ClassVar[RawHeaders | None] = TEXT


class JSONResponse(Response):
    """`application/json`, encoded by msgspec.

    Args:
        content: Whatever msgspec encodes: `dict`, `list`, Struct, dataclass, attrs, datetime, UUID, Decimal, enum … and
            pydantic models.
        status: 200 to 599.
        headers: Header fields.
        content_type: Another `+json` type.
        background: See `Response`.

    Raises:
        TypeError: for content that has no JSON form, with the type's name.
    """

    __slots__ = ()

    def __init__(
        self,
        content: Any = None,
        status: int = 200,
        headers: HeaderInput | None = None,
        content_type: str | None = None,
        *,
        background: BackgroundTask | None = None,
    ) -> None:
        self.body = encode_json(content)
        self.status = status
        self.headers = _merge(JSON, headers, content_type)
        self.background = background


class RedirectResponse(Response):
    """A redirection (RFC 9110 section 15.4).

    Args:
        location: A URL or a path. Non-ASCII characters are percent-encoded. It goes out as it is: give it only what
            was checked, or a visitor can be sent anywhere.
        status: 301, 302 (default), 303, 307 or 308.
        headers: Header fields.

    Raises:
        ValueError: for another status, or a location with control characters.
    """

    __slots__ = ()

    def __init__(self, location: str, status: int = 302, headers: HeaderInput | None = None) -> None:
        if status not in {301, 302, 303, 307, 308}:
            raise ValueError(f"{status} is no redirection: use 301, 302, 303, 307 or 308")
        self.body = b""
        self.status = status
        self.headers = _merge(EMPTY, headers, None)
        self.headers["location"] = quote(location, safe="/:@!$&'()*+,;=~-._%?#[]") if _unsafe(location) else location
        self.background = None


@lru_cache(64)
def _slots(kind: Any) -> tuple[str, ...] | None:
    """The attributes of a kind of ours; `None` for others, whatever they are made of."""
    if kind.__module__.partition(".")[0] not in {"gobstopper_http", "gobstopper_middleware"}:
        return None
    return tuple(name for one in kind.__mro__ for name in one.__dict__.get("__slots__", ()))


# Kinds without state of their own.
_PLAIN = frozenset({Response, HTMLResponse, TextResponse, JSONResponse, RedirectResponse})


def redirect(location: str, status: int = 302, headers: HeaderInput | None = None) -> RedirectResponse:
    """Answer with a redirection to `location`; see `RedirectResponse`."""
    return RedirectResponse(location, status, headers)


def problem(
    status: int,
    detail: str | None = None,
    *,
    title: str | None = None,
    type: str | None = None,  # noqa: A002 - RFC 9457's own member
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> Response:
    """An `application/problem+json` answer (RFC 9457).

    Args:
        status: 400 to 599; also a member of the body.
        detail: What is the matter this time.
        title: What is the matter always; default: the reason phrase.
        type: A URI that names the kind of problem.
        instance: A URI that names this occurrence.
        headers: Header fields.
        extensions: Further members.
    """
    members = {"type": type, "title": title or reason_phrase(status), "status": status, "detail": detail}
    body = {key: value for key, value in members.items() if value is not None} | extensions
    if instance is not None:
        body["instance"] = instance
    response = Response.prepared(encode_json(body), PROBLEM, status)
    if headers:
        response.headers.update(headers)
    return response


def _plain(value: Any) -> Any:
    """What msgspec is told of a type that it does not know: pydantic models by their own dump."""
    if (dump := getattr(value, "model_dump", None)) is not None:
        return dump(mode="json")
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no JSON form")


encode_json = msgspec.json.Encoder(enc_hook=_plain).encode
"""Encode to JSON bytes; `TypeError` for what has no JSON form."""


def is_json_like(value: Any) -> bool:
    """Whether a handler's return value is one of the kinds that are sent as JSON."""
    kind = type(value)
    return (
        isinstance(value, dict | list | msgspec.Struct)
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "model_dump")
    )


def _merge(default: RawHeaders, headers: HeaderInput | None, content_type: str | None) -> Headers:
    """The headers of a response: shared with others until something is written."""
    if headers is None:
        merged = Headers.shared(default)
    else:
        merged = Headers(headers)
        if default and "content-type" not in merged:
            merged["content-type"] = default[0][1]
    if content_type is not None:
        merged["content-type"] = content_type
    return merged


def _true_length(raw: RawHeaders, response: Response, method: str) -> RawHeaders:
    """The fields without a `Content-Length` that is not the body's; the server adds the true one.

    It would send a wrong one as it is, and the client take what is over, or the next answer, for a piece of the other.
    """
    lengths = [value for field, value in raw if field == "content-length"]
    if lengths == [str(len(response.body))] or method == "HEAD":
        return raw  # to HEAD it speaks of a body that is not sent (RFC 9110 section 8.6)
    return without_length(raw)


def without_length(raw: RawHeaders) -> RawHeaders:
    """The fields but `Content-Length`, which the server then writes itself."""
    return [pair for pair in raw if pair[0] != "content-length"]


def _unsafe(location: str) -> bool:
    if re.search(_CONTROLS, location):
        raise ValueError(f"a redirection's location must not hold control characters: {location!r}")
    return not location.isascii() or " " in location or '"' in location
