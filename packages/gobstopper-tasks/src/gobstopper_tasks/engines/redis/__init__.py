"""The engine on Redis or Valkey, through streaq."""

from .engine import RedisEngine as RedisEngine

__all__ = ["RedisEngine"]
