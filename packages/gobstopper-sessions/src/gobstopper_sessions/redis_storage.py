"""Sessions in Redis or Valkey."""

from __future__ import annotations

import secrets
import time
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar

from ._batches import Batches
from ._cancelling import cancellable
from ._options import check_text, check_url, kind_of
from ._redis_scripts import DELETE, HEAD, LEAVE, REPLACE, STAMP, TOUCH, UNKNOWN, Script, WriteUnknownError
from .storage import Record, SessionStorage

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["AsyncRedisSessionStorage"]

_TOGETHER = 64  # sessions in one command; Redis does nothing else in the meantime

_Write = tuple[str, bytes, bytes, int]
"""Key, expected data, new value, milliseconds that are left."""


class AsyncRedisSessionStorage(SessionStorage):
    """Sessions in Redis 6 or later, or Valkey; Redis itself removes what has expired.

    Reads of one moment share a command, and so do writes: much of what Redis costs a server is in each command. On a
    cluster every command goes alone. A write that the client repeats after a broken connection is recognised by Redis;
    what became of it is an error if it cannot be known. A caller that gives up ends its command.

    Configure `maxmemory-policy` to `noeviction` or `volatile-ttl`, or sessions may vanish before their time.

    Args:
        client: A `redis.asyncio.Redis` (or cluster client). It stays yours: close it when you stop.
        url: Instead of a client: `redis://host:6379/0`, `rediss://…` for TLS; opened when first needed, closed at
            shutdown. Needs the extra `redis`.
        prefix: Before every key.

    Raises:
        TypeError: for what is no asynchronous client, or neither or both of `client` and `url`.
        ValueError: for a URL of something else.
        ImportError: for `url` without the extra.
    """

    exact: ClassVar[bool] = True

    def __init__(self, client: Redis | Any = None, *, url: str | None = None, prefix: str = "session:") -> None:
        if (client is None) == (url is None):
            raise TypeError("give either client=, a redis.asyncio.Redis, or url=")
        check_text("prefix", prefix)
        self._owned = client is None
        if client is None:
            client = _open(check_url("url", url, ("redis", "rediss", "unix"), "redis://host:6379/0"))
        else:
            _check(client)
        self._client: Any = client
        self._prefix = prefix
        self._replace = Script(client, REPLACE)
        self._leave = Script(client, LEAVE)
        self._touch = Script(client, TOUCH)
        self._delete = Script(client, DELETE)
        # The keys of a cluster lie on different servers: there each call goes alone, and as many at once.
        size, at_once = (1, _TOGETHER) if hasattr(client, "keyslot") else (_TOGETHER, 4)
        self._reads: Batches[str] = Batches(self._read_all, size=size, open_at_most=at_once)
        self._writes: Batches[_Write] = Batches(self._replace_all, size=size, open_at_most=at_once)

    async def read(self, key: str) -> Record | None:
        """See `SessionStorage`."""
        value = await self._reads.call(self._prefix + key)
        if value is None:
            return None
        raw: bytes = value.encode() if isinstance(value, str) else value  # str with decode_responses=True
        stamp = raw[:STAMP]
        if len(raw) < HEAD or not stamp.isdigit():
            return None  # not ours: something else was written under the name
        expires_at = int(stamp) / 1000
        return Record(raw[HEAD:], expires_at) if expires_at > time.time() else None

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """See `SessionStorage`."""
        stamp, ttl = _times(expires_at)
        await cancellable(self._client.set(self._prefix + key, stamp + _new_name() + data, px=ttl))

    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """See `SessionStorage`. Moving is two steps; dying in between leaves the old record, and one nobody knows."""
        name = self._prefix + key
        if new_key is not None:
            await self.create(new_key, data, expires_at)
            left = b"0" * STAMP + _new_name()
            if _known(await cancellable(self._leave([name], [expected, left]))):
                return True
            await self.delete(new_key)
            return False
        stamp, ttl = _times(expires_at)
        return _known(await self._writes.call((name, expected, stamp + _new_name() + data, ttl)))

    async def touch(self, key: str, expires_at: float) -> bool:
        """See `SessionStorage`."""
        return bool(await cancellable(self._touch([self._prefix + key], _times(expires_at))))

    async def delete(self, key: str) -> bool:
        """See `SessionStorage`."""
        return bool(await cancellable(self._delete([self._prefix + key])))

    async def _read_all(self, keys: list[str]) -> list[Any]:
        if len(keys) == 1:
            return [await self._client.get(keys[0])]
        found: list[Any] = await self._client.mget(keys)
        return found

    async def _replace_all(self, writes: list[_Write]) -> list[Any]:
        arguments = [argument for write in writes for argument in write[1:]]
        done: list[Any] = await self._replace([write[0] for write in writes], arguments)
        return done

    async def close(self) -> None:
        """Close the connections, if the store has opened them."""
        if self._owned:
            await self._client.aclose()


def _open(url: str) -> Redis:
    try:
        from redis.asyncio import Redis
    except ImportError as error:
        raise ImportError(
            "AsyncRedisSessionStorage(url=...) needs the package redis: install gobstopper-sessions[redis]"
        ) from error
    return Redis.from_url(url)


def _check(client: Any) -> None:
    if isinstance(client, str):
        raise TypeError("client= is text: a URL goes into url=")
    execute = getattr(client, "execute_command", None)
    if isinstance(client, type) or not hasattr(client, "register_script") or "Pipeline" in type(client).__name__:
        raise TypeError(
            f"client= is {kind_of(client)}; use redis.asyncio.Redis(...) or redis.asyncio.RedisCluster(...)"
        )
    if not (iscoroutinefunction(execute) or "asyncio" in type(client).__module__):
        raise TypeError("the client is synchronous and would block the event loop: use redis.asyncio.Redis")


def _times(expires_at: float) -> tuple[bytes, int]:
    """The first part of a value, and the milliseconds that are left (at least one, which Redis insists on)."""
    milliseconds = int(expires_at * 1000)
    return b"%013d" % milliseconds, max(milliseconds - int(time.time() * 1000), 1)


def _new_name() -> bytes:
    """Names one write, so that Redis knows it when redis-py sends it again."""
    return secrets.token_hex((HEAD - STAMP) // 2).encode()


def _known(answer: int) -> bool:
    if answer == UNKNOWN:
        raise WriteUnknownError("the connection broke during a write; whether it was done is not known")
    return bool(answer)
