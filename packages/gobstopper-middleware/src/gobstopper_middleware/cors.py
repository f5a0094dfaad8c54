"""Cross-origin resource sharing, as the Fetch standard has it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable

from gobstopper_http import Request, Response, problem
from gobstopper_http.datastructures import Headers, check_header

from ._options import check_flag, check_number, check_pattern, check_texts
from ._standalone import Next, Standalone
from .origins import check_origins

__all__ = ["CORSMiddleware"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What a page may send to any site without asking (Fetch standard, CORS-safelisted request-header).
_SAFELISTED = frozenset({"accept", "accept-language", "content-language", "content-type", "range"})
_MERGED = frozenset({
    "vary", "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
})  # fmt: skip
_PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


_STRANGERS = ("https://somebody-else.invalid", "http://somebody-else.invalid", "https://x.invalid:8443")
# A dot outside of brackets without a backslash before and a quantifier behind it.
_BARE_DOT = re.compile(r"(?:\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.[*+?{]|[^.\\\[])*+\.(?![*+?{])", re.DOTALL)


class CORSMiddleware(Standalone):
    """Lets pages of other origins read answers; nothing is allowed by default.

    Preflight requests are answered here: 204, or 403 with the reason. Every answer that depends on the `Origin` says
    `Vary: Origin`, refusals and errors included.

    Args:
        allow_origins: Origins exactly as browsers write them (`https://example.org`), or `["*"]` for every one.
        allow_origin_regex: Must match the whole origin. Dots need a backslash.
        allow_methods: What preflights may ask for, or `["*"]` for every method.
        allow_headers: Further request headers, or `["*"]` for every one.
        allow_credentials: Whether cookies may be sent along; not together with `*`, and never for `null`.
        expose_headers: Further response headers that a page may read.
        max_age: Seconds that browsers may remember a preflight.

    Raises:
        TypeError, ValueError: for what is no origin, method or header; for `*`, `null` or an expression that fits every
            origin with credentials; and for an expression with a dot that stands for any character.
    """

    def __init__(
        self,
        *,
        allow_origins: Iterable[str] = (),
        allow_origin_regex: str | None = None,
        allow_methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers: Iterable[str] = (),
        allow_credentials: bool = False,
        expose_headers: Iterable[str] = (),
        max_age: int = 600,
    ) -> None:
        origins = check_origins("allow_origins", allow_origins, allow=frozenset({"*", "null"}))
        if allow_credentials and (bad := origins & {"*", "null"}):
            raise ValueError(
                f"allow_origins={sorted(bad)} with allow_credentials=True would let any site act as its visitors: name "
                "the origins, or leave credentials out"
            )
        self._origins = origins
        self._pattern = _origin_pattern(allow_origin_regex, check_flag("allow_credentials", allow_credentials))
        self._any = "*" in origins
        self._credentials = allow_credentials
        self._methods = frozenset(_methods(allow_methods))
        self._any_method = "*" in self._methods
        headers = _tokens("allow_headers", allow_headers)
        self._any_header = "*" in headers
        self._headers = frozenset(name.lower() for name in headers)
        exposed = _tokens("expose_headers", expose_headers)
        if "*" in exposed and allow_credentials:
            raise ValueError('expose_headers=["*"] exposes nothing together with credentials: name the headers')
        common = [("access-control-allow-credentials", "true")] if allow_credentials else []
        if exposed:
            common.append(check_header("access-control-expose-headers", ", ".join(exposed)))
        self._common = common
        self._preflight = [("access-control-max-age", str(check_number("max_age", max_age, least=0)))]
        if not self._any_method:
            self._preflight.append(("access-control-allow-methods", ", ".join(sorted(self._methods))))
        if self._headers and not self._any_header:
            self._preflight.append(("access-control-allow-headers", ", ".join(sorted(headers))))
        # What answers get, by origin; the exact ones are few and known.
        self._refused = [("vary", "Origin")] if (origins or self._pattern) and not self._any else []
        self._wildcard = [("access-control-allow-origin", "*"), *common]
        self._prepared = {origin: self._allowed(origin) for origin in origins - {"*"}}

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Answer a preflight, or go on."""
        if request.method == "OPTIONS":
            raw = request.raw_headers
            if "origin" in raw and "access-control-request-method" in raw:
                return self._answer_preflight(request)
        # No coroutine of its own where an application calls `finalize`.
        return next_handler(request) if self._dressed_outside else self._dress(request, next_handler)

    def finalize(self, request: Request, response: Response) -> None:
        """Add the fields of the request's origin, and `Vary`."""
        if self._any:
            fields = self._wildcard
        else:
            origin = request.raw_headers.get("origin")
            # Most requests have none; a call is spared them.
            fields = self._refused if origin is None else self._fields(request, origin)
        if not fields:
            return
        headers = response.headers
        raw = headers.raw
        for name, _ in raw:
            if name in _MERGED:
                break
        else:
            response.headers = Headers.shared(raw + fields)
            return
        for name, value in fields:
            if name == "vary":
                headers.vary(value)
            else:
                headers.setdefault(name, value)

    def _fields(self, request: Request, origin: str) -> list[tuple[str, str]]:
        fields = self._prepared.get(origin)
        if fields is None:
            if self._pattern is None or not self.is_allowed(origin):
                return self._refused
            fields = self._allowed(origin)
        # Of two nobody knows which one a browser goes by.
        return fields if len(request.raw_headers.get_all("origin")) == 1 else self._refused

    def is_allowed(self, origin: str) -> bool:
        """Whether pages of this origin may read answers."""
        if self._any or origin in self._origins:
            return True
        if self._pattern is None or len(origin) > 300 or (self._credentials and origin == "null"):
            return False
        return self._pattern.fullmatch(origin) is not None

    def _allowed(self, origin: str) -> list[tuple[str, str]]:
        return [("access-control-allow-origin", origin), *self._common, ("vary", "Origin")]

    async def _answer_preflight(self, request: Request) -> Response:
        raw = request.raw_headers
        origins = raw.get_all("origin")
        method = raw.get("access-control-request-method") or ""
        names = ",".join(raw.get_all("access-control-request-headers"))
        wanted = [name.strip().lower() for name in names.split(",", 100)] if names.strip() else []
        if len(origins) != 1 or not self.is_allowed(origins[0]):
            reason = "This origin may not read from here."
        elif method not in self._methods and not (self._any_method and _TOKEN.fullmatch(method)):
            reason = "This method may not be used from other origins."
        elif not all(self._is_header_allowed(name) for name in wanted):
            reason = "One of these headers may not be sent from other origins."
        else:
            fields = [("vary", _PREFLIGHT_VARY), *self._preflight]
            if self._any_method:
                fields.append(("access-control-allow-methods", method))
            if self._any_header and wanted:
                fields.append(("access-control-allow-headers", ", ".join(wanted)))
            response = Response(b"", 204, fields)
            self.finalize(request, response)
            return response
        refused = problem(403, reason, headers={"Vary": _PREFLIGHT_VARY})
        self.finalize(request, refused)
        return refused

    def _is_header_allowed(self, name: str) -> bool:
        if self._any_header:
            return _TOKEN.fullmatch(name) is not None
        return name in self._headers or name in _SAFELISTED


def _tokens(argument: str, values: Iterable[str]) -> list[str]:
    tokens = check_texts(argument, values)
    for token in tokens:
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"{argument}: {token!r} is no name (RFC 9110 section 5.6.2)")
    return tokens


def _methods(values: Iterable[str]) -> list[str]:
    methods = _tokens("allow_methods", values)
    for method in methods:
        if method != method.upper():
            raise ValueError(f"allow_methods: methods are told apart by case: write {method.upper()!r}, not {method!r}")
    return methods


def _origin_pattern(text: str | None, credentials: bool) -> re.Pattern[str] | None:
    if text is None:
        return None
    pattern = check_pattern("allow_origin_regex", text)
    if credentials and any(map(pattern.fullmatch, _STRANGERS)):
        raise ValueError(
            f"allow_origin_regex={text!r} with allow_credentials=True would let any site act as its visitors: match "
            "your own names, or leave credentials out"
        )
    if (dot := _BARE_DOT.match(text)) is not None:
        raise ValueError(
            f"allow_origin_regex={text!r}: the dot at position {dot.end() - 1} fits any character, so somebody else "
            r"could have a name that fits: write \. for a dot, or .{1} if any character is meant"
        )
    return pattern
