import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gobstopper_routing import Call, SignatureError, check_signature
from gobstopper_routing.signature import HOOKS, hook_mismatch


def wrapped(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, user="me", **kwargs)

    return wrapper


class Method:
    def method(self, request: object, id: int) -> None: ...

    def __call__(self, request: object, id: int) -> None: ...


class Unreadable:
    """As some builtins are."""

    __signature__ = 5

    def __call__(self) -> None: ...


def both(request: object, id: int) -> None: ...
def neither() -> None: ...
def parameter_alone(id: int) -> None: ...
def swapped(id: int, request: object) -> None: ...
def keyword(*, id: int, request: object) -> None: ...
def socket(id: int, websocket: object) -> None: ...
def other_name(_: object, id: int) -> None: ...
def default(request: object, id: int = 5, page: int = 1) -> None: ...
def default_first(page: int = 1) -> None: ...
def request_with_default(request: object = None) -> None: ...
def everything(*args: object, **kwargs: object) -> None: ...
def keywords(**kwargs: object) -> None: ...
def positional(request: object, /, id: int) -> None: ...
def injected(request: object, id: int, user: str) -> None: ...


@pytest.mark.parametrize(
    ("handler", "parameters", "subject"),
    [
        (both, ("id",), "first"),
        (neither, (), None),
        (parameter_alone, ("id",), None),
        (swapped, ("id",), "request"),
        (keyword, ("id",), "request"),
        (socket, ("id",), "websocket"),
        (other_name, ("id",), "first"),
        (default, ("id",), "first"),
        (default_first, (), None),
        (request_with_default, (), "first"),
        (everything, ("id", "more"), "first"),
        (keywords, ("id",), None),
        (positional, ("id",), "first"),
        (Method().method, ("id",), "first"),
        (Method(), ("id",), "first"),
        (functools.partial(injected, user="x"), ("id",), "first"),
        (wrapped(injected), ("id",), "first"),
        (print, (), "first"),
        (Unreadable(), ("id",), "first"),
    ],
)
def test_handler_that_fits(handler: Callable[..., Any], parameters: tuple[str, ...], subject: str | None) -> None:
    assert check_signature(handler, parameters) == Call(subject, parameters)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated when the function is made")
def test_names_for_type_checkers_alone_are_not_looked_up() -> None:
    namespace: dict[str, Any] = {}
    exec("def handler(request: Unknown, id: AlsoUnknown) -> Nothing: ...", namespace)
    assert check_signature(namespace["handler"], ("id",)) == Call("first", ("id",))
    assert hook_mismatch("after_request", namespace["handler"]) is None


def positional_parameter(request: object, id: int, /) -> None: ...
def request_only(request: object) -> None: ...


@pytest.mark.parametrize(
    ("handler", "parameters", "message"),
    [
        (request_only, ("id",), "the pattern gives 'id', which the handler does not take"),
        (neither, ("id",), "the pattern gives 'id'"),
        (both, (), "it takes 'id', which the pattern does not give; add <id> or a default"),
        (both, ("user_id",), "the pattern gives 'user_id', which the handler does not take"),
        (injected, ("id",), "it takes 'user'"),
        (positional_parameter, ("id",), "'id' cannot be passed by name; remove the '/'"),
    ],
)  # fmt: skip
def test_handler_that_does_not_fit(handler: Callable[..., Any], parameters: tuple[str, ...], message: str) -> None:
    with pytest.raises(SignatureError) as caught:
        check_signature(handler, parameters, "/the/pattern")
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{__file__}:{handler.__code__.co_firstlineno}: handler {handler.__name__}(")
    assert "'/the/pattern'" in text


@pytest.mark.parametrize(
    ("kind", "function", "fits"),
    [
        ("before_request", lambda request: None, True),
        ("before_request", lambda: None, False),
        ("before_request", lambda request, more: None, False),
        ("before_request", lambda request, more=1: None, True),
        ("before_request", lambda *args: None, True),
        ("after_request", lambda request, response: response, True),
        ("after_request", lambda response: response, False),
        ("before_websocket", lambda websocket: None, True),
        ("error_handler", lambda request, error: None, True),
        ("error_handler", lambda error: None, False),
        ("on_startup", lambda: None, True),
        ("on_startup", lambda app: None, False),
        ("on_shutdown", lambda: None, True),
        ("before_request", Unreadable(), True),
    ],
)
def test_hooks(kind: str, function: Callable[..., Any], fits: bool) -> None:
    message = hook_mismatch(kind, function)
    assert (message is None) == fits
    if message is not None:
        assert message.startswith(f"{kind} hook <lambda>(")
        assert f"is called with ({', '.join(HOOKS[kind])})" in message


def test_a_pattern_without_parameters_is_called_so() -> None:
    def handler(request: object, user: str) -> None: ...

    with pytest.raises(SignatureError, match="with no parameters: it takes 'user'"):
        check_signature(handler, (), "/me")
