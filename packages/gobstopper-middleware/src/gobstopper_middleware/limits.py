"""How much one request may send, and how long it may take."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec

from gobstopper_http import HTTPException, Request, Response
from gobstopper_http.errors import BodyTooLarge

from ._options import check_number
from ._standalone import Next

__all__ = ["LimitsMiddleware"]


class LimitsMiddleware:
    """Limits for all that lies inside; they tighten those of the route and never loosen them.

    Args:
        max_body: Bytes of a body that is read whole: 413 over it, counted while it is read, and at once if the
            request announces more.
        body_idle: Seconds without a byte of the body: 408 over it.
        timeout: Seconds until there must be a response; 503 over it. Streams are not counted once they began.

    Raises:
        TypeError, ValueError: for a limit that is no positive number, or none at all.
    """

    def __init__(
        self, *, max_body: int | None = None, body_idle: float | None = None, timeout: float | None = None
    ) -> None:
        given = {"max_body": max_body, "body_idle": body_idle, "timeout": timeout}
        for name, value in given.items():
            if value is not None:
                check_number(
                    name, value, whole=name == "max_body", more_than_zero=True, hint=", or leave it out for no limit"
                )
        if all(value is None for value in given.values()):
            raise ValueError("LimitsMiddleware without a limit: give max_body, body_idle or timeout")
        self._max_body = max_body
        self._body_idle = body_idle
        self._timeout = timeout
        # By the route's identity, each with the route itself, so that the identity stays taken.
        self._routes: dict[int, tuple[Any, Any]] = {}

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        """Set the limits, and go on.

        Raises:
            HTTPException: 413, 503.
        """
        if self._max_body is not None or self._body_idle is not None:
            request.route = self._limited(request.route)
            length = request.content_length
            if length is not None and length > request.route.limits.body:
                raise BodyTooLarge(request.route.limits.body)
        timeout = self._timeout
        if timeout is None:
            return await next_handler(request)
        clock = request.route.clock
        if clock is not None:
            # The application watches its requests, and knows what to do about one that is late.
            request.deadline = min(request.deadline, clock.now + timeout)
            return await next_handler(request)
        try:
            async with asyncio.timeout(timeout):
                return await next_handler(request)
        except TimeoutError:
            raise HTTPException(503, "The request took too long.", {"Retry-After": "1"}) from None

    def _limited(self, route: Any) -> Any:
        known = self._routes.get(id(route))
        if known is None:
            limited = copy.copy(route)
            limits = route.limits
            limited.limits = msgspec.structs.replace(
                limits,
                body=limits.body if self._max_body is None else min(limits.body, self._max_body),
                body_idle=limits.body_idle if self._body_idle is None else min(limits.body_idle, self._body_idle),
            )
            known = self._routes[id(route)] = (route, limited)
        return known[1]
