"""Sessions in Redis or Valkey."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar

from ._batches import Batches
from ._options import check_text, check_url, kind_of
from .storage import Record, SessionStorage

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["AsyncRedisSessionStorage"]

# A value is 13 digits of milliseconds since 1970, its expiry, and the data; so a read is one GET.
_HEAD = 13
_TOGETHER = 64  # sessions in one command; Redis does nothing else in the meantime

_Write = tuple[str, bytes, bytes, int]
"""Key, expected data, new value, milliseconds that are left."""

# For every key the data that is expected, the new value, and its milliseconds; an error is that key's alone.
_REPLACE = """
local done = {}
for number, key in ipairs(KEYS) do
  local at = number * 3
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then
    done[number] = found
  elseif not found or string.sub(found, 14) ~= ARGV[at - 2] then
    done[number] = 0
  else
    local stored = redis.pcall('SET', key, ARGV[at - 1], 'PX', ARGV[at])
    done[number] = stored.err and stored or 1
  end
end
return done
"""
_REMOVE = """
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 14) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_TOUCH = """
local found = redis.call('GET', KEYS[1])
if not found then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. string.sub(found, 14), 'PX', ARGV[2])
return 1
"""


class AsyncRedisSessionStorage(SessionStorage):
    """Sessions in Redis 6 or later, or Valkey; Redis itself removes what has expired.

    Reads of one moment share a command, and so do writes: much of what Redis costs a server is in each command. On a
    cluster every command goes alone. Configure `maxmemory-policy` to `noeviction` or `volatile-ttl`, or sessions may
    vanish before their time.

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
        self._client = client
        self._prefix = prefix
        self._replace: Callable[..., Awaitable[Any]] = client.register_script(_REPLACE)
        self._remove: Callable[..., Awaitable[Any]] = client.register_script(_REMOVE)
        self._touch: Callable[..., Awaitable[Any]] = client.register_script(_TOUCH)
        # The keys of a cluster lie on different servers: there each call goes alone.
        size = 1 if hasattr(client, "keyslot") else _TOGETHER
        self._reads: Batches[str] = Batches(self._read_all, size=size, timeout=lambda: self.timeout)
        self._writes: Batches[_Write] = Batches(self._replace_all, size=size, timeout=lambda: self.timeout)

    async def read(self, key: str) -> Record | None:
        """See `SessionStorage`."""
        value = await self._reads.call(self._prefix + key)
        if value is None:
            return None
        raw: bytes = value.encode() if isinstance(value, str) else value  # str with decode_responses=True
        head = raw[:_HEAD]
        if len(head) < _HEAD or not head.isdigit():
            return None  # not ours: something else was written under the name
        expires_at = int(head) / 1000
        return Record(raw[_HEAD:], expires_at) if expires_at > time.time() else None

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """See `SessionStorage`."""
        head, ttl = _times(expires_at)
        await self._client.set(self._prefix + key, head + data, px=ttl)

    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """See `SessionStorage`. Moving is two steps; dying in between leaves the old record, and one nobody knows."""
        name = self._prefix + key
        if new_key is not None:
            await self.create(new_key, data, expires_at)
            if await self._remove(keys=[name], args=[expected]):
                return True
            await self.delete(new_key)
            return False
        head, ttl = _times(expires_at)
        return bool(await self._writes.call((name, expected, head + data, ttl)))

    async def touch(self, key: str, expires_at: float) -> bool:
        """See `SessionStorage`."""
        head, ttl = _times(expires_at)
        return bool(await self._touch(keys=[self._prefix + key], args=[head, ttl]))

    async def delete(self, key: str) -> bool:
        """See `SessionStorage`."""
        return bool(await self._client.delete(self._prefix + key))

    async def _read_all(self, keys: list[str]) -> list[Any]:
        if len(keys) == 1:
            return [await self._client.get(keys[0])]
        found: list[Any] = await self._client.mget(keys)
        return found

    async def _replace_all(self, writes: list[_Write]) -> list[Any]:
        arguments = [argument for write in writes for argument in write[1:]]
        done: list[Any] = await self._replace(keys=[write[0] for write in writes], args=arguments)
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
    """The head of a value, and the milliseconds that are left (at least one, which Redis insists on)."""
    milliseconds = int(expires_at * 1000)
    return b"%013d" % milliseconds, max(milliseconds - int(time.time() * 1000), 1)
