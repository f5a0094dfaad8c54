# mypy: disable-error-code="arg-type,import-not-found"
"""Tasks against SAQ, streaq, arq, PgQueuer and procrastinate: same payload, every acknowledged task on disk.

`python -m benchmarks tasks [--rounds 5] [--tasks 5000] [--only NAME …] [--workloads NAME …]`. Rounds are interleaved,
and each run has a process and an empty store of its own. Printed: medians, and the median of per-round ratios to the
best Redis queue, and for the last columns to PgQueuer. Redis runs with `appendfsync always`, PostgreSQL with its
defaults (fsync, synchronous_commit). Needs: saq, streaq, arq, pgqueuer, procrastinate, psycopg[binary]; a contender
that is not installed is left out, and said so. One whose dependencies do not go with the others' (arq wants an older
redis) may have an interpreter of its own, named by BENCHMARK_PYTHON_ARQ; `gobstopper_testsupport` must be importable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gobstopper_testsupport import PostgresServer, RedisServer

PAYLOAD = {"to": "someone@example.com", "subject": "Your order", "body": "x" * 100}
REDIS, POSTGRES, DUCKDB = "redis", "postgres", "duckdb"

Add = Callable[[], Awaitable[object]]


class Contender:
    """One queue. `opened` runs the whole measurement between connecting and disconnecting."""

    store = REDIS

    def __init__(self, url: str) -> None:
        self.url = url
        self.begun: list[float] = []

    async def open(self) -> None:
        """Connects and registers a task that calls `started`."""
        raise NotImplementedError

    async def add(self) -> object:
        """Adds one task."""
        raise NotImplementedError

    async def add_many(self, count: int) -> None:
        """Adds `count` tasks by the queue's own batch call, or one after the other."""
        raise NotImplementedError

    async def work(self, concurrency: int) -> None:
        """Starts to run tasks in this process; returns once that is under way."""
        raise NotImplementedError

    def started(self) -> None:
        """The task's whole work."""
        self.begun.append(time.perf_counter())


class Gobstopper(Contender):
    store = DUCKDB

    async def open(self) -> None:
        from gobstopper_tasks import TaskQueue

        self.queue = TaskQueue(self.url)

        @self.queue.task("work", timeout=60)
        async def work(to: str, subject: str, body: str) -> None:
            self.started()

        await self.queue.open()

    async def add(self) -> object:
        return await self.queue.add("work", **PAYLOAD)

    async def add_many(self, count: int) -> None:
        call = self.queue.call
        await self.queue.add_many([call("work", **PAYLOAD) for _ in range(count)])

    async def work(self, concurrency: int) -> None:
        await self.queue.start_workers("default", concurrency)


class GobstopperOnPostgres(Gobstopper):
    store = POSTGRES


class GobstopperOnRedis(Gobstopper):
    store = REDIS


class Saq(Contender):
    async def open(self) -> None:
        from saq import Queue

        self.queue = Queue.from_url(self.url)
        await self.queue.connect()

    async def add(self) -> object:
        return await self.queue.enqueue("work", **PAYLOAD)

    async def add_many(self, count: int) -> None:
        for at in range(0, count, 100):
            await asyncio.gather(*(self.add() for _ in range(min(100, count - at))))

    async def work(self, concurrency: int) -> None:
        from saq import Worker

        async def work(context: Any, **_: Any) -> None:
            self.started()

        worker = Worker(self.queue, functions=[("work", work)], concurrency=concurrency)
        self.worker = asyncio.ensure_future(worker.start())


class Streaq(Contender):
    async def open(self) -> None:
        from streaq import Worker

        class Quiet(Worker[None]):
            async def signal_handler(self, scope: Any) -> None:
                await asyncio.Event().wait()

        self.client = Quiet(self.url, concurrency=64)

        @self.client.task(silent=True)
        async def work(to: str, subject: str, body: str) -> None:
            self.started()

        self.task = work
        ready = asyncio.Event()

        async def keep() -> None:
            async with self.client:
                ready.set()
                await asyncio.Event().wait()

        self.keeper = asyncio.ensure_future(keep())
        await ready.wait()
        self.quiet = Quiet

    async def add(self) -> object:
        return await self.task.enqueue(**PAYLOAD)

    async def add_many(self, count: int) -> None:
        for at in range(0, count, 1000):
            await self.client.enqueue_many([self.task.enqueue(**PAYLOAD) for _ in range(min(1000, count - at))])

    async def work(self, concurrency: int) -> None:
        worker = self.quiet(self.url, concurrency=concurrency)
        worker.include(self.client)
        self.worker = asyncio.ensure_future(worker.run_async())


class Arq(Contender):
    async def open(self) -> None:
        from arq import create_pool
        from arq.connections import RedisSettings

        self.pool = await create_pool(RedisSettings.from_dsn(self.url))

    async def add(self) -> object:
        return await self.pool.enqueue_job("work", **PAYLOAD)

    async def add_many(self, count: int) -> None:
        for at in range(0, count, 100):
            await asyncio.gather(*(self.add() for _ in range(min(100, count - at))))

    async def work(self, concurrency: int) -> None:
        from arq.worker import Worker, func

        async def work(context: Any, **_: Any) -> None:
            self.started()

        worker = Worker(
            functions=[func(work, name="work")], redis_pool=self.pool, max_jobs=concurrency, handle_signals=False,
            poll_delay=0.01,
        )  # fmt: skip
        self.worker = asyncio.ensure_future(worker.async_run())


class PgQueuer(Contender):
    store = POSTGRES

    async def open(self) -> None:
        import asyncpg
        from pgqueuer import PgQueuer
        from pgqueuer.queries import Queries

        self.pool = await asyncpg.create_pool(self.url, min_size=10, max_size=10)
        self.queries = Queries.from_asyncpg_pool(self.pool)
        await self.queries.install()
        self.manager = PgQueuer.from_asyncpg_connection(await asyncpg.connect(self.url))
        self.payload = json.dumps(PAYLOAD).encode()

    async def add(self) -> object:
        return await self.queries.enqueue("work", self.payload)

    async def add_many(self, count: int) -> None:
        for at in range(0, count, 1000):
            size = min(1000, count - at)
            await self.queries.enqueue(["work"] * size, [self.payload] * size, [0] * size)

    async def work(self, concurrency: int) -> None:
        @self.manager.entrypoint("work", accepts_context=False)
        async def work(job: Any) -> None:
            json.loads(job.payload)
            self.started()

        self.worker = asyncio.ensure_future(self.manager.run(batch_size=concurrency))


class Procrastinate(Contender):
    store = POSTGRES

    async def open(self) -> None:
        from procrastinate import App, PsycopgConnector

        self.app = App(connector=PsycopgConnector(conninfo=self.url, min_size=10, max_size=10))

        @self.app.task(name="work")
        async def work(to: str, subject: str, body: str) -> None:
            self.started()

        self.task = work
        await self.app.open_async()
        await self.app.schema_manager.apply_schema_async()

    async def add(self) -> object:
        return await self.task.defer_async(**PAYLOAD)

    async def add_many(self, count: int) -> None:
        for at in range(0, count, 1000):
            await self.task.batch_defer_async(*[PAYLOAD] * min(1000, count - at))

    async def work(self, concurrency: int) -> None:
        run = self.app.run_worker_async(
            concurrency=concurrency, install_signal_handlers=False, fetch_job_polling_interval=1
        )
        self.worker = asyncio.ensure_future(run)


CONTENDERS: dict[str, type[Contender]] = {
    "gobstopper": Gobstopper,
    "saq": Saq,
    "streaq": Streaq,
    "arq": Arq,
    "pgqueuer": PgQueuer,
    "procrastinate": Procrastinate,
    "gobstopper-pg": GobstopperOnPostgres,
    "gobstopper-redis": GobstopperOnRedis,
}


async def produce(add: Add, count: int, producers: int) -> None:
    """Adds `count` tasks with `producers` callers, each of which waits for its own."""

    async def one(share: int) -> None:
        for _ in range(share):
            await add()

    await asyncio.gather(*(one(count // producers) for _ in range(producers)))


async def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits."""
    deadline = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError("the tasks did not all run")
        await asyncio.sleep(0.001)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def enqueue_64(queue: Contender, count: int) -> float:
    """Tasks a second, 64 producers."""
    begun = time.perf_counter()
    await produce(queue.add, count, 64)
    return count // 64 * 64 / (time.perf_counter() - begun)


async def enqueue_1000(queue: Contender, count: int) -> float:
    """Tasks a second, 1000 producers."""
    begun = time.perf_counter()
    await produce(queue.add, max(count, 2000), 1000)
    return max(count, 2000) // 1000 * 1000 / (time.perf_counter() - begun)


async def batch(queue: Contender, count: int) -> float:
    """Tasks a second through the batch call."""
    begun = time.perf_counter()
    await queue.add_many(count * 4)
    return count * 4 / (time.perf_counter() - begun)


async def single(queue: Contender, count: int) -> float:
    """Tasks a second, one producer."""
    begun = time.perf_counter()
    await produce(queue.add, min(count, 500), 1)
    return min(count, 500) / (time.perf_counter() - begun)


async def add_and_run(queue: Contender, count: int) -> float:
    """Tasks a second, added by 64 producers and run by 64 slots of the same process."""
    await queue.work(64)
    await asyncio.sleep(0.3)
    count = count // 64 * 64
    begun = time.perf_counter()
    await produce(queue.add, count, 64)
    await until(lambda: len(queue.begun) >= count)
    return count / (time.perf_counter() - begun)


async def latency(queue: Contender, count: int) -> float:
    """Milliseconds from the call of add to the start of the task, 99th percentile, at 200 a second."""
    await queue.work(64)
    await asyncio.sleep(0.5)
    delays: list[float] = []
    adds: set[asyncio.Future[object]] = set()
    for number in range(600):
        sent = time.perf_counter()
        adds.add(asyncio.ensure_future(queue.add()))
        while len(queue.begun) <= number and time.perf_counter() - sent < 2.0:
            await asyncio.sleep(0.0002)
        delays.append((queue.begun[number] if len(queue.begun) > number else time.perf_counter()) - sent)
        await asyncio.sleep(max(0.0, 0.005 - (time.perf_counter() - sent)))
    return percentile(delays[50:], 0.99) * 1000


WORKLOADS: dict[str, Callable[[Contender, int], Awaitable[float]]] = {
    "single": single,
    "enqueue_64": enqueue_64,
    "enqueue_1000": enqueue_1000,
    "batch": batch,
    "add_and_run": add_and_run,
    "latency": latency,
}


async def measure(name: str, workload: str, url: str, count: int) -> float:
    """One run, in a process of its own."""
    queue = CONTENDERS[name](url)
    await queue.open()
    return await WORKLOADS[workload](queue, count)


# -- the embedded engine's own figures

SOCKET_PEER = """
import asyncio, json, sys, time
from pathlib import Path
from gobstopper_tasks import TaskQueue

def peak():  # not ru_maxrss: that of the parent survives exec
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

async def main(path, seconds, producers, payload):
    queue = TaskQueue(path)
    @queue.task("work")
    async def work(to, subject, body): ...
    await queue.open()
    owner = queue._engine.is_owner
    memory = peak()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    times, end = [], time.perf_counter() + seconds
    async def produce():
        while (begun := time.perf_counter()) < end:
            await queue.add("work", **payload)
            times.append(time.perf_counter() - begun)
    await asyncio.gather(*(produce() for _ in range(producers)))
    print(json.dumps({"owner": owner, "times": times, "before": memory, "peak": peak()}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])))
"""

BARE = """
import asyncio, json, msgspec
lines = open("/proc/self/status").read().splitlines()
print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""


def processes(seconds: float = 3.0, producers: int = 64) -> dict[str, float]:
    """Three processes that add through one owner: tasks a second, p99 in ms, and memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", SOCKET_PEER, f"{folder}/tasks.duckdb", str(seconds), str(producers)]
        peers = []
        for _ in range(3):
            peer = subprocess.Popen([*command, json.dumps(PAYLOAD)], stdin=-1, stdout=-1, text=True)
            assert peer.stdout is not None
            peer.stdout.readline()
            peers.append(peer)
        for peer in peers:
            peer.stdin.write("go\n")  # type: ignore[union-attr]
            peer.stdin.flush()  # type: ignore[union-attr]
        results = [json.loads(peer.stdout.readline()) for peer in peers]  # type: ignore[union-attr]
        for peer in peers:
            peer.kill()
            peer.communicate()
    bare = int(subprocess.run([sys.executable, "-c", BARE], capture_output=True, check=True).stdout)
    times = [value for result in results for value in result["times"]]
    peak = {kind: max(r["peak"] for r in results if r["owner"] is kind) for kind in (True, False)}
    opened = {kind: max(r["before"] for r in results if r["owner"] is kind) for kind in (True, False)}
    return {
        "tasks/s": len(times) / seconds,
        "p99 ms": percentile(times, 0.99) * 1000,
        "owner open +MB": (opened[True] - bare) / 1024,
        "owner peak +MB": (peak[True] - bare) / 1024,
        "peer open +MB": (opened[False] - bare) / 1024,
        "peer peak +MB": (peak[False] - bare) / 1024,
    }


# -- the harness


class Stores:
    """The servers, and an empty store for each run."""

    def __init__(self, needed: set[str]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.redis = RedisServer() if REDIS in needed else None
        self.postgres = PostgresServer() if POSTGRES in needed else None
        for server in (self.redis, self.postgres):
            if server is not None:
                server.start()
        self.count = 0

    def fresh(self, store: str) -> str:
        """The URL of an empty store."""
        self.count += 1
        if store == DUCKDB:
            return str(Path(self.folder.name) / f"tasks-{self.count}.duckdb")
        if store == REDIS:
            assert self.redis is not None
            import redis

            with redis.Redis.from_url(self.redis.url) as client:
                client.flushall()
            return self.redis.url
        assert self.postgres is not None
        url, name = self.postgres.url, f"bench_{self.count}"

        async def create() -> None:
            import asyncpg

            connection = await asyncpg.connect(url)
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.close()

        asyncio.run(create())
        return url.rpartition("/")[0] + f"/{name}"

    def close(self) -> None:
        """Ends the servers."""
        for server in (self.redis, self.postgres):
            if server is not None:
                server.remove()
        self.folder.cleanup()


def run(name: str, workload: str, url: str, count: int) -> float | str:
    """The figure, or why there is none."""
    python = os.environ.get(f"BENCHMARK_PYTHON_{name.upper()}", sys.executable)
    command = [python, "-m", "benchmarks.tasks", "--measure", name, workload, url, str(count)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        return "timed out"
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return float(lines[-1])
    return (done.stderr.strip().splitlines() or ["failed"])[-1][:100]


def report(workload: str, figures: dict[str, list[float]]) -> None:
    """Prints medians and ratios of one workload."""
    better = min if workload == "latency" else max
    unit = "ms" if workload == "latency" else "/s"
    print(f"\n{workload}")
    best_redis = [
        better(values)
        for values in zip(*(figures[n] for n in ("saq", "streaq", "arq") if figures.get(n)), strict=False)
    ]
    for name, values in figures.items():
        if not values:
            continue
        ratios = ""
        if best_redis:
            ratios += (
                f"  x{statistics.median(v / b for v, b in zip(values, best_redis, strict=False)):8.2f} best Redis queue"
            )
        if figures.get("pgqueuer"):
            pairs = zip(values, figures["pgqueuer"], strict=False)
            ratios += f"  x{statistics.median(v / b for v, b in pairs):8.2f} PgQueuer"
        print(f"  {name:18} {statistics.median(values):12,.1f} {unit}{ratios}")


def main(argv: list[str]) -> int:
    """See the module."""
    if argv[:1] == ["--measure"]:
        name, workload, url, count = argv[1:5]
        print(asyncio.run(measure(name, workload, url, int(count))), flush=True)
        os._exit(0)  # what still runs in the background is of no interest
    parser = argparse.ArgumentParser(prog="python -m benchmarks tasks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--workloads", nargs="*", default=[*WORKLOADS, "processes"])
    options = parser.parse_args(argv)
    stores = Stores({CONTENDERS[name].store for name in options.only})
    reasons: dict[str, str] = {}
    try:
        for workload in options.workloads:
            if workload == "processes":
                rounds = [processes() for _ in range(options.rounds)]
                print("\nprocesses (3 over one owner, 64 producers each)")
                for key in rounds[0]:
                    print(f"  {key:18} {statistics.median(r[key] for r in rounds):12,.1f}")
                continue
            figures: dict[str, list[float]] = {name: [] for name in options.only}
            for _ in range(options.rounds):
                for name in options.only:
                    found = run(name, workload, stores.fresh(CONTENDERS[name].store), options.tasks)
                    if isinstance(found, float):
                        figures[name].append(found)
                    else:
                        reasons[f"{name}, {workload}"] = found
            report(workload, figures)
    finally:
        stores.close()
    for what, why in reasons.items():
        print(f"left out: {what}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
