"""Immutable multi-dicts: the query, form fields and uploads of a request."""

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar, overload
from urllib.parse import urlencode

from .errors import BadRequestKeyError

V = TypeVar("V")
T = TypeVar("T")
D = TypeVar("D")


class MultiDict(Mapping[str, V], Generic[V]):
    """A mapping whose keys may have several values; it cannot be changed.

    ``[key]``, `get`, `items` and `values` give the first value of a key, as in Werkzeug; `getlist` and `lists` give
    all. ``len`` counts distinct keys. A key that ``[key]`` does not find is the client's fault, who sent
    the rest: `BadRequestKeyError`, 400 if nobody catches it, and a `KeyError`.

    Args:
        pairs: key and value, in the order they were sent.
    """

    __slots__ = ("_lists",)

    _lists: dict[str, list[V]]

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        lists: dict[str, list[V]] = {}
        for key, value in pairs:
            present = lists.get(key)
            if present is None:
                lists[key] = [value]
            else:
                present.append(value)
        self._lists = lists

    def __getitem__(self, key: str) -> V:
        values = self._lists.get(key)
        if values is None:
            raise BadRequestKeyError(key)
        return values[0]

    @overload
    def get(self, key: str, /) -> V | None: ...
    @overload
    def get(self, key: str, /, default: V) -> V: ...
    @overload
    def get(self, key: str, /, default: D) -> V | D: ...
    @overload
    def get(self, key: str, /, default: None = None, *, type: Callable[[V], T]) -> T | None: ...
    @overload
    def get(self, key: str, /, default: D, type: Callable[[V], T]) -> T | D: ...
    def get(self, key: str, /, default: Any = None, type: Callable[[V], Any] | None = None) -> Any:  # noqa: A002
        """Return the first value of the key, or the default.

        Args:
            key: the name.
            default: what to return if the key is missing, or its value is not of the type.
            type: a callable that converts the value; `ValueError` and `TypeError` of it mean the default.
        """
        values = self._lists.get(key)
        if values is None:
            return default
        if type is None:
            return values[0]
        try:
            return type(values[0])
        except (ValueError, TypeError):
            return default

    @overload
    def getlist(self, key: str) -> list[V]: ...
    @overload
    def getlist(self, key: str, type: Callable[[V], T]) -> list[T]: ...
    def getlist(self, key: str, type: Callable[[V], Any] | None = None) -> list[Any]:  # noqa: A002
        """Return every value of the key, in order; with `type`, those that it converts without an error."""
        values = self._lists.get(key, [])
        if type is None:
            return values.copy()
        converted = []
        for value in values:
            try:
                converted.append(type(value))
            except (ValueError, TypeError):
                continue
        return converted

    @overload
    def items(self) -> ItemsView[str, V]: ...
    @overload
    def items(self, multi: Literal[False]) -> ItemsView[str, V]: ...
    @overload
    def items(self, multi: Literal[True]) -> list[tuple[str, V]]: ...
    def items(self, multi: bool = False) -> ItemsView[str, V] | list[tuple[str, V]]:
        """Return key and first value of each key; with `multi`, a pair for every value."""
        if multi:
            return [(key, value) for key, values in self._lists.items() for value in values]
        return ItemsView(self)

    def lists(self) -> list[tuple[str, list[V]]]:
        """Return each key with all its values."""
        return [(key, values.copy()) for key, values in self._lists.items()]

    @overload
    def to_dict(self) -> dict[str, V]: ...
    @overload
    def to_dict(self, flat: Literal[True]) -> dict[str, V]: ...
    @overload
    def to_dict(self, flat: Literal[False]) -> dict[str, list[V]]: ...
    def to_dict(self, flat: bool = True) -> dict[str, V] | dict[str, list[V]]:
        """Return a plain dict: of first values, or, if not `flat`, of lists."""
        if flat:
            return {key: values[0] for key, values in self._lists.items()}
        return dict(self.lists())

    def __contains__(self, key: object) -> bool:
        return key in self._lists

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MultiDict):
            return self._lists == other._lists
        if isinstance(other, Mapping):
            return self.to_dict() == dict(other) and all(len(values) == 1 for values in self._lists.values())
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.items(multi=True)!r})"


class QueryParams(MultiDict[str]):
    """The query string of a request; ``str()`` encodes it again."""

    __slots__ = ()

    def __str__(self) -> str:
        return urlencode(self.items(multi=True))


class FormData(MultiDict[str]):
    """The text fields of a form; uploads are in ``await request.files()``."""

    __slots__ = ()
