"""What Redis runs for `AsyncRedisSessionStorage`.

A value is 13 digits of milliseconds since 1970, its expiry; the 16 characters of the write that made it; and the data.
So a read is one GET, and a write that is sent twice is recognised. A key whose session has moved away holds the head
alone, with an expiry of zero, for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["DELETE", "HEAD", "LEAVE", "REPLACE", "STAMP", "TOUCH", "UNKNOWN", "Attempts", "Script", "WriteUnknownError"]

STAMP = 13
"""Digits of the expiry."""

HEAD = STAMP + 16
"""Bytes before the data."""

UNKNOWN = 2
"""The answer of `REPLACE` and `LEAVE` to a second attempt that cannot tell what became of the first."""

# For every key the data that is expected, the new value, and its milliseconds; an error is that key's alone.
REPLACE = """
local done = {}
for number, key in ipairs(KEYS) do
  local at = number * 3 - 1
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then
    done[number] = found
  elseif found and string.sub(found, 14, 29) == string.sub(ARGV[at + 1], 14, 29) then
    done[number] = 1
  elseif not found or string.sub(found, 30) ~= ARGV[at] then
    done[number] = ARGV[1] == '1' and 0 or 2
  else
    local stored = redis.pcall('SET', key, ARGV[at + 1], 'PX', ARGV[at + 2])
    done[number] = stored.err and stored or 1
  end
end
return done
"""
# The data that is expected, and what is left in its place.
LEAVE = """
local found = redis.call('GET', KEYS[1])
if found == ARGV[3] then return 1 end
if not found or string.sub(found, 30) ~= ARGV[2] then return ARGV[1] == '1' and 0 or 2 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', 60000)
return 1
"""
# The new expiry, and the milliseconds until then.
TOUCH = """
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, 13) == '0000000000000' then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. string.sub(found, 14), 'PX', ARGV[3])
return 1
"""
DELETE = """
local found = redis.pcall('GET', KEYS[1])
local count = redis.call('DEL', KEYS[1])
if type(found) == 'string' and string.sub(found, 1, 13) == '0000000000000' then return 0 end
return count
"""


class WriteUnknownError(ConnectionError):
    """The connection broke during a write, and it is not known whether it was done."""


class Attempts(int):
    """An argument of a command that tells Redis which attempt it is, from 1 on.

    redis-py repeats a command by itself when its connection breaks, and does not say so. But it encodes the arguments
    each time, and an integer by its `repr`. If something else takes the `repr`, a conflict may be answered as unknown;
    nothing worse. Tracers take the `str`.
    """

    sent: int = 0

    def __repr__(self) -> str:
        self.sent += 1
        return str(self.sent)

    def __str__(self) -> str:
        return str(self.sent)


class Script:
    """A script, called by its hash. Its first argument is the attempt.

    Args:
        client: A `redis.asyncio.Redis` or cluster client.
        source: In Lua.
    """

    def __init__(self, client: Any, source: str) -> None:
        self._client = client
        self._source = source
        self._sha: str = client.register_script(source).sha

    async def __call__(self, keys: Sequence[str], arguments: Sequence[Any] = ()) -> Any:
        """Run it, and load it before if Redis does not know it (any more)."""
        from redis.exceptions import NoScriptError

        attempts = Attempts()
        try:
            return await self._client.evalsha(self._sha, len(keys), *keys, attempts, *arguments)
        except NoScriptError:
            if attempts.sent == 1:
                attempts.sent = 0  # that one did nothing
            await self._client.script_load(self._source)
            return await self._client.evalsha(self._sha, len(keys), *keys, attempts, *arguments)
