"""Converters: what one ``<converter:name>`` matches, what it becomes, and how it is written back.

The built-in ones, in the order in which they are tried where several fit one segment:

===========  ============================================  ==================  ======
name         matches                                       value               weight
===========  ============================================  ==================  ======
``any``      one of its arguments, ``<any(a,b):x>``        :class:`str`        10
``uuid``     8-4-4-4-12 hexadecimal digits                 :class:`uuid.UUID`  20
``date``     ``YYYY-MM-DD``, a day that exists             ``datetime.date``   30
``int``      1 to 39 ASCII digits                          :class:`int`        40
``float``    ASCII digits, a point, ASCII digits           :class:`float`      50
(custom)     its ``regex``                                 what it returns     60
``str``      one segment (also called ``string``)          :class:`str`        100
``path``     one or more segments, not beginning with "/"  :class:`str`        200
===========  ============================================  ==================  ======
"""

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Final, TypeVar, cast
from uuid import UUID

from .errors import ConverterError

SEGMENT: Final = "[^/]+"
STR_WEIGHT: Final = 100

_N = TypeVar("_N", int, float)

# 39 digits hold every 128-bit number; int() costs the square of the length, so it must have an end.
_MAX_INT_DIGITS = 39
# The largest finite float has 309 digits before the point, the smallest 1074 after it (its shortest form needs 324).
_MAX_FLOAT_WHOLE, _MAX_FLOAT_FRACTION = 309, 1074


class Converter:
    """Base class of converters; subclass it, or give any object that has ``regex``, ``convert`` and ``to_url``.

    ``regex``
        What the text of one value looks like. It is matched alone and whole (:func:`re.fullmatch`), so groups, flags
        and anchors in it disturb nothing else. It never sees an empty string, nor a ``/``.
    ``weight``
        Lower is tried first; 60 unless set.
    ``max_length``
        The most characters a value can have, if ``regex`` has such a bound and, matched from the left, takes the
        longest text it can (so no ``$``). It lets a value share its segment with other parameters however long the
        segment is (else 256 characters).
    """

    regex: str = SEGMENT
    weight: int = 60
    max_length: int | None = None

    def convert(self, value: str) -> object:
        """Give the value that the handler gets. ``ValueError`` means that the route does not match."""
        return value

    def to_url(self, value: object) -> str:
        """Give the text that stands for ``value``, not percent-quoted. ``ValueError`` or ``TypeError`` refuses it."""
        return str(value)


class StrConverter(Converter):
    """One segment of any text; ``<str(length=2):x>``, ``minlength`` and ``maxlength`` bound its characters."""

    weight = STR_WEIGHT

    def __init__(self, minlength: int = 1, maxlength: int | None = None, length: int | None = None) -> None:
        if length is not None:
            minlength = maxlength = length
        if minlength < 1 or (maxlength is not None and maxlength < minlength):
            raise ValueError("needs 1 <= minlength <= maxlength")
        if minlength > 1 or maxlength is not None:
            self.regex = f"[^/]{{{minlength},{'' if maxlength is None else maxlength}}}"
            self.weight = STR_WEIGHT - 1

    def to_url(self, value: object) -> str:
        """``str(value)``."""
        return str(value)


class PathConverter(Converter):
    """One or more segments, slashes included; does not begin with a slash. The shortest text that fits is taken."""

    regex = "[^/].*"
    weight = 200


class IntConverter(Converter):
    """ASCII digits, at most 39, leading zeros allowed.

    ``min``, ``max``, ``fixed_digits`` (filled up with zeros) and ``signed`` are Werkzeug's.
    """

    weight = 40
    max_length: int | None = _MAX_INT_DIGITS

    def __init__(
        self,
        fixed_digits: int = 0,
        min: int | None = None,  # noqa: A002 - Werkzeug's name, written in patterns
        max: int | None = None,  # noqa: A002
        signed: bool = False,
    ) -> None:
        if not 0 <= fixed_digits <= _MAX_INT_DIGITS:
            raise ValueError(f"fixed_digits must be 0 (any) to {_MAX_INT_DIGITS}")
        digits = f"[0-9]{{{fixed_digits}}}" if fixed_digits else f"[0-9]{{1,{_MAX_INT_DIGITS}}}"
        self.regex = f"-?{digits}" if signed else digits
        self.max_length = _MAX_INT_DIGITS + signed
        self.fixed_digits, self.min, self.max = fixed_digits, min, max
        if fixed_digits or min is not None or max is not None:
            self.weight = 39

    def convert(self, value: str) -> int:
        """Give the number, if it lies within the bounds."""
        return _bounded(int(value), self.min, self.max)

    def to_url(self, value: object) -> str:
        """Accept an ``int``, or the text of one."""
        if isinstance(value, float):
            raise TypeError("a float is not a whole number")
        number = _bounded(int(cast("int", value)), self.min, self.max)
        return f"{number:0{self.fixed_digits + (number < 0)}d}" if self.fixed_digits else str(number)


class FloatConverter(Converter):
    """ASCII digits, a point, ASCII digits: ``1`` is none, ``1.0`` is. ``min``, ``max``, ``signed`` are Werkzeug's."""

    weight = 50
    max_length: int | None = _MAX_FLOAT_WHOLE + _MAX_FLOAT_FRACTION + 2

    def __init__(self, min: float | None = None, max: float | None = None, signed: bool = False) -> None:  # noqa: A002
        digits = rf"[0-9]{{1,{_MAX_FLOAT_WHOLE}}}\.[0-9]{{1,{_MAX_FLOAT_FRACTION}}}"
        self.regex = f"-?{digits}" if signed else digits
        self.min, self.max = min, max
        if min is not None or max is not None:
            self.weight = 49

    def convert(self, value: str) -> float:
        """Give the number, if it is finite and lies within the bounds."""
        number = float(value)
        if not isfinite(number):
            raise ValueError("too large")
        return _bounded(number, self.min, self.max)

    def to_url(self, value: object) -> str:
        """Write the shortest digits that give the same float back, never with an exponent."""
        number = _bounded(float(cast("float", value)), self.min, self.max)
        if not isfinite(number):
            raise ValueError("is not a finite number")
        text = f"{Decimal(repr(number)):f}"
        return text if "." in text else f"{text}.0"


class UUIDConverter(Converter):
    """A UUID with its hyphens, in either case."""

    regex = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    weight = 20
    max_length = 36

    def convert(self, value: str) -> UUID:
        """Give a :class:`uuid.UUID`."""
        return UUID(value)

    def to_url(self, value: object) -> str:
        """Accept a UUID, or the text of one."""
        return str(value if isinstance(value, UUID) else UUID(str(value)))


class DateConverter(Converter):
    """A day as ``YYYY-MM-DD`` (RFC 3339 ``full-date``)."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    weight = 30
    max_length = 10

    def convert(self, value: str) -> date:
        """Give a :class:`datetime.date`; a day that does not exist does not match."""
        return date.fromisoformat(value)

    def to_url(self, value: object) -> str:
        """Accept a ``date`` or the text of one; a ``datetime`` would lose its time, so it is refused."""
        if isinstance(value, datetime):
            raise TypeError("a datetime has a time that the URL would lose; pass value.date()")
        return value.isoformat() if isinstance(value, date) else date.fromisoformat(str(value)).isoformat()


class AnyConverter(Converter):
    """Exactly one of its arguments."""

    weight = 10
    verbatim = True  # <any(007,1.50):x> means these characters, not numbers

    def __init__(self, *items: str) -> None:
        if not items or any(not item or "/" in item for item in items):
            raise ValueError("needs at least one item; an item is not empty and has no '/'")
        self.items = frozenset(items)
        # Longest first, so that a match from the left takes "ab" before "a".
        ordered = sorted(self.items, key=lambda item: (-len(item), item))
        self.regex = "|".join(map(re.escape, ordered))
        self.max_length = len(ordered[0])


def _bounded(number: _N, low: _N | None, high: _N | None) -> _N:
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"is not between {low} and {high}")
    return number


class Converters(Mapping[str, "type[Converter] | Converter"]):
    """The converters that patterns may name: the built-in ones and those of :meth:`register`."""

    def __init__(self) -> None:
        self._known: dict[str, type[Converter] | Converter] = {
            "any": AnyConverter,
            "date": DateConverter,
            "float": FloatConverter,
            "int": IntConverter,
            "path": PathConverter,
            "str": StrConverter,
            "string": StrConverter,
            "uuid": UUIDConverter,
        }

    def register(self, name: str, converter: object) -> None:
        """Let patterns say ``<name:parameter>``.

        ``converter`` is a class (built once per use, with the arguments that the pattern gives) or a ready object.
        Patterns that are parsed already keep what they have. Raises :class:`ConverterError`.
        """
        if not name.isidentifier():
            raise ConverterError(f"converter {name!r}: the name must be a Python identifier")
        for attribute, meaning in _NEEDED.items():
            if not hasattr(converter, attribute):
                hint = " (Werkzeug calls it to_python)" if hasattr(converter, "to_python") else ""
                raise ConverterError(
                    f"converter {name!r}: {converter!r} has no {attribute!r}, {meaning}{hint};"
                    " add it, or subclass gobstopper_routing.Converter"
                )
        self._known[name] = cast("type[Converter] | Converter", converter)

    def make(
        self, name: str, args: Sequence[object] = (), options: Mapping[str, object] | None = None
    ) -> tuple[Converter, Hashable]:
        """Build the converter called ``name``; the second value is equal for converters that mean the same.

        Raises :class:`ConverterError` if there is none, or it refuses the arguments, or its regex cannot be compiled.
        """
        known = self._known.get(name)
        if known is None:
            raise ConverterError(f"there is no converter {name!r}; known are {', '.join(sorted(self._known))}")
        options = options or {}
        if isinstance(known, type):
            try:
                converter = known(*args, **options)
            except (TypeError, ValueError) as error:
                raise ConverterError(f"converter {name!r} refuses these arguments: {error}") from error
            key = _key(known, args, options)
        elif args or options:
            raise ConverterError(f"converter {name!r} is registered as a ready object and takes no arguments")
        else:
            converter, key = known, ("object", id(known))
        _check_regex(name, converter)
        return converter, key

    def copy(self) -> "Converters":
        """Give a registry of its own with the same converters."""
        other = Converters()
        other._known.update(self._known)
        return other

    def __getitem__(self, name: str) -> type[Converter] | Converter:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


_NEEDED = {
    "regex": "the regular expression of one value",
    "convert": "the method that makes the value from its text",
    "to_url": "the method that makes the text from a value",
}


def _key(known: type[object], args: Sequence[object], options: Mapping[str, object]) -> Hashable:
    key: Hashable = (known, frozenset(args) if known is AnyConverter else tuple(args), tuple(sorted(options.items())))
    return key


def _check_regex(name: str, converter: Converter) -> None:
    regex: object = converter.regex
    if not isinstance(regex, str):
        raise ConverterError(f"converter {name!r}: regex is {type(regex).__name__}, it must be a str")
    try:
        re.compile(regex)
    except re.error as error:
        raise ConverterError(f"converter {name!r}: regex {regex!r} cannot be compiled: {error}") from error
