"""What a wheel and the pure-Python module both provide: builtin types only, so that neither imports the other."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Impl"]


class Impl(Protocol):
    """The accelerated functions of `gobstopper_http`."""

    IMPL: str

    def parse_query(self, query: str, max_fields: int) -> list[tuple[str, str]]:
        """Decode `application/x-www-form-urlencoded`; `ValueError` for more than `max_fields` fields."""
        ...

    def parse_cookies(self, header: str) -> list[tuple[str, str]]:
        """Split a `Cookie` field (RFC 6265 section 5.4) into names and raw values, in order; never raises."""
        ...
