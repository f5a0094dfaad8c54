"""Real Redis and PostgreSQL for tests."""

from .postgres import PostgresServer as PostgresServer
from .redis import RedisServer as RedisServer
from .server import ServerMissing as ServerMissing

__all__ = ["PostgresServer", "RedisServer", "ServerMissing"]
