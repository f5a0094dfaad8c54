"""Attributes that middleware adds to requests, such as `request.csrf_token`: made when they are first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gobstopper_http.connection import Connection

__all__ = ["request_attribute", "set_attribute"]


def set_attribute(connection: Any, name: str, value: Any) -> None:
    """Set what is otherwise computed when it is first read, such as `client`."""
    connection.__dict__[name] = value


class _Lazy:
    def __init__(self, name: str, function: Callable[[Any], Any]) -> None:
        self._name = name
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, connection: Any, owner: type) -> Any:
        if connection is None:
            return self
        # No data descriptor: from now on the request's own attribute is found first, and a user may set one.
        value = connection.__dict__[self._name] = self._function(connection)
        return value


def request_attribute(name: str, function: Callable[[Any], Any]) -> None:
    """Let `function(request)` make the attribute `name` of requests and WebSockets, or raise `AttributeError`."""
    setattr(Connection, name, _Lazy(name, function))
