import sys
from collections.abc import Callable
from typing import Any

import pytest

from gobstopper_routing import Converter, Converters, PatternError, RouteError, Scaffold


def page(request: object) -> None: ...


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch", "options", "head"])
def test_decorator_of_each_method(method: str) -> None:
    scaffold = Scaffold()
    assert getattr(scaffold, method)("/x", name="n", max_body=5)(page) is page
    (route,) = scaffold.routes
    assert (route.methods, route.pattern, route.name, route.options) == ((method.upper(),), "/x", "n", {"max_body": 5})


def test_route_and_websocket() -> None:
    scaffold = Scaffold()
    scaffold.route("/a", methods=["GET", "post"])(page)
    scaffold.route("/b")(page)
    scaffold.websocket("/ws", origins=["https://a"])(page)
    assert [route.methods for route in scaffold.routes] == [("GET", "POST"), ("GET",), ("WEBSOCKET",)]
    assert scaffold.routes[2].is_websocket
    assert scaffold.routes[2].options == {"origins": ["https://a"]}
    assert scaffold.add_route("/c", page) is scaffold.routes[3]


def test_decorators_stack() -> None:
    scaffold = Scaffold()

    @scaffold.get("/a")
    @scaffold.post("/b")
    def both(request: object) -> None: ...

    assert [(route.methods, route.pattern) for route in scaffold.routes] == [(("POST",), "/b"), (("GET",), "/a")]


def test_bad_routes_are_refused_at_registration() -> None:
    scaffold = Scaffold()
    with pytest.raises(RouteError, match=r"test_scaffold.py:\d+: the pattern of 'page' is empty"):
        scaffold.get("")(page)
    with pytest.raises(PatternError, match="no converter 'nope'"):
        scaffold.get("/<nope:x>")(page)
    assert scaffold.routes == []


def test_converters_of_a_subclass_are_used() -> None:
    converters = Converters()
    converters.register("hex", type("Hex", (Converter,), {"regex": "[0-9a-f]+"}))

    class App(Scaffold):
        def _converters(self) -> Converters:
            return converters

    app = App()
    app.get("/<hex:x>")(page)
    assert app.routes[0].build({"x": "ff"}) == "/ff"


HOOKS: list[tuple[str, str]] = [
    ("before_request", "before_request_hooks"),
    ("after_request", "after_request_hooks"),
    ("before_websocket", "before_websocket_hooks"),
    ("on_startup", "startup_hooks"),
    ("on_shutdown", "shutdown_hooks"),
    ("context_processor", "context_processors"),
]


@pytest.mark.parametrize(("decorator", "records"), HOOKS)
def test_hooks_are_recorded_in_order(decorator: str, records: str) -> None:
    scaffold = Scaffold()
    register = getattr(scaffold, decorator)

    def second() -> None: ...

    assert register(page) is page
    assert register(second) is second
    assert getattr(scaffold, records) == [page, second]
    with pytest.raises(RouteError, match=rf"write @{decorator} above a function, without parentheses"):
        register(None)


def test_error_handlers_are_kept_by_status_or_class() -> None:
    scaffold = Scaffold()
    assert scaffold.error_handler(404)(page) is page
    scaffold.error_handler(ValueError)(page)
    assert scaffold.error_handlers == {404: page, ValueError: page}
    for wrong in (200, 600, True, "404", ValueError("x"), int):
        with pytest.raises(RouteError, match="give a status from 400 to 599, or an exception class"):
            scaffold.error_handler(wrong)


def test_last_error_handler_wins() -> None:
    scaffold = Scaffold()

    def second(request: object, error: Exception) -> None: ...

    scaffold.error_handler(404)(page)
    scaffold.error_handler(404)(second)
    assert scaffold.error_handlers == {404: second}


def test_middleware_is_recorded_with_its_place() -> None:
    scaffold = Scaffold()
    scaffold.add_middleware(page, priority=5, a=1)
    line = sys._getframe().f_lineno - 1
    (record,) = scaffold.middleware
    assert (record.middleware, record.priority, record.options) == (page, 5, {"a": 1})
    assert record.location == f"{__file__}:{line}"
    with pytest.raises(RouteError, match=r"test_scaffold.py:\d+: middleware 5 cannot be called"):
        scaffold.add_middleware(5)


@pytest.mark.parametrize(
    ("decorator", "records"),
    [
        ("template_filter", "template_filters"),
        ("template_global", "template_globals"),
        ("template_test", "template_tests"),
    ],
)
def test_template_helpers(decorator: str, records: str) -> None:
    scaffold = Scaffold()
    register: Callable[..., Any] = getattr(scaffold, decorator)
    assert register(page) is page
    assert register()(page) is page
    assert register("other")(page) is page
    assert register(name="third")(page) is page
    assert getattr(scaffold, records) == {"page": page, "other": page, "third": page}
