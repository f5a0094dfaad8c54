"""What a newcomer gets wrong: one message that names the place, the cause and the fix, when the object is made."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import redis.asyncio

from gobstopper_sessions import (
    AsyncRedisSessionStorage,
    CookieSessionStorage,
    FileSessionStorage,
    MemorySessionStorage,
    PostgresSessionStorage,
    Session,
    SessionMiddleware,
    get_flashed_messages,
)

KEY = "k" * 32


def middleware(**options: Any) -> Callable[[], Any]:
    return lambda: SessionMiddleware(MemorySessionStorage(), **options)


REDIS: Any = AsyncRedisSessionStorage
POSTGRES: Any = PostgresSessionStorage
MEMORY: Any = MemorySessionStorage
FILE: Any = FileSessionStorage
COOKIE: Any = CookieSessionStorage
STACK: Any = SessionMiddleware
FLASHED: Any = get_flashed_messages


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: REDIS("redis://localhost"), TypeError, "client= is text: a URL goes into url="),
        (lambda: REDIS(object()), TypeError, "client= is object.*use redis.asyncio.Redis"),
        (lambda: REDIS(redis.asyncio.ConnectionPool()), TypeError, "ConnectionPool.*use redis.asyncio.Redis"),
        (lambda: REDIS(redis.asyncio.Redis), TypeError, "client= is the class Redis: call it"),
        (lambda: REDIS(redis.asyncio.Redis().pipeline()), TypeError, "Pipeline.*use redis.asyncio.Redis"),
        (lambda: REDIS(redis.asyncio.Redis().pubsub()), TypeError, "PubSub.*use redis.asyncio.Redis"),
        (lambda: REDIS(redis.Redis()), TypeError, "synchronous.*use redis.asyncio.Redis"),
        (lambda: REDIS(url=5), TypeError, "url=5: give text"),
        (lambda: REDIS(url="localhost:6379"), ValueError, "url='localhost:6379'.*redis://host:6379/0"),
        (lambda: REDIS(url="http://:secret@host"), ValueError, "url='http:...'.*redis://host:6379/0"),
        (lambda: REDIS(url="redis://x", prefix=None), TypeError, "prefix=None: give text"),
        (lambda: POSTGRES("postgresql://x"), TypeError, "pool= is text: a URL goes into dsn="),
        (lambda: POSTGRES(object()), TypeError, r"pool= is object.*asyncpg.create_pool\(\)"),
        (lambda: POSTGRES(dsn=4), TypeError, "dsn=4: give text"),
        (lambda: POSTGRES(dsn="http://x:pw@y"), ValueError, "dsn='http:...'.*postgresql://user@host/database"),
        (lambda: POSTGRES(dsn="postgresql://x", table=4), TypeError, "table=4: give text"),
        (lambda: POSTGRES(dsn="postgresql://x", create_table="no"), TypeError, "create_table='no': use True or False"),
        (lambda: MEMORY("5"), TypeError, "max_sessions='5': give a whole number"),
        (lambda: MEMORY(None), TypeError, "max_sessions=None: give a whole number"),
        (lambda: MEMORY(1.5), TypeError, "max_sessions=1.5: give a whole number"),
        (lambda: MEMORY(True), TypeError, "max_sessions=True: give a whole number"),
        (lambda: MEMORY(0), ValueError, "max_sessions=0: give at least 1"),
        (lambda: FILE(5), TypeError, "directory=5: give a path"),
        (lambda: FILE(b"x"), TypeError, "directory=b'x': give a path"),
        (lambda: FILE(""), ValueError, "directory='': give a path"),
        (lambda: COOKIE("short"), ValueError, "secret key 1 of 1 has 5 bytes of at least 32"),
        (lambda: COOKIE([KEY, "short"]), ValueError, "secret key 2 of 2 has 5 bytes"),
        (lambda: COOKIE(5), TypeError, "secret_key= is int: give text or bytes, or a list of them"),
        (lambda: COOKIE([None]), TypeError, "secret_key= has a NoneType in it: give text or bytes, or a list of them"),
        (lambda: COOKIE([5]), TypeError, "secret_key= has a int in it"),
        (lambda: COOKIE([]), ValueError, "no secret key"),
        (lambda: COOKIE(KEY, max_size="big"), TypeError, "max_size='big': give a whole number"),
        (lambda: COOKIE(KEY, max_size=0), ValueError, "max_size=0: give at least 1"),
        (lambda: COOKIE(KEY, max_size=5000), ValueError, "max_size=5000: give at most 4096"),
        (lambda: STACK("redis://:secret@x"), TypeError, "text is no session storage.*AsyncRedisSessionStorage"),
        (lambda: STACK(MemorySessionStorage), TypeError, "the class MemorySessionStorage: call it"),
        (lambda: STACK(redis.asyncio.Redis()), TypeError, "Redis is no session storage.*AsyncRedisSessionStorage"),
        (lambda: STACK({}), TypeError, "dict is no session storage"),
        (middleware(cookie_name=5), TypeError, "cookie_name=5: give text"),
        (middleware(cookie_secure=1), ValueError, "cookie_secure=1: use True, False"),
        (middleware(cookie_samesite=None), ValueError, "cookie_samesite=None: use 'Lax', 'Strict' or 'None'"),
        (middleware(cookie_samesite="lax"), ValueError, "cookie_samesite='lax': use 'Lax', 'Strict' or 'None'"),
        (middleware(cookie_domain=5), TypeError, "cookie_domain=5: give text"),
        (middleware(cookie_domain=""), ValueError, "cookie_domain='': .*None"),
        (middleware(cookie_persistent="yes"), TypeError, "cookie_persistent='yes': use True or False"),
        (middleware(idle_timeout="1h"), TypeError, "idle_timeout='1h': give seconds"),
        (middleware(idle_timeout=True), TypeError, "idle_timeout=True: give seconds"),
        (middleware(idle_timeout=timedelta(hours=1)), TypeError, r"give seconds.*\.total_seconds\(\)"),
        (middleware(idle_timeout=float("nan")), ValueError, "idle_timeout=nan: give seconds"),
        (middleware(max_size="1 MB"), TypeError, "max_size='1 MB': give a whole number"),
        (middleware(max_size=None), TypeError, "max_size=None: give a whole number"),
        (middleware(max_size=0), ValueError, "max_size=0: give at least 1"),
        (lambda: FLASHED(None), TypeError, "NoneType is no session: pass request.session"),
        (lambda: FLASHED(Session(), category_filter="error"), TypeError, r"category_filter='error'.*\['error'\]"),
    ],
)
def test_one_message(make: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        make()
    assert "secret" not in str(caught.value).replace("secret key", "").replace("secret_key", "").replace("secrets.", "")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("package", "make", "extra"),
    [
        ("redis.asyncio", lambda: AsyncRedisSessionStorage(url="redis://x"), "redis"),
        ("asyncpg", lambda: PostgresSessionStorage(dsn="postgresql://x"), "postgres"),
        ("gobstopper_sessions.sealing", lambda: CookieSessionStorage(KEY), "cookie"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str, make: Callable[[], Any], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"install gobstopper-sessions\[{extra}\]"):
        make()


async def test_one_connection_is_no_pool(postgres_url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(postgres_url)
    try:
        with pytest.raises(TypeError, match=r"pool= is Connection.*asyncpg.create_pool\(\)"):
            PostgresSessionStorage(pool=connection)
    finally:
        await connection.close()


@pytest.mark.parametrize("create_table", [False, True])
def test_a_pool_that_nobody_opened(postgres_url: str, create_table: bool) -> None:
    import asyncpg

    async def read() -> None:
        await PostgresSessionStorage(pool=asyncpg.create_pool(postgres_url), create_table=create_table).read("x")

    with pytest.raises(
        RuntimeError, match=r"pool= was not opened: `await` it when the application starts, or pass dsn="
    ):
        asyncio.run(read())
