"""The queue: what an application, or any asyncio program, uses."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

from .calls import Call, Chain, Delay, Group, gathered, make_spec
from .cron import CronEntry
from .engine import Cap, Filter, TaskEngine
from .errors import InvalidTask, TaskError, TaskFailed, TaskStoreClosed, TaskStoreUnavailable
from .hooks import Hook
from .ids import derived_id
from .registry import DEFAULT_TIMEOUT, Limit, Registry, TaskDefinition
from .retry import Backoff
from .targets import engine_for
from .task import FINAL, TaskInfo, TaskPriority, TaskSpec, TaskStatus
from .worker import Runner

__all__ = ["TaskPriority", "TaskQueue"]

log = logging.getLogger("gobstopper.tasks")

F = TypeVar("F", bound=Callable[..., Any])
Mode = Literal["normal", "manual", "eager"]
_MAX_IDS = 10_000


class TaskQueue:
    """A durable queue of background tasks.

    `target` is a file (DuckDB), `duckdb:///path`, `postgresql://…`, `redis://…` or `memory://`. Nothing is opened,
    and no driver imported, before `open` (or the first use): a queue can be made at import time and before a fork.
    `grace` is how many seconds `close` lets running tasks finish. `mode` is for tests, with `memory://`: `"eager"`
    runs each task before `add` returns, `"manual"` when `drain` is called. `engine` takes the place of the one that
    `target` names; other options go to the engine.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] = "tasks.duckdb",
        *,
        registry: Registry | None = None,
        grace: float = 10.0,
        mode: Mode = "normal",
        engine: TaskEngine | None = None,
        **options: Any,
    ) -> None:
        self.target = os.fspath(target)
        if mode != "normal" and not (self.target == "memory://" or engine is not None):
            raise InvalidTask(f"mode={mode!r} is for tests and needs memory://, not {self.target.split('@')[-1]!r}")
        self.registry = registry if registry is not None else Registry()
        self.grace = grace
        self.mode: Mode = mode
        self._options = options
        self._given = engine
        self._engine: TaskEngine | None = None
        self._opening: asyncio.Task[TaskEngine] | None = None
        self._closed = False
        self._pid = 0
        self._hooks: list[Hook] = []
        self._runner = Runner(self.registry, self._results, self._report, self._hooks)
        self._workers: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[Any]] = set()
        self._reports: dict[str, tuple[float | None, str | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- registration

    def task(
        self,
        name: str | None = None,
        category: str = "default",
        *,
        max_retries: int = 3,
        timeout: float | None = DEFAULT_TIMEOUT,
        backoff: Backoff | float | None = None,
        unique: bool | Callable[..., str] = False,
        cron: str | None = None,
        timezone: str = "UTC",
        concurrency: int | None = None,
        rate: int | None = None,
        per: float = 1.0,
        result_ttl: float = 86_400.0,
        max_crashes: int = 3,
    ) -> Callable[[F], F]:
        """Register a function, sync or async, as a task; it stays callable.

        `name` defaults to the function's. After a failure it is tried again `max_retries` times, waiting as
        `backoff` says (a `Backoff`, or a constant number of seconds). `timeout` is in seconds for one run (None: no
        limit). With `unique`, no second task with the same arguments (or the same text that a function makes of
        them) is added while one is not final. `cron` adds it without arguments at those times. `concurrency` limits
        how many run at once, `rate` how many start within `per` seconds. The result is kept for `result_ttl`
        seconds. A task that ended its worker `max_crashes` times is a dead letter.
        """

        def register(function: F) -> F:
            limit = Limit(concurrency, rate, per) if concurrency is not None or rate is not None else None
            label = name if name is not None else function.__name__
            definition = TaskDefinition(
                function, label, category, max_retries, timeout, backoff, unique, limit, result_ttl, max_crashes
            )
            self.registry.add(definition)
            if cron is not None:
                definition.check({})
                self.schedule(label, cron, timezone=timezone)
            return function

        return register

    def schedule(
        self,
        task: str,
        expression: str,
        *,
        timezone: str = "UTC",
        args: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> CronEntry:
        """Add the task at the times of a cron expression, in an IANA time zone: each tick once in the whole fleet.

        The same `key` replaces an entry. Every process that opens the queue should register the same schedules.
        """
        if task in self.registry:
            self.registry[task].check(args or {})
        made = self.registry.schedule(task, expression, timezone, args or {}, key)
        if self._engine is not None:
            self._spawn(self._engine.schedules(list(self.registry.schedules.values())))
        return made

    def limit(
        self, category: str, *, concurrency: int | None = None, rate: int | None = None, per: float = 1.0
    ) -> None:
        """Limit a category in the whole fleet (`Cap.LIMITS`); call it before `start_workers`."""
        self.registry.category_limits[category] = Limit(concurrency, rate, per)

    def add_hook(self, hook: Hook) -> None:
        """Join in logging, tracing or metrics."""
        self._hooks.append(hook)

    @property
    def counters(self) -> Mapping[tuple[str, str], int]:
        """Runs that ended in this process by `(category, outcome)`; outcomes are done, retry, dead and cancelled."""
        return self._runner.counters

    # -- life

    async def open(self) -> None:
        """Open the store for this process and event loop; a second call does nothing.

        Raises what makes that impossible.
        """
        self._closed = False
        await self._ready()

    async def close(self, grace: float | None = None) -> None:
        """Stop taking tasks, let running ones finish for `grace` seconds, give back the others, and close the store."""
        self._closed = True
        engine, self._engine = self._engine, None
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if engine is None or self._pid != os.getpid():
            return
        await self._flush_reports(engine)
        try:
            await engine.close(self.grace if grace is None else grace)
        finally:
            leftover = [*self._workers, *self._background]
            self._workers.clear()
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """True if this process has the store open."""
        return self._engine is not None and self._pid == os.getpid()

    @property
    def caps(self) -> frozenset[Cap]:
        """What the engine can do (once open)."""
        return self._engine.caps if self._engine is not None else frozenset()

    async def _ready(self) -> TaskEngine:
        if self._engine is not None:
            if self._pid != os.getpid():
                raise TaskStoreClosed(
                    "this task queue was opened before a fork; it may be made before, but must be opened in the child"
                )
            return self._engine
        if self._closed:
            raise TaskStoreClosed("this task queue is closed; open() opens it again")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        finally:
            if opening.done() and self._opening is opening:
                self._opening = None

    async def _open(self) -> TaskEngine:
        engine = self._given or engine_for(self.target, self._fire, dict(self._options))
        self._loop = asyncio.get_running_loop()
        await engine.open(self.registry)
        self._engine, self._pid = engine, os.getpid()
        if self.registry.schedules and self.mode == "normal":
            await engine.schedules(list(self.registry.schedules.values()))
        return engine

    async def start_workers(self, category: str = "default", worker_count: int = 1) -> None:
        """Run tasks of a category in this process, `worker_count` at once (added to what was started before)."""
        if worker_count < 1:
            raise InvalidTask(f"worker_count={worker_count} for {category!r}: at least 1")
        engine = await self._ready()
        if self.mode != "normal":
            return
        self._workers.append(asyncio.create_task(self._work(engine, category, worker_count), name=f"tasks {category}"))
        await asyncio.sleep(0)

    async def _work(self, engine: TaskEngine, category: str, count: int) -> None:
        pause = 0.1
        while True:
            try:
                await engine.run(category, count, self._runner)
            except TaskStoreUnavailable as error:
                log.warning("workers of %s wait for the store: %s", category, error)
            except Exception:
                log.exception("workers of %s failed and start again in %.1f s", category, pause)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    # -- adding

    def call(
        self,
        name: str,
        /,
        *,
        args: Mapping[str, Any] | None = None,
        category: str | None = None,
        priority: int = TaskPriority.NORMAL,
        max_retries: int | None = None,
        delay: Delay = None,
        run_at: datetime | float | None = None,
        unique_key: str | None = None,
        idempotency_key: str | None = None,
        always: bool = False,
        into: str | None = None,
        **kwargs: Any,
    ) -> Call:
        """A call for `add_many`, `chain` and `gather`; the options are those of `add`.

        In a chain or as `then` of a group, `into` names the parameter that takes the result before it (a list for a
        group), and with `always` it runs although something before it failed.
        """
        spec = make_spec(
            self.registry, name, args, kwargs, category, priority, max_retries, delay, run_at, unique_key,
            idempotency_key, always, into,
        )  # fmt: skip
        return Call(spec)

    async def add(
        self,
        name: str,
        /,
        *,
        args: Mapping[str, Any] | None = None,
        category: str | None = None,
        priority: int = TaskPriority.NORMAL,
        max_retries: int | None = None,
        delay: Delay = None,
        run_at: datetime | float | None = None,
        unique_key: str | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
        **kwargs: Any,
    ) -> str:
        """Add a task and return its id once it is durable.

        The keyword arguments are the task's; one that shares its name with an option goes through `args={…}`.
        `category` and `max_retries` default to what it was registered with. It starts at once, `delay` seconds (or a
        timedelta) from now, or at `run_at` (an aware datetime or seconds since the epoch). `unique_key`: while a
        task of this name with that key is not final, its id is returned instead. `idempotency_key`: the same key
        always gives the same task. `connection` (PostgreSQL): an asyncpg connection whose transaction the task
        belongs to.

        Raises `UnknownTask` (no such name registered, and no `category` given), `InvalidTask` (arguments that do not
        fit), `TaskStoreUnavailable` (nothing was acknowledged).
        """
        spec = make_spec(
            self.registry,
            name,
            args,
            kwargs,
            category,
            priority,
            max_retries,
            delay,
            run_at,
            unique_key,
            idempotency_key,
        )
        return (await self._add((spec,), connection))[0]

    enqueue = add

    async def add_many(self, calls: Iterable[Call | Chain], *, connection: Any = None) -> list[str]:
        """Add all of them or none, in one go; the id of each (of a chain: of its last task)."""
        specs: list[TaskSpec] = []
        last: list[int] = []
        for item in calls:
            specs.extend(item.specs() if isinstance(item, Chain) else (item.spec,))
            last.append(len(specs) - 1)
        if not specs:
            return []
        ids = await self._add(specs, connection)
        return [ids[index] for index in last]

    async def chain(self, *calls: Call, connection: Any = None) -> list[str]:
        """Run tasks one after the other; their ids in order."""
        return await self._add(Chain(calls).specs(), connection) if calls else []

    async def gather(self, *calls: Call, then: Call | None = None, connection: Any = None) -> Group:
        """Run tasks side by side,.

        `then` once all of them are final (if one did not succeed, only with `always`).
        """
        if then is None:
            return Group(await self.add_many(calls, connection=connection))
        ids = await self._add(gathered(list(calls), then), connection)
        return Group(ids[:-1], ids[-1])

    async def _add(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[str]:
        engine = self._engine
        if engine is None or self._pid != os.getpid():
            engine = await self._ready()
        for hook in self._hooks:
            for spec in specs:
                spec.headers = dict(spec.headers)
                _guarded(hook.inject, spec.headers)
        answers = await engine.enqueue(specs, connection)
        for hook in self._hooks:
            for spec, answer in zip(specs, answers, strict=True):
                _guarded(hook.added, spec, answer.created)
        if self.mode == "eager":
            await self.drain()
        return [answer.id for answer in answers]

    async def _fire(self, entry: CronEntry, tick: float) -> None:
        try:
            id_ = derived_id("cron", entry.key, f"{tick:.0f}")
            category = None if entry.task in self.registry else "default"
            spec = make_spec(
                self.registry,
                entry.task,
                entry.args,
                {},
                category,
                TaskPriority.NORMAL,
                None,
                None,
                None,
                None,
                None,
                id=id_,
            )
            spec.headers = {"cron": entry.key}
            await self._add((spec,))
        except TaskError as error:
            log.error("cron %s: the tick could not be added: %s", entry.key, error)

    # -- asking

    async def get_task_status(self, id: str) -> str | None:  # noqa: A002 - the field's own name
        """Its status, one of the values of `TaskStatus`; None for an unknown id."""
        info = await self.get_task(id)
        return None if info is None else info.status.value

    async def get_task(self, id: str) -> TaskInfo | None:  # noqa: A002
        """All that is known about it, or None."""
        return (await (await self._ready()).status([str(id)]))[0]

    async def get_tasks(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """The same for many."""
        return await (await self._ready()).status(list(ids))

    async def wait(self, id: str, timeout: float | None = None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """Wait until it is final.

        None for an unknown id, `TimeoutError` if that takes longer than `timeout` seconds.
        """
        info = await (await self._ready()).wait(id, timeout)
        if info is not None and info.status not in FINAL:
            raise TimeoutError(f"task {id} is {info.status.value} after {timeout} s")
        return info

    async def result(self, id: str, timeout: float | None = None) -> Any:  # noqa: A002, ASYNC109
        """Wait, and give what it returned; `TaskFailed` if it failed or was cancelled, or is not known."""
        info = await self.wait(id, timeout)
        if info is None or info.status is not TaskStatus.SUCCEEDED:
            state = "unknown" if info is None else f"{info.status.value}: {info.error}"
            raise TaskFailed(f"task {id} is {state}")
        return info.result

    async def cancel(self, ids: str | Iterable[str]) -> int:
        """Cancel tasks: those that wait at once, those that run are asked to stop. The number reached."""
        return await (await self._ready()).cancel(_ids(ids))

    async def retry(self, ids: str | Iterable[str]) -> int:
        """Run retrying and delayed tasks now, and failed or cancelled ones again. The number reached."""
        return await (await self._ready()).requeue(_ids(ids))

    async def requeue(self, ids: str | Iterable[str] | None = None, *, category: str | None = None) -> int:
        """Make dead letters pending again: those named, or all (of a category)."""
        engine = await self._ready()
        if ids is not None:
            return await engine.requeue(_ids(ids))
        dead: list[str] = []
        cursor: str | None = None
        while True:
            found, cursor = await engine.query(Filter(status=TaskStatus.FAILED, category=category, limit=1000), cursor)
            dead += [info.id for info in found]
            if cursor is None:
                break
        return sum([await engine.requeue(dead[at : at + _MAX_IDS]) for at in range(0, len(dead), _MAX_IDS)])

    async def progress(self, id: str, value: float | None = None, note: str | None = None) -> None:  # noqa: A002
        """Note how far a running task is; inside of one, `current_task().progress()` does the same without waiting."""
        await (await self._ready()).progress(id, value, note)

    async def query(
        self,
        *,
        status: TaskStatus | str | None = None,
        category: str | None = None,
        name: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[TaskInfo], str | None]:
        """One page of tasks, newest first, and the cursor of the next page (None at the end)."""
        if not 1 <= limit <= 1000:
            raise InvalidTask(f"limit={limit} must be from 1 to 1000")
        wanted = None if status is None else TaskStatus(status)
        return await (await self._ready()).query(
            Filter(status=wanted, category=category, name=name, limit=limit), cursor
        )

    async def stats(self) -> dict[str, dict[str, int]]:
        """Number of tasks by category and status."""
        return await (await self._ready()).stats()

    async def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of one SELECT over the table `tasks`, the whole history (`Cap.SQL`).

        Columns: id, name, category, status, priority, attempt, added_at, started_at, finished_at (seconds since the
        epoch), error, result, args (JSON), worker.
        """
        names, rows = await (await self._ready()).sql(statement, parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def drain(self) -> int:
        """Run what is ready now, in this process, and whatever becomes ready by it; for tests. The number of runs."""
        engine = await self._ready()
        before = sum(self._runner.counters.values())
        served: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                stats = await engine.stats()
                for category, counts in stats.items():
                    if counts.get("pending") and category not in served:
                        served[category] = asyncio.create_task(engine.run(category, 1, self._runner))
                if not any(counts.get("pending") or counts.get("running") for counts in stats.values()):
                    return sum(self._runner.counters.values()) - before
                await asyncio.sleep(0.0005)
        finally:
            for task in served.values():
                task.cancel()
            await asyncio.gather(*served.values(), return_exceptions=True)

    # -- for the runner

    async def _results(self, ids: tuple[str, ...]) -> list[TaskInfo | None]:
        return await (await self._ready()).status(list(ids))

    def _report(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._note, id, value, note)

    def _note(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        idle = not self._reports
        old = self._reports.get(id, (None, None))
        self._reports[id] = (old[0] if value is None else value, old[1] if note is None else note)
        if idle and self._engine is not None:
            self._spawn(self._flush_reports(self._engine))

    async def _flush_reports(self, engine: TaskEngine) -> None:
        # However often a task reports, what waits here is one report for each running task.
        reports = dict(self._reports)
        for id_, (value, note) in reports.items():
            try:
                await engine.progress(id_, value, note)
            except TaskStoreUnavailable:
                log.debug("progress of %s could not be stored", id_)
        again = {id_: report for id_, report in self._reports.items() if reports.get(id_) != report}
        self._reports.clear()
        for id_, (value, note) in again.items():
            self._note(id_, value, note)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _ids(ids: str | Iterable[str]) -> list[str]:
    return [ids] if isinstance(ids, str) else list(ids)


def _guarded(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except Exception:
        log.exception("a task hook failed")
