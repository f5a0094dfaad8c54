"""What a request and a log line know of the route that matched."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from gobstopper_http.connection import RouteInfo
from gobstopper_http.deadlines import Deadlines
from gobstopper_http.limits import Limits

if TYPE_CHECKING:
    from gobstopper_routing import Route

__all__ = ["EndpointInfo"]


class EndpointInfo(RouteInfo):
    """A route as the running application knows it.

    Attributes:
        name: As in `url_for`; `None` for what matched no route.
        pattern: The full pattern.
        methods: Upper-case methods.
        blueprints: The qualified names of the blueprints that it lies in, outermost first.
        handler: The user's function.
        location: `file:line` of the handler.
        timeout: Seconds until the handler must have returned; `inf` for no limit.
    """

    __slots__ = ("blueprints", "handler", "location", "methods", "name", "pattern", "scopes", "timeout")

    def __init__(
        self,
        app: Any,
        limits: Limits,
        clock: Deadlines,
        route: Route | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        super().__init__(limits, route.parameters if route is not None else ("outcome",), app, clock)
        self.timeout = inf if timeout is None else timeout
        self.name = route.name if route is not None else None
        self.pattern = route.pattern if route is not None else None
        self.methods = route.methods if route is not None else ()
        self.handler = route.handler if route is not None else None
        self.location = route.location if route is not None else "<gobstopper>"
        self.scopes = route.blueprints if route is not None else ()
        parts = (self.name or "").split(".")[:-1]
        self.blueprints = tuple(".".join(parts[: end + 1]) for end in range(len(parts)))

    @property
    def place(self) -> str:
        """Names the handler in a message: `get_user (app.py:12, GET /users/<id>)`."""
        name = getattr(self.handler, "__qualname__", None) or repr(self.handler)
        return f"{name} ({self.location}, {' '.join(self.methods)} {self.pattern})"

    def gave_up(self, connection: Any) -> None:
        """Log that a handler swallowed its time-out."""
        connection.gave_up = True
        self.app.logger.error(f"{self.place} did not answer within {self.timeout:g} s, and cannot be cancelled")
