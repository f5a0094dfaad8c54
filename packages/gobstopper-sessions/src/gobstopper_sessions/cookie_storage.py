"""Sessions that live in the cookie itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ._codec import encode as check_encodable
from ._codec import encode_value
from ._lifetimes import Lifetimes
from ._options import check_whole
from .ids import new_id
from .session import Session, Stored
from .storage import SetupContext

if TYPE_CHECKING:
    from .sealing import Sealer

__all__ = ["CookieSessionStorage"]


class _Sealed(msgspec.Struct, array_like=True):
    id: str
    created: float
    expires: float
    data: dict[str, object]


_decode = msgspec.json.Decoder(_Sealed).decode


class CookieSessionStorage:
    """The whole session in an encrypted cookie: no store, no read, and nothing that the server could end.

    What you give up: a copy of the cookie works until it expires, whatever happened since. `invalidate` and `rotate`
    reach this browser only; an old cookie that was kept brings the old data back (a basket, a balance, a right that was
    taken away). Of two requests at once the later answer wins. About 2.8 kB fit. Use it for what may be replayed.

    Needs the extra `cookie`.

    Args:
        secret_key: One key of at least 32 bytes, or several: the first seals, all open. Default: the application's
            `SECRET_KEY`.
        max_size: Bytes of the cookie's value. Browsers drop a cookie whose name, value and attributes pass 4096.

    Raises:
        TypeError, ValueError: for what is no key, or too short for one.
        ImportError: without the extra.
    """

    def __init__(self, secret_key: str | bytes | Sequence[str | bytes] | None = None, *, max_size: int = 3900) -> None:
        self._sealer = None if secret_key is None else _sealer(_keys(secret_key))
        self._max_size = check_whole("max_size", max_size, most=4096)

    def setup(self, context: SetupContext) -> None:
        """Take the application's keys, unless some were given."""
        if self._sealer is None:
            if not context.secret_keys:
                raise ValueError(
                    "CookieSessionStorage has no key: set SECRET_KEY (at least 32 random bytes) or pass secret_key="
                )
            self._sealer = _sealer(context.secret_keys)

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def sealer(self) -> Sealer:
        """What seals the cookies."""
        if self._sealer is None:
            raise RuntimeError("CookieSessionStorage has no key: pass secret_key=, or let an application call setup()")
        return self._sealer

    def load(self, value: str, purpose: bytes, lifetimes: Lifetimes) -> Session:
        """The session in a cookie; a new one if it is not ours, was changed, or has expired."""
        opened = self.sealer.open(value, purpose)
        if opened is None:
            return Session()
        try:
            sealed = _decode(opened)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Session()  # of another version of this package, with the same key
        now = time.time()
        if sealed.expires <= now or sealed.created + lifetimes.absolute <= now:
            return Session()
        stored = Stored(sealed.id, "", encode_value(sealed.data), sealed.expires)
        return Session(sealed.data, stored=stored, created_at=sealed.created)

    def save(self, session: Session, purpose: bytes, lifetimes: Lifetimes) -> str | None:
        """The cookie's new value; `""` to remove it, `None` to leave it.

        Raises:
            TypeError, ValueError: for data that cannot be stored, or is too large.
        """
        stored = session._stored if not session._dropped else None
        if stored is None and not session._data and session._id is None:
            return "" if session._dropped else None
        now = time.time()
        created = session._created or now
        expires = lifetimes.end(now, created)
        if stored is not None and session._id == stored.id and not self._changed(session, stored):
            if expires - stored.expires_at < lifetimes.margin:
                return None
        else:
            check_encodable(created, session._data)
        sealed = _Sealed(session._id or new_id(), created, expires, session._data)
        value = self.sealer.seal(encode_value(sealed), purpose)
        if len(value) > self._max_size:
            raise ValueError(
                f"the session makes a cookie of {len(value):,} bytes, and browsers drop it beyond {self._max_size:,}: "
                "keep less in it, or use a storage on the server"
            )
        session._id, session._created = sealed.id, created
        return value

    def _changed(self, session: Session, stored: Stored) -> bool:
        return session.touched and encode_value(session._data) != stored.data


def _keys(given: str | bytes | Sequence[str | bytes] | Any) -> list[str | bytes]:
    if isinstance(given, str | bytes):
        return [given]
    wanted = "give text or bytes, or a list of them"
    if not isinstance(given, Sequence):
        raise TypeError(f"secret_key= is {type(given).__name__}: {wanted}")
    for key in given:
        if not isinstance(key, str | bytes):
            raise TypeError(f"secret_key= has a {type(key).__name__} in it: {wanted}")
    return list(given)


def _sealer(keys: Sequence[str | bytes]) -> Sealer:
    try:
        from .sealing import Sealer
    except ImportError as error:
        raise ImportError(
            "CookieSessionStorage needs the package cryptography: install gobstopper-sessions[cookie]"
        ) from error
    return Sealer(keys)
