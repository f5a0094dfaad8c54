"""gobstopper-routing alone: the router under a bare RSGI callable, without requests or an application class.

Targets are opaque to the router; here they are functions that give text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from gobstopper_routing import Route, Router, URLMap, relative_location

Target = Callable[..., str]


def index() -> str:
    return "\n".join([urls.build("day", {"day": date(2026, 2, 28)}), urls.build("page", {"path": "a/b c"})])


def day(day: date) -> str:
    return f"{day:%A}"


def page(path: str) -> str:
    return f"page {path}"


routes = [
    Route.declare("/", ["GET"], index),
    Route.declare("/days/<date:day>", ["GET"], day),
    Route.declare("/pages/<path:path>", ["GET"], page),
]
urls = URLMap(routes)
router: Router[Target] = Router()
for route in routes:
    router.add(route.compiled, route.methods, route.handler)
router.compile()


async def app(scope: Any, proto: Any) -> None:
    """What Granian calls: `granian --interface rsgi app:app`."""
    plain = [("content-type", "text/plain; charset=utf-8")]
    found = router.match(scope.method, scope.path)
    if not isinstance(found, frozenset):
        target, values = found
        proto.response_str(200, plain, target(*values))
    elif found:
        proto.response_str(405, [*plain, ("allow", ", ".join(sorted(found)))], "Method Not Allowed")
    elif other := router.alternative(scope.path, "remove_slash", scope.method):
        proto.response_empty(308, [("location", relative_location(other, scope.query_string))])
    else:
        proto.response_str(404, plain, "Not Found")
