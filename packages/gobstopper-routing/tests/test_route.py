import functools
from pathlib import Path

import pytest

from gobstopper_routing import PatternError, Route, RouteError, handler_name, location_of
from gobstopper_routing.route import short_location


def handler(request: object, id: int) -> None: ...


LINE = handler.__code__.co_firstlineno
HERE = f"{__file__}:{LINE}"


class Callable:
    def __call__(self, request: object) -> None: ...

    def method(self, request: object) -> None: ...


def decorated(function: object) -> object:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> None: ...

    return wrapper


@pytest.mark.parametrize(
    ("thing", "location"),
    [
        (handler, HERE),
        (functools.partial(handler, id=1), HERE),
        (decorated(handler), HERE),
        (Callable(), f"{__file__}:{Callable.__call__.__code__.co_firstlineno}"),
        (Callable().method, f"{__file__}:{Callable.method.__code__.co_firstlineno}"),
        (Callable, f"{__file__}:{Callable.__call__.__code__.co_firstlineno - 1}"),
        (len, "<unknown>"),
        (5, "<unknown>"),
    ],
)
def test_location_is_that_of_the_innermost_code(thing: object, location: str) -> None:
    assert location_of(thing) == location


def test_short_location_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert short_location(f"{Path.cwd()}/app.py:7") == "app.py:7"
    assert short_location("/elsewhere/app.py:7") == "/elsewhere/app.py:7"
    assert short_location("<unknown>") == "<unknown>"


@pytest.mark.parametrize(
    ("thing", "name"),
    [(handler, "handler"), (functools.partial(functools.partial(handler)), "handler"), (Callable(), "Callable")],
)
def test_name_of_a_handler(thing: object, name: str) -> None:
    assert handler_name(thing) == name


def test_declared_route_knows_everything() -> None:
    route = Route.declare("/users/<int:id>", ["get", "POST", "GET"], handler, options={"inline": True})
    assert route.methods == ("GET", "POST")
    assert (route.name, route.location, route.parameters) == ("handler", HERE, ("id",))
    assert route.options == {"inline": True}
    assert not route.is_websocket
    assert route.build({"id": 7, "other": 1}) == "/users/7"
    assert Route.declare("/", ["WEBSOCKET"], handler, name="ws").is_websocket


@pytest.mark.parametrize(
    ("methods", "name", "message"),
    [
        ("GET", None, r"methods is the string 'GET'; write methods=\['GET'\]"),
        ([], None, "has no methods"),
        (["GE T"], None, "'GE T' is no HTTP method"),
        ([""], None, "no HTTP method"),
        (["GET"], "", "its name is empty"),
    ],
)
def test_nonsense_is_refused(methods: list[str], name: str | None, message: str) -> None:
    with pytest.raises(RouteError, match=message):
        Route.declare("/x", methods, handler, name)


def test_repr() -> None:
    route = Route.declare("/users/<int:id>", ["GET", "POST"], handler, "users.one")
    assert repr(route) == f"<Route GET,POST /users/<int:id> 'users.one' at {HERE}>"


def test_handler_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(RouteError, match="cannot be called"):
        Route.declare("/x", ["GET"], 5)


def test_bad_pattern_tells_the_handler() -> None:
    with pytest.raises(PatternError) as caught:
        Route.declare("/<nope:id>", ["GET"], handler).compiled  # noqa: B018
    assert caught.value.__notes__ == [f"in the route of 'handler' at {HERE}"]
