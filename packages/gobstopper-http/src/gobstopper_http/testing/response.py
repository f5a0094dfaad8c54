"""The answer as a test sees it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import urlsplit

import msgspec

from ..datastructures import Headers
from .cookies import parse_set_cookie
from .errors import HTTPStatusError

if TYPE_CHECKING:
    from .request import ClientRequest

__all__ = ["ClientResponse", "ResponseStart"]

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)

_T = TypeVar("_T")


class ResponseStart:
    """Status and headers of an answer.

    Attributes:
        status: the status code.
        headers: case-insensitive, `getlist` for those that repeat.
        request: what was sent: method, URL, headers.
        history: the redirects that led here, oldest first.
    """

    def __init__(
        self, status: int, headers: Headers, request: ClientRequest, history: tuple[ClientResponse, ...] = ()
    ) -> None:
        self.status = status
        self.headers = headers
        self.request = request
        self.history = history

    @property
    def url(self) -> str:
        """The URL that was asked last."""
        return self.request.url

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def reason(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; `""` if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The declared character set, UTF-8 without one."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found[1] if found else "utf-8"

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that this answer sets and a browser would take, name to value."""
        url = urlsplit(self.url)
        parsed = (parse_set_cookie(header, url) for header in self.headers.getlist("set-cookie"))
        return {cookie.name: cookie.value for cookie in parsed if cookie is not None}

    def raise_for_status(self) -> None:
        """Raise `HTTPStatusError` for 400 and above."""
        if not self.ok:
            raise HTTPStatusError(self._complaint(), self.status)

    def _complaint(self) -> str:
        return f"{self.request.method} {self.url}: {self.status} {self.reason}".rstrip()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


class ClientResponse(ResponseStart):
    """A whole answer. The content is as sent: nothing is decompressed, and no compression is asked for by default."""

    def __init__(self, start: ResponseStart, content: bytes) -> None:
        super().__init__(start.status, start.headers, start.request, start.history)
        self.content = content

    @property
    def text(self) -> str:
        """The content, decoded by its charset; what does not fit is replaced."""
        return self.content.decode(self.charset, "replace")

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type: type[_T]) -> _T: ...
    def json(self, type: Any = Any) -> Any:  # noqa: A002
        """The content decoded from JSON by msgspec, into `type` if one is given."""
        return msgspec.json.decode(self.content, type=type)

    def _complaint(self) -> str:
        return f"{super()._complaint()}\n{self.text[:1000]}".rstrip()
