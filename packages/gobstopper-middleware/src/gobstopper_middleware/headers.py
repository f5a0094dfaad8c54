"""The header fields that tell browsers to be careful."""

from __future__ import annotations

import re
import secrets

from gobstopper_http import Request, Response, StreamingResponse
from gobstopper_http.datastructures import Headers, check_header

from ._attributes import request_attribute
from ._options import check_text
from ._standalone import Standalone

__all__ = ["DEFAULT_CSP", "DEFAULT_HSTS", "DEFAULT_PERMISSIONS", "DEFAULT_REFERRER", "SecurityHeadersMiddleware"]

DEFAULT_CSP = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Everything from the own origin alone; inline scripts and styles with the request's nonce."""

DEFAULT_HSTS = "max-age=31536000"
"""A year, for this host."""

DEFAULT_REFERRER = "strict-origin-when-cross-origin"
"""Other origins learn the origin alone, and nothing over http."""

DEFAULT_PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

_REFERRER = frozenset({
    "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
    "strict-origin-when-cross-origin", "unsafe-url",
})  # fmt: skip

_NONCE_SOURCE = re.compile(r" ?'nonce-\{nonce\}'")

request_attribute("csp_nonce", lambda _request: secrets.token_urlsafe(16))


class SecurityHeadersMiddleware(Standalone):
    """Adds security headers to every answer; a field that an answer has already is left as it is.

    `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY`, `Cross-Origin-Opener-Policy: same-origin`, and those
    below; `None` leaves one out. `request.csp_nonce` gives the nonce of the request; where nobody asks for it, the
    policy names none and allows nothing inline. A page that has asked for it is not to be kept (`Cache-Control:
    no-cache`, unless it says something of its own): whoever reads a kept page knows the nonce that the next visitor's
    browser trusts.

    Args:
        content_security_policy: With `{nonce}` where the nonce belongs.
        hsts: `Strict-Transport-Security`, sent over https alone.
        referrer_policy: `Referrer-Policy`.
        permissions_policy: `Permissions-Policy`.

    Raises:
        TypeError, ValueError: for a value that no header may have, that browsers would ignore, or with another
            placeholder than `{nonce}`.
    """

    def __init__(
        self,
        *,
        content_security_policy: str | None = DEFAULT_CSP,
        hsts: str | None = DEFAULT_HSTS,
        referrer_policy: str | None = DEFAULT_REFERRER,
        permissions_policy: str | None = DEFAULT_PERMISSIONS,
    ) -> None:
        _check_policy(content_security_policy)
        _check_hsts(hsts)
        _check_referrer(referrer_policy)
        self._policy = content_security_policy
        self._nonce_in_policy = bool(content_security_policy and "{nonce}" in content_security_policy)
        without_nonce = _NONCE_SOURCE.sub("", content_security_policy or "")
        # A policy that holds the nonce in some other way always gets one.
        self._nonce_always = "{nonce}" in without_nonce
        fields = {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": referrer_policy,
            "permissions-policy": permissions_policy,
            "content-security-policy": None if self._nonce_always else without_nonce or None,
        }
        self._plain = [check_header(name, value) for name, value in fields.items() if value is not None]
        self._tls = [*self._plain, *([check_header("strict-transport-security", hsts)] if hsts is not None else [])]
        self._names = frozenset(name for name, _ in self._tls) | {"content-security-policy"}
        if content_security_policy is not None:
            check_header("content-security-policy", content_security_policy)

    def finalize(self, request: Request, response: Response) -> None:
        """Add the fields."""
        known = request.__dict__
        # Not `request.scheme`, which would make an attribute on every request for this one look.
        scheme = known.get("scheme", request.scope.scheme)
        fields = self._tls if scheme == "https" else self._plain
        # A stream may ask for the nonce when its headers are gone, so it gets one in any case.
        is_used = self._nonce_in_policy and ("csp_nonce" in known or isinstance(response, StreamingResponse))
        if is_used or self._nonce_always:
            fields = self._with_nonce(fields, request.csp_nonce)
            if is_used:
                response.headers.setdefault("cache-control", "no-cache")
        raw = response.headers.raw
        names = self._names
        for name, _ in raw:
            if name in names:
                present = {name for name, _ in raw}
                fields = [pair for pair in fields if pair[0] not in present]
                break
        # One new list instead of eight checked writes: these pairs were checked when they were made.
        response.headers = Headers.shared(raw + fields)

    def _with_nonce(self, fields: list[tuple[str, str]], nonce: str) -> list[tuple[str, str]]:
        policy = (self._policy or "").replace("{nonce}", nonce)
        return [*(pair for pair in fields if pair[0] != "content-security-policy"), ("content-security-policy", policy)]


def _check_policy(policy: str | None) -> None:
    if policy is None:
        return
    if not check_text("content_security_policy", policy).strip():
        raise ValueError("content_security_policy is empty: give None to send none")
    for placeholder in re.findall(r"\{[^}]*\}?", policy):
        if placeholder != "{nonce}":
            raise ValueError(f"content_security_policy: {placeholder!r} stands for nothing: the only one is {{nonce}}")


def _check_hsts(hsts: str | None) -> None:
    if hsts is not None and not re.search(r'(?:^|;)\s*max-age="?\d+', check_text("hsts", hsts), re.IGNORECASE):
        raise ValueError(f"hsts={hsts!r}: browsers ignore it without max-age, as in {DEFAULT_HSTS!r}; None sends none")


def _check_referrer(policy: str | None) -> None:
    if policy is None:
        return
    for one in check_text("referrer_policy", policy).split(","):
        if one.strip().isprintable() and one.strip().lower() not in _REFERRER:
            raise ValueError(
                f"referrer_policy: browsers know no {one.strip()!r}; there are {', '.join(sorted(_REFERRER))}"
            )
