"""Sessions and where they are kept: re-exported from `gobstopper_sessions`."""

from gobstopper_sessions import AsyncRedisSessionStorage as AsyncRedisSessionStorage
from gobstopper_sessions import CookieSessionStorage as CookieSessionStorage
from gobstopper_sessions import FileSessionStorage as FileSessionStorage
from gobstopper_sessions import MemorySessionStorage as MemorySessionStorage
from gobstopper_sessions import PostgresSessionStorage as PostgresSessionStorage
from gobstopper_sessions import Record as Record
from gobstopper_sessions import Session as Session
from gobstopper_sessions import SessionClosedError as SessionClosedError
from gobstopper_sessions import SessionConflict as SessionConflict
from gobstopper_sessions import SessionMiddleware as SessionMiddleware
from gobstopper_sessions import SessionStorage as SessionStorage
from gobstopper_sessions import SessionStoreUnavailable as SessionStoreUnavailable
from gobstopper_sessions import SetupContext as SetupContext
from gobstopper_sessions import get_flashed_messages as get_flashed_messages

__all__ = [
    "AsyncRedisSessionStorage",
    "CookieSessionStorage",
    "FileSessionStorage",
    "MemorySessionStorage",
    "PostgresSessionStorage",
    "Record",
    "Session",
    "SessionClosedError",
    "SessionConflict",
    "SessionMiddleware",
    "SessionStorage",
    "SessionStoreUnavailable",
    "SetupContext",
    "get_flashed_messages",
]
