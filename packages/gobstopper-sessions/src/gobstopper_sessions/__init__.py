"""Sessions for Granian's RSGI: on the server in files, Redis, PostgreSQL or memory, or in an encrypted cookie."""

from .cookie_storage import CookieSessionStorage as CookieSessionStorage
from .errors import SessionClosedError as SessionClosedError
from .errors import SessionConflict as SessionConflict
from .errors import SessionStoreUnavailable as SessionStoreUnavailable
from .file_storage import FileSessionStorage as FileSessionStorage
from .memory_storage import MemorySessionStorage as MemorySessionStorage
from .middleware import SessionMiddleware as SessionMiddleware
from .postgres_storage import PostgresSessionStorage as PostgresSessionStorage
from .redis_storage import AsyncRedisSessionStorage as AsyncRedisSessionStorage
from .session import Session as Session
from .session import get_flashed_messages as get_flashed_messages
from .storage import Record as Record
from .storage import SessionStorage as SessionStorage
from .storage import SetupContext as SetupContext

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
