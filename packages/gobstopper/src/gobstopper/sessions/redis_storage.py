"""Sessions on Redis."""

from gobstopper_sessions import AsyncRedisSessionStorage as AsyncRedisSessionStorage

__all__ = ["AsyncRedisSessionStorage"]
