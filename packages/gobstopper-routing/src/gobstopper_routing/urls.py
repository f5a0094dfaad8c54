"""From a route's name and values to a URL."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .errors import BuildError, RouteError
from .route import Route, handler_name
from .slash import PATH_SAFE


def _close_matches(word: str, known: Iterable[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n, cutoff)


class URLMap:
    """Routes by name. Of several patterns with one name and one handler, the one that fits the values gives the URL."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes: dict[str, list[Route]] = {}
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        """Take a route. Raises :class:`RouteError`, naming both places, if its name belongs to another handler."""
        known = self._routes.setdefault(route.name, [])
        if known and known[0].handler is not route.handler:
            raise RouteError(
                f"the name {route.name!r} is taken twice: by {handler_name(known[0].handler)!r} ({known[0].pattern}) at"
                f" {known[0].location} and by {handler_name(route.handler)!r} ({route.pattern}) at {route.location};"
                " give one of them another name=…"
            )
        known.append(route)

    def __contains__(self, name: object) -> bool:
        return name in self._routes

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    def routes(self, name: str) -> tuple[Route, ...]:
        """Give the routes of a name, in the order of registration."""
        return tuple(self._routes.get(name, ()))

    def url_for(
        self, name: str, values: Mapping[str, Any], external_base: str | Callable[[], str] | None = None
    ) -> str:
        """Give the URL as Flask's ``url_for`` does.

        ``_anchor``, ``_scheme``, ``_external`` and ``_method`` among ``values`` are options, as there.

        ``external_base`` (``https://host`` and a path prefix, or a function that gives it) is used for external URLs
        alone. ``_scheme`` makes the URL external. Raises :class:`BuildError`.
        """
        rest = dict(values)
        anchor, scheme = rest.pop("_anchor", None), rest.pop("_scheme", None)
        external, method = rest.pop("_external", None), rest.pop("_method", None)
        if external is None:
            external = scheme is not None
        if not external and scheme is not None:
            raise BuildError(name, f"url for {name!r}: _scheme needs _external=True")
        base: str | None = None
        if external:
            base = external_base() if callable(external_base) else external_base
            if base is None:
                raise BuildError(
                    name, f"url for {name!r}: an external URL needs the host of a request or a configured one"
                )
        return self.build(name, rest, external_base=base, anchor=anchor, scheme=scheme, method=method)

    def build(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        external_base: str | None = None,
        anchor: str | None = None,
        scheme: str | None = None,
        method: str | None = None,
    ) -> str:
        """Give the URL of the route called ``name``.

        Values that are no parameters become the query string: lists and tuples repeat their key, None is left out.
        With ``external_base`` the URL is absolute, with ``scheme`` instead of the base's if given; WebSocket routes
        get ``ws`` or ``wss``. Raises :class:`BuildError` for an unknown name (with the nearest ones), a missing
        value, or one that would not match back.
        """
        present = {key: value for key, value in values.items() if value is not None}
        route, path = self._select(name, present, method)
        query = _query({key: value for key, value in present.items() if key not in route.parameters})
        url = f"{path}?{query}" if query else path
        if anchor is not None:
            url += "#" + quote(anchor, safe=PATH_SAFE + "?")
        return url if external_base is None else _absolute(route, external_base, scheme) + url

    def _select(self, name: str, values: Mapping[str, object], method: str | None) -> tuple[Route, str]:
        routes = self._routes.get(name)
        if not routes:
            near = tuple(_close_matches(name, self._routes, n=3, cutoff=0.5))
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise BuildError(name, f"there is no route named {name!r}{hint}", near)
        fitting = [route for route in routes if method is None or method.upper() in route.methods] or routes
        failure: BuildError | None = None
        # As in Werkzeug: the pattern that uses most values, then the first one.
        for route in sorted(fitting, key=lambda route: -len(route.parameters)):
            if all(parameter in values for parameter in route.parameters):
                try:
                    return route, route.build(values)
                except BuildError as error:
                    failure = failure or error
        raise failure or _missing(name, fitting, values)


def _missing(name: str, routes: Iterable[Route], values: Mapping[str, object]) -> BuildError:
    nearest = min(routes, key=lambda route: sum(parameter not in values for parameter in route.parameters))
    absent = [parameter for parameter in nearest.parameters if parameter not in values]
    near = tuple(match for parameter in absent for match in _close_matches(parameter, values, n=1))
    hint = f"; did you mean that by {', '.join(map(repr, near))}?" if near else ""
    return BuildError(
        name, f"url for {name!r} ({nearest.pattern}): no value for {', '.join(map(repr, absent))}{hint}", near
    )


def _query(values: Mapping[str, object]) -> str:
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        items = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        pairs.extend((key, str(item)) for item in items if item is not None)
    return urlencode(pairs, errors="replace")


def _absolute(route: Route, base: str, scheme: str | None) -> str:
    parts = urlsplit(base)
    if not parts.scheme or not parts.netloc:
        raise BuildError(
            route.name, f"url for {route.name!r}: the base {base!r} is not absolute; it is like 'https://example.com'"
        )
    chosen = scheme or parts.scheme
    if route.is_websocket:
        chosen = {"http": "ws", "https": "wss"}.get(chosen, chosen)
    return f"{chosen}://{parts.netloc}{parts.path.rstrip('/')}"
