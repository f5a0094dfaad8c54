"""The session as a request sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Literal, overload

import msgspec

from .errors import SessionClosedError
from .ids import new_id

__all__ = ["FLASHES", "Session", "Stored", "get_flashed_messages"]

FLASHES = "_flashes"
"""The key that flashed messages lie under, as lists of category and message."""


class Stored(msgspec.Struct, frozen=True, gc=False):  # a third of the time of a named tuple
    """Where a session came from.

    Attributes:
        id: The id that the client sent.
        key: The store's key.
        data: The record's bytes, as read.
        expires_at: Its expiry.
    """

    id: str
    key: str
    data: bytes
    expires_at: float


class Session(MutableMapping[str, Any]):
    """A mapping that lasts from request to request.

    Values are JSON: text, numbers, booleans, `None`, lists and dicts. Changes inside of them are noticed:
    `session["cart"].append(7)` is saved. Nothing is stored, and no cookie set, before something is written.

    Attributes:
        touched: Whether anything was read or written: the answer then depends on the session.
        presented: Whether the client sent a session cookie, valid or not.
    """

    __slots__ = (
        "_closed", "_cookie", "_created", "_data", "_dropped", "_flashed", "_id", "_pinned", "_stored",
        "presented", "touched",
    )  # fmt: skip

    def __init__(
        self, data: dict[str, Any] | None = None, *, stored: Stored | None = None, created_at: float | None = None
    ) -> None:
        self._data: dict[str, Any] = {} if data is None else data
        self._stored = stored
        self._id: str | None
        if stored is None:
            self._id = None
            self.presented = False
        else:
            self._id = stored.id
            self.presented = True
        self._dropped = self._pinned = self.touched = False
        self._flashed: list[tuple[str, str]] | None = None
        self._closed: str | None = None
        self._cookie: str | None = None
        self._created = created_at

    @property
    def is_new(self) -> bool:
        """Whether the client came without a valid session, or it was invalidated."""
        self.touched = True
        return self._is_new

    @property
    def created_at(self) -> float | None:
        """When it began, seconds since 1970; `None` for one that is not stored yet."""
        self.touched = True
        return self._created

    @property
    def _is_new(self) -> bool:
        # For whoever has to know, and does not make the answer depend on it.
        return self._stored is None or self._dropped

    def rotate(self) -> None:
        """Give the session a new id and end the old one; call it whenever rights change: at log-in and log-out."""
        self._write()
        if self._pinned:
            raise SessionClosedError("a WebSocket cannot set the cookie of a new id; rotate the session in a request")
        if self._stored is not None and not self._dropped:
            self._id = new_id()

    def invalidate(self) -> None:
        """End the session: its data is gone, its id is dead. What is written afterwards begins a new one."""
        self._write()
        self._data.clear()
        self._flashed = None
        self._id = None
        self._dropped = True
        self._created = None

    def flash(self, message: str, category: str = "message") -> None:
        """Leave a message for the next page that calls `get_flashed_messages`."""
        self._write()
        self._data.setdefault(FLASHES, []).append([category, message])

    def flashed(self) -> list[tuple[str, str]]:
        """Take the flashed messages out, as `(category, message)`; the same ones if asked again."""
        self.touched = True
        if self._flashed is None:
            stored = self._data.get(FLASHES)
            if stored:
                del self[FLASHES]
            self._flashed = [(str(category), str(message)) for category, message in stored or ()]
        return self._flashed

    def secret(self) -> str:
        """The id, made if there is none yet (the session is then stored though it may be empty).

        Other secrets may be derived from it, as the CSRF token is. Never send it anywhere.
        """
        self.touched = True
        if self._id is None:
            if self._closed is not None:
                raise SessionClosedError(f"a session cannot begin here: {self._closed}")
            self._id = new_id()
        return self._id

    def pin(self) -> None:
        """From now on the id cannot change, because no cookie can be set."""
        self._pinned = True

    def close(self, reason: str) -> None:
        """From now on writing is an error, with `reason`."""
        self._closed = reason

    def _write(self) -> None:
        self.touched = True
        if self._closed is not None:
            raise SessionClosedError(f"the session cannot be changed here: {self._closed}")

    def __getitem__(self, key: str) -> Any:
        self.touched = True
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if self._closed is None:
            self.touched = True
        else:
            self._write()
        if not isinstance(key, str):
            raise TypeError(f"session keys are text, as in JSON; {key!r} is {type(key).__name__}")
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        self._write()
        del self._data[key]

    def __contains__(self, key: object) -> bool:
        self.touched = True
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        self.touched = True
        return iter(self._data)

    def __len__(self) -> int:
        self.touched = True
        return len(self._data)

    def __repr__(self) -> str:
        # For logs, so it does not count as read. Keys only: values may be secrets.
        return f"<Session {sorted(self._data)}{' new' if self._is_new else ''}>"


@overload
def get_flashed_messages(
    session: Session, with_categories: Literal[False] = False, category_filter: Iterable[str] = ()
) -> list[str]: ...
@overload
def get_flashed_messages(
    session: Session, with_categories: Literal[True], category_filter: Iterable[str] = ()
) -> list[tuple[str, str]]: ...
@overload
def get_flashed_messages(
    session: Session, with_categories: bool, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]: ...
def get_flashed_messages(
    session: Session, with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Take the flashed messages, oldest first; asked again within the request it gives the same ones.

    Args:
        session: Of the request.
        with_categories: Give `(category, message)` instead of the message alone.
        category_filter: Only these categories; the others are taken all the same, as in Flask.

    Raises:
        TypeError: for what is no session, or a single text as the filter.
    """
    if not isinstance(session, Session):
        raise TypeError(f"{type(session).__name__} is no session: pass request.session")
    if isinstance(category_filter, str):
        raise TypeError(f"category_filter={category_filter!r}: give a list, as in [{category_filter!r}]")
    wanted = frozenset(category_filter)
    taken = [pair for pair in session.flashed() if not wanted or pair[0] in wanted]
    return taken if with_categories else [message for _, message in taken]
