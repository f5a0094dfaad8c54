"""Putting a request together: URL, headers, and the body of a form, an upload or JSON."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from ..datastructures import Headers
from .scope import RequestHead

__all__ = ["ClientRequest", "Content", "FileValue", "Files", "build_request", "header_pairs", "redirected"]

Scalar = str | int | float | bool | None
Params = str | Mapping[str, Scalar | Sequence[Scalar]] | Sequence[tuple[str, Scalar]]
HeaderTypes = Headers | Mapping[str, str] | Iterable[tuple[str, str]]
FileValue = (
    bytes | str | BinaryIO | tuple[str | None, bytes | str | BinaryIO] | tuple[str | None, bytes | str | BinaryIO, str]
)
Files = Mapping[str, FileValue] | Sequence[tuple[str, FileValue]]
Content = bytes | str | Iterable[bytes] | AsyncIterable[bytes]

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Kept as written, so that a test can send what it wants, dot segments and broken escapes too; the rest is encoded.
_PATH = "/%:@!$&'()*+,;=~-._[]|^\\{}\""
_QUERY = "/%:@!$&'()*+,;=~-._[]|^\\{}?`"


@dataclass(frozen=True)
class ClientRequest:
    """What is sent.

    Attributes:
        method: as given, in upper case.
        url: absolute, encoded.
        headers: name and value in order, names as given.
        content: the body if it is known; `None` if it is streamed.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None = b""

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def head(self, *, http_version: str, client: str, server: str) -> RequestHead:
        """The request as the server reads it."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        raw = [(name, value.strip(" \t").encode()) for name, value in self.headers]
        return RequestHead(self.method, target, raw, http_version, scheme, client, server)


def build_request(
    method: str,
    url: str,
    *,
    params: Params | None = None,
    headers: HeaderTypes | None = None,
    json: Any = None,
    data: Params | None = None,
    files: Files | None = None,
    content: Content | None = None,
) -> ClientRequest:
    """Make a request; see `TestClient.request` for the arguments.

    Raises:
        ValueError: more than one kind of body, a method or a header that cannot be sent, or a URL that is not http.
    """
    if sum(value is not None for value in (json, content)) + (data is not None or files is not None) > 1:
        raise ValueError("give one body only: json, content, or data with or without files")
    if not _METHOD.fullmatch(method):
        raise ValueError(f"{method!r} is no HTTP method")
    body, kind = _body(json, data, files, content)
    sent = _pairs(headers)
    given = {name.lower() for name, _ in sent}
    if kind and "content-type" not in given:
        sent.append(("content-type", kind))
    if body is None:
        if "content-length" not in given:
            sent.append(("transfer-encoding", "chunked"))
    elif (body or method.upper() in {"POST", "PUT", "PATCH"}) and "content-length" not in given:
        sent.append(("content-length", str(len(body))))
    url = encode_url(url, params)
    if "host" not in given:
        sent.insert(0, ("host", urlsplit(url).netloc.rpartition("@")[2]))
    return ClientRequest(method.upper(), url, tuple(sent), body)


def encode_url(url: str, params: Params | None = None) -> str:
    """Percent-encode what may not be in a URL, add the parameters to its query, drop its fragment."""
    if _CONTROL.search(url):
        raise ValueError(f"a URL holds no control characters: {url!r}")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.netloc:
        raise ValueError(f"not an http URL: {url!r}")
    query = quote(parts.query, safe=_QUERY)
    if params:
        query = "&".join(part for part in (query, encode_params(params)) if part)
    path = quote(parts.path or "/", safe=_PATH)
    return parts._replace(path=path, query=query, fragment="").geturl()


def encode_params(params: Params) -> str:
    """A query or form: a string as it is; of pairs, sequences repeat, `None` is left out, booleans are lower case."""
    if isinstance(params, str):
        return quote(params, safe=_QUERY)
    return urlencode(_fields(params))


def header_pairs(headers: HeaderTypes | None) -> list[tuple[str, str]]:
    """The pairs of a mapping (with several of one name, if it is `Headers`) or of an iterable of pairs."""
    if headers is None:
        return []
    items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(headers, "items", None)
    return list(items() if items is not None else cast("Iterable[tuple[str, str]]", headers))


def redirected(request: ClientRequest, status: int, location: str) -> ClientRequest:
    """The request that follows a redirect (RFC 9110 section 15.4).

    Raises:
        RuntimeError: the redirect leads to another host, or a body that was streamed would have to be sent again.
    """
    url = encode_url(urljoin(request.url, location))
    if urlsplit(url).hostname != urlsplit(request.url).hostname:
        raise RuntimeError(
            f"{request.method} {request.url} redirects to another host, {url}: "
            "the client knows this application only; pass follow_redirects=False to look at the redirect"
        )
    headers = [(name, value) for name, value in request.headers if name.lower() not in {"host", "cookie"}]
    headers.insert(0, ("host", urlsplit(url).netloc.rpartition("@")[2]))
    method, content = request.method, request.content
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        dropped = {"content-type", "content-length", "transfer-encoding"}
        headers = [(name, value) for name, value in headers if name.lower() not in dropped]
        method, content = "GET", b""
    if content is None:
        raise RuntimeError(f"{status} to {url} asks for the body again, but it was streamed: send bytes")
    return ClientRequest(method, url, tuple(headers), content)


def _body(json: Any, data: Params | None, files: Files | None, content: Content | None) -> tuple[bytes | None, str]:
    if json is not None:
        return msgspec.json.encode(json), "application/json"
    if files is not None:
        boundary = secrets.token_hex(16)
        return _multipart(data or {}, files, boundary), f"multipart/form-data; boundary={boundary}"
    if data is not None:
        return encode_params(data).encode(), "application/x-www-form-urlencoded"
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    if content is None or isinstance(content, bytes | bytearray | memoryview):
        return bytes(content or b""), ""
    return None, ""


def _multipart(data: Params, files: Files, boundary: str) -> bytes:
    if isinstance(data, str):
        raise TypeError("data goes with files as a mapping or as pairs, not as a string")
    out = bytearray()
    for name, value in _fields(data):
        disposition = f'form-data; name="{_escape(name)}"'
        out += f"--{boundary}\r\ncontent-disposition: {disposition}\r\n\r\n{value}\r\n".encode()
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, payload, kind = _file(name, file)
        disposition = f'form-data; name="{_escape(name)}"'
        if filename is not None:
            disposition += f'; filename="{_escape(filename)}"'
        out += f"--{boundary}\r\ncontent-disposition: {disposition}\r\ncontent-type: {kind}\r\n\r\n".encode()
        out += payload + b"\r\n"
    return bytes(out + f"--{boundary}--\r\n".encode())


def _file(name: str, file: FileValue) -> tuple[str | None, bytes, str]:
    kind = "application/octet-stream"
    filename: str | None = name
    payload: bytes | str | BinaryIO
    if isinstance(file, tuple):
        filename, payload = file[0], file[1]
        if len(file) == 3:
            kind = file[2]
    else:
        payload = file
        path = getattr(file, "name", None)
        if isinstance(path, str):
            filename = re.split(r"[/\\]", path)[-1]
    if isinstance(payload, str):
        return filename, payload.encode(), kind
    return filename, payload if isinstance(payload, bytes) else payload.read(), kind


def _escape(text: str) -> str:
    # HTML standard, "multipart/form-data encoding algorithm".
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _fields(params: Any) -> list[tuple[str, str]]:
    fields = []
    for name, value in params.items() if isinstance(params, Mapping) else params:
        several = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
        fields += [(name, _text(each)) for each in several if each is not None]
    return fields


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(headers: HeaderTypes | None) -> list[tuple[str, str]]:
    pairs = header_pairs(headers)
    for name, value in pairs:
        if not _METHOD.fullmatch(name) or _CONTROL.search(value):
            raise ValueError(f"header {name!r}: {value!r} cannot be sent")
    return pairs
