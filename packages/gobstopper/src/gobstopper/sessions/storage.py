"""Where sessions are kept."""

from gobstopper_sessions import AsyncRedisSessionStorage as AsyncRedisSessionStorage
from gobstopper_sessions import CookieSessionStorage as CookieSessionStorage
from gobstopper_sessions import FileSessionStorage as FileSessionStorage
from gobstopper_sessions import MemorySessionStorage as MemorySessionStorage
from gobstopper_sessions import PostgresSessionStorage as PostgresSessionStorage
from gobstopper_sessions import SessionStorage as SessionStorage

__all__ = [
    "AsyncRedisSessionStorage",
    "CookieSessionStorage",
    "FileSessionStorage",
    "MemorySessionStorage",
    "PostgresSessionStorage",
    "SessionStorage",
]
