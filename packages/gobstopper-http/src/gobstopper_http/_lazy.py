"""A property that is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["lazy"]

_T = TypeVar("_T")


class lazy(Generic[_T]):  # noqa: N801 - used as a decorator
    """Like `functools.cached_property`, without the lock that one takes before Python 3.12: a third of its cost."""

    def __init__(self, function: Callable[[Any], _T]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        # No data descriptor: from now on the instance's own attribute is found first.
        value = instance.__dict__[self.name] = self.function(instance)
        return value
