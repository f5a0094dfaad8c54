"""Whether an application calls `finalize`, or the middleware has to do it by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gobstopper_http import Request, Response
from gobstopper_sessions import SetupContext

__all__ = ["Next", "Standalone"]

Next: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What a middleware calls to go on."""


class Standalone:
    """A middleware that dresses answers in `finalize`.

    An application calls `setup` once and `finalize` on every answer, whoever made it. In a plain chain nobody does,
    so the middleware's own call does it.
    """

    _dressed_outside = False

    def setup(self, context: SetupContext) -> None:
        """From now on `finalize` is called by the application."""
        self._dressed_outside = True

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Go on, and dress the answer unless an application does."""
        return next_handler(request) if self._dressed_outside else self._dress(request, next_handler)

    async def _dress(self, request: Request, next_handler: Next) -> Response:
        response = (await next_handler(request)).fresh()
        self.finalize(request, response)
        return response

    def finalize(self, request: Request, response: Response) -> None:
        """Dress the answer."""
        raise NotImplementedError
