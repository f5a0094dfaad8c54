"""PostgreSQL and Redis that stop and start while tasks are added and run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from gobstopper_tasks import TaskQueue, TaskStoreUnavailable
from gobstopper_testsupport import PostgresServer, RedisServer


@pytest.mark.parametrize("make", [PostgresServer, RedisServer])
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_stops_and_starts(make: type[PostgresServer | RedisServer], how: str) -> None:
    server = make()
    ran: set[int] = set()
    try:
        await asyncio.to_thread(server.start)
        queue = TaskQueue(server.url, lease=3.0)

        @queue.task("t", max_retries=20, backoff=0.1)
        async def t(n: int) -> int:
            await asyncio.sleep(0.01)
            ran.add(n)
            return n

        await queue.open()
        await queue.start_workers("default", 4)
        acknowledged = {n: await queue.add("t", n=n) for n in range(20)}
        pending = {n: await queue.add("t", n=n, delay=2.0) for n in range(100, 105)}
        await asyncio.to_thread(getattr(server, how))
        refused = 0
        for n in range(20, 25):
            begun = time.monotonic()
            with pytest.raises(TaskStoreUnavailable):
                await queue.add("t", n=n)
            refused += 1
            assert time.monotonic() - begun < 10, "503 within a second or so if the machine is idle"
        assert refused == 5
        await asyncio.to_thread(server.start)
        deadline = time.monotonic() + 30
        number = 200
        while len(acknowledged) < 40:
            try:
                acknowledged[number] = await queue.add("t", n=number)
                number += 1
            except TaskStoreUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        for n, id_ in (acknowledged | pending).items():
            while True:
                try:
                    info = await queue.wait(id_, 40)
                    break
                except TaskStoreUnavailable:
                    await asyncio.sleep(0.1)
            assert info is not None
            assert (info.status, info.result) == ("succeeded", n)
        assert ran >= acknowledged.keys() | pending.keys()
        await queue.close(1.0)
    finally:
        await asyncio.to_thread(server.remove)


WORKER = """
import asyncio, sys
from gobstopper_tasks import TaskQueue

async def main(url):
    queue = TaskQueue(url, lease=2.0)
    @queue.task("nap")
    async def nap(seconds):
        print("begin", flush=True)
        await asyncio.sleep(seconds)
        return "slept"
    await queue.open()
    await queue.start_workers("default", 2)
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("server", ["postgres_url", "redis_url"])
async def test_a_killed_workers_tasks_are_run_by_another(server: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(server)
    queue = TaskQueue(url, lease=2.0)

    @queue.task("nap")
    async def nap(seconds: float) -> str:
        return "by another"

    await queue.open()
    with subprocess.Popen([sys.executable, "-c", WORKER, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        long = await queue.add("nap", seconds=4.0)  # twice the lease: kept alive by heartbeats
        assert await asyncio.to_thread(process.stdout.readline) == "begin\n"
        assert await queue.result(long, 30) == "slept"
        lost = await queue.add("nap", seconds=3600)
        assert await asyncio.to_thread(process.stdout.readline) == "begin\n"
        process.kill()
    await queue.start_workers("default", 1)
    info = await queue.wait(lost, 30)
    assert info is not None
    assert (info.result, info.crashes, info.attempt) == ("by another", 1, 1)
    await queue.close(1.0)
