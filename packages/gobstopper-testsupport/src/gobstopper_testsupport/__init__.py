"""Real Redis and PostgreSQL for tests."""

from .postgres import PostgresServer as PostgresServer
from .redis import RedisServer as RedisServer
from .server import ServerMissing as ServerMissing
from .server import free_port as free_port

__all__ = ["PostgresServer", "RedisServer", "ServerMissing", "free_port"]
