"""Header fields: one check for names and values, and the mutable multi-mapping of a response."""

import re
from abc import ABCMeta
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar, Protocol, TypeVar, cast, overload

_T = TypeVar("_T")
_MISSING: Any = object()

# RFC 9110 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# Names that have passed the check, mapped to lower case: an application uses few, and a dict look-up is
# far cheaper than a match. It stops growing at _NAMES_LIMIT, so names made from data cannot fill memory.
_names: dict[str, str] = {}
_NAMES_LIMIT = 512


class SupportsItems(Protocol):
    """Anything with ``items()`` that gives header pairs: a dict, another `Headers`, a request's headers."""

    def items(self) -> Iterable[tuple[str, Any]]: ...


def check_header(name: str, value: str | int) -> tuple[str, str]:
    """Check one header field and return it as ``(lower-case name, value)``.

    The server drops a bad header without a word, and a line break in a value would let its writer add headers
    of his own; so both are errors here (RFC 9110 5.1, 5.5).

    Raises:
        TypeError: name or value is not a string (an ``int`` value is written in decimal).
        ValueError: the name is not a token, or the value holds a control character or is not ASCII.
    """
    key = _names.get(name) or _check_name(name)
    if type(value) is not str or not (value.isascii() and value.isprintable()):
        value = _check_value(name, value)
    return key, value


def _check_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"header name {name!r} is {type(name).__name__}, not str")
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"header name {_short(name)} is not a token: use letters, digits and !#$%&'*+-.^_`|~ only (RFC 9110 5.6.2)"
        )
    key = str.__str__(name).lower()
    if len(_names) < _NAMES_LIMIT:
        _names[str.__str__(name)] = key
    return key


def _check_value(name: str, value: object) -> str:
    if isinstance(value, str):
        text = str.__str__(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        text = int.__repr__(value)
    else:
        raise TypeError(
            f"header {name!r} has a value of type {type(value).__name__} ({_short(value)}); pass a str (or an int)"
        )
    if not text.isascii():
        raise ValueError(
            f"header {name!r} has a value that is not ASCII ({_short(text)}): percent-encode it "
            "(urllib.parse.quote), or use the form of RFC 8187 (name*=UTF-8''...) where the header has parameters"
        )
    if not text.replace("\t", " ").isprintable():
        raise ValueError(
            f"header {name!r} has a control character in its value ({_short(text)}): "
            "remove CR, LF, NUL and other controls, or percent-encode them"
        )
    return text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Headers:
    """Ordered, case-insensitive header fields, any of which may occur more than once.

    Names are kept in lower case, as HTTP/2 has them. ``[name]`` and `get` give the first value, `getlist` all; setting
    replaces all; `add` appends. Iterating, `keys` and ``len`` count distinct names; `items` and `values` give every
    field. Every write is checked by `check_header`.

    Args:
        raw: a mapping or pairs to start from; checked and copied.
    """

    __slots__ = ("_raw", "_shared")
    __hash__: ClassVar[None]  # type: ignore[assignment]

    _raw: list[tuple[str, str]]
    _shared: bool

    def __init__(self, raw: "SupportsItems | Iterable[tuple[str, str | int]] | None" = None) -> None:
        self._shared = False
        if raw is None:
            self._raw = []
        elif isinstance(raw, Headers):
            self._raw = raw._raw.copy()
        else:
            self._raw = [check_header(name, value) for name, value in _pairs(raw)]

    @classmethod
    def shared(cls, raw: list[tuple[str, str]]) -> "Headers":
        """Wrap a list that others hold too: it is trusted, not checked, and copied at the first write.

        Args:
            raw: pairs with lower-case names whose values have been checked.
        """
        self = cls.__new__(cls)
        self._raw = raw
        self._shared = True
        return self

    @property
    def raw(self) -> list[tuple[str, str]]:
        """The list itself, to hand to the server. Do not change it."""
        return self._raw

    def _own(self) -> list[tuple[str, str]]:
        if self._shared:
            self._raw = self._raw.copy()
            self._shared = False
        return self._raw

    def __getitem__(self, name: str) -> str:
        key = name.lower()
        for field, value in self._raw:
            if field == key:
                return value
        raise KeyError(name)

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    @overload
    def get(self, name: str, default: _T) -> str | _T: ...
    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of the header, or the default."""
        key = name.lower()
        for field, value in self._raw:
            if field == key:
                return value
        return default

    def getlist(self, name: str) -> list[str]:
        """Return every value of the header, in order; an empty list if there is none."""
        key = name.lower()
        return [value for field, value in self._raw if field == key]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        key = name.lower()
        return any(field == key for field, _ in self._raw)

    def __setitem__(self, name: str, value: str | int) -> None:
        # The same as check_header and _own, in line: hooks do this on every answer.
        key = _names.get(name) or _check_name(name)
        if type(value) is not str or not (value.isascii() and value.isprintable()):
            value = _check_value(name, value)
        if self._shared:
            self._raw = self._raw.copy()
            self._shared = False
        raw = self._raw
        for field, _ in raw:
            if field == key:
                break
        else:
            raw.append((key, value))
            return
        index = next(index for index, pair in enumerate(raw) if pair[0] == key)
        raw[index:] = [(key, value), *(pair for pair in raw[index + 1 :] if pair[0] != key)]

    def __delitem__(self, name: str) -> None:
        key = name.lower()
        kept = [pair for pair in self._raw if pair[0] != key]
        if len(kept) == len(self._raw):
            raise KeyError(name)
        self._raw = kept
        self._shared = False

    def add(self, name: str, value: str | int) -> None:
        """Append a field, keeping those of the same name (``Set-Cookie``, ``Link``, ``WWW-Authenticate``)."""
        pair = check_header(name, value)
        self._own().append(pair)

    def extend(self, other: "SupportsItems | Iterable[tuple[str, str | int]]") -> None:
        """`add` every pair; nothing is added if one of them is bad."""
        pairs = [check_header(name, value) for name, value in _pairs(other)]
        self._own().extend(pairs)

    def update(self, other: "SupportsItems | Iterable[tuple[str, str | int]]") -> None:
        """Replace each header that `other` names with the values it has there; nothing changes if one is bad."""
        pairs = [check_header(name, value) for name, value in _pairs(other)]
        seen: set[str] = set()
        for name, value in pairs:
            if name in seen:
                self.add(name, value)
            else:
                seen.add(name)
                self[name] = value

    def setdefault(self, name: str, default: str | int) -> str:
        """Set the header unless it is there; return its first value."""
        present = self.get(name)
        if present is not None:
            return present
        self[name] = default
        return self._raw[-1][1]

    @overload
    def pop(self, name: str) -> str: ...
    @overload
    def pop(self, name: str, default: _T) -> str | _T: ...
    def pop(self, name: str, default: Any = _MISSING) -> Any:
        """Remove the header (all its fields) and return the first value, or the default if it is not there."""
        value = self.get(name, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                raise KeyError(name)
            return default
        del self[name]
        return value

    def clear(self) -> None:
        """Remove every header."""
        self._raw = []
        self._shared = False

    def vary(self, *names: str) -> None:
        """Add names to ``Vary`` (RFC 9110 12.5.5) that are not in it yet, in one field; ``*`` stays alone."""
        present = [part.strip() for value in self.getlist("vary") for part in value.split(",") if part.strip()]
        if "*" in present:
            return
        known = {name.lower() for name in present}
        for name in names:
            if name.lower() not in known:
                known.add(name.lower())
                present.append(name)
        if "*" in known:
            present = ["*"]
        if present:
            self["vary"] = ", ".join(present)

    def items(self) -> list[tuple[str, str]]:
        """Every field, in order, those that repeat included."""
        return self._raw.copy()

    def keys(self) -> list[str]:
        """The distinct names, in lower case, in order of first occurrence."""
        return list(dict.fromkeys(field for field, _ in self._raw))

    def values(self) -> list[str]:
        """The value of every field, in order."""
        return [value for _, value in self._raw]

    def copy(self) -> "Headers":
        """Return an independent copy."""
        return Headers.shared(self._raw.copy())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __bool__(self) -> bool:
        return bool(self._raw)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._raw == other._raw
        if isinstance(other, Mapping):
            return sorted(self._raw) == sorted((str(name).lower(), value) for name, value in other.items())
        return NotImplemented

    def __repr__(self) -> str:
        return f"Headers({self._raw!r})"


def _pairs(source: "SupportsItems | Iterable[tuple[str, Any]]") -> Iterable[tuple[str, Any]]:
    items: Any = getattr(source, "items", None)
    pairs: Any = source if items is None else items()
    return cast("Iterable[tuple[str, Any]]", pairs)


# It behaves as one at run time; the static base would promise dict-like views from items() and values().
cast("ABCMeta", MutableMapping).register(Headers)
