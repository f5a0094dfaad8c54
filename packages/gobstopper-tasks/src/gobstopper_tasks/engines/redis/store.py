"""Tasks in Redis: streaq's streams carry the tickets, hashes everything else, changed by one script."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import redis.asyncio as redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ...engine import Filter
from ...errors import InvalidTask, TaskStoreUnavailable, Unsupported
from ...task import JSON, Claim, Enqueued, Outcome, Retry, TaskInfo, TaskSpec
from .._store import Begun, Limits, begun, ending, info_of
from .script import SCRIPT

log = logging.getLogger("gobstopper.tasks")

Ticket = tuple[str, int, str, int, str]
_NUMBERS = ("due", "started_at", "finished_at", "progress")
_PAGE = 200
_CONNECTIONS = 16


class RedisStore:
    """See `Store`. `publish` gives tickets to streaq; `retention` is in seconds."""

    def __init__(
        self,
        url: str,
        prefix: str,
        retention: float,
        timeout: float,
        publish: Callable[[list[Ticket]], Awaitable[None]],
    ) -> None:
        self.prefix = prefix
        self._retention = retention
        self._publish = publish
        # However many callers ask at once, they share a few connections.
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=max(timeout, 5.0),
                decode_responses=True,
                socket_connect_timeout=timeout,
                socket_timeout=max(timeout, 5.0),
            )
            int(urlsplit(url).path.strip("/") or 0)  # redis-py takes a name for number 0
        except ValueError as error:
            raise InvalidTask(f"tasks='redis://…' is no URL of a Redis database: {error}") from error
        self.client = redis.Redis.from_pool(pool)
        self._sha = ""

    async def open(self) -> None:
        """Connect."""
        await self._script("overdue", age=1e12)

    async def close(self) -> None:
        """Disconnect."""
        await self.client.aclose()

    async def _call(self, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except (RedisConnectionError, OSError, TimeoutError) as error:
            raise TaskStoreUnavailable(f"Redis cannot be reached: {error}") from error
        except ResponseError as error:
            raise TaskStoreUnavailable(f"Redis refuses: {error}") from error
        except RedisError as error:
            raise TaskStoreUnavailable(f"Redis cannot be used now: {error}") from error

    async def _script(self, operation: str, **data: Any) -> Any:
        arguments = (self.prefix, operation, repr(time.time()), JSON.encode(data))
        try:
            if not self._sha:
                self._sha = await self._call(self.client.script_load(SCRIPT))
            text = await self._evaluate(arguments)
        except NoScriptError:  # the server was restarted
            self._sha = await self._call(self.client.script_load(SCRIPT))
            text = await self._evaluate(arguments)
        return msgspec.json.decode(text) if isinstance(text, str) else text

    async def _evaluate(self, arguments: tuple[Any, ...]) -> Any:
        work: Any = self.client.evalsha(self._sha, 0, *arguments)
        try:
            return await work
        except NoScriptError:
            raise
        except BaseException as error:
            if isinstance(error, (RedisError, OSError, TimeoutError)):
                raise TaskStoreUnavailable(f"Redis cannot be used now: {error}") from error
            raise

    async def _release(self, tickets: Any) -> None:
        # An empty Lua table is an object in JSON. What is not published now stays in the outbox.
        if tickets:
            await self._publish([tuple(ticket) for ticket in tickets])
            names = [f"{ticket[0]}/{ticket[1]}" for ticket in tickets]
            await self._call(self.client.zrem(f"{self.prefix}outbox", *names))

    async def _release_now_or_later(self, tickets: Any) -> None:
        try:
            await self._release(tickets)
        except TaskStoreUnavailable as error:
            log.warning("tasks are stored, but published only when Redis is back: %s", error)

    # -- Store

    async def add(self, specs: Sequence[TaskSpec], connection: Any) -> list[Enqueued]:
        """See `Store`."""
        if connection is not None:
            raise Unsupported("connection= needs a PostgreSQL queue; this one is Redis")
        rows = [
            {
                "id": spec.id, "name": spec.name, "category": spec.category, "priority": spec.priority,
                "due": repr(spec.due),
                "unique": spec.unique_key, "idempotent": spec.idempotency_key, "after": spec.after,
                "always": spec.always,
                "text": JSON.encode(spec).decode(),
            }
            for spec in specs
        ]  # fmt: skip
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
        answers, tickets = await self._script("add", specs=rows)
        await self._release_now_or_later(tickets)
        return [Enqueued(id_, created=bool(created)) for id_, created in answers]

    async def begin(self, id: str, number: int, session: str, limits: Limits) -> Begun:  # noqa: A002 - the field's own name
        """See `Store`."""
        answer = await self._script("begin", id=id, number=number, session=session, limits=limits)
        await self._release_now_or_later(answer.get("released"))
        if answer["state"] != "run":
            return Begun()
        return begun(answer["spec"], number, answer["attempt"], answer["crashes"], cancelled=answer["cancelled"])

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """See `Store`."""
        data: dict[str, Any] = {"id": claim.spec.id, "number": claim.number}
        if isinstance(outcome, Retry):
            due = repr(time.time() + outcome.delay) if outcome.delay else "0"
            data |= {"due": due, "counted": outcome.counted, "error": outcome.error or False}
            await self._release(await self._script("again", **data))
            return
        status, result, error = ending(outcome)
        data |= {"status": status.value, "result": result or False, "error": error or False}
        data["until"] = repr(time.time() + claim.spec.result_ttl)
        await self._release(await self._script("finish", **data))

    async def unpark(self, scopes: Sequence[str], limits: Limits) -> None:
        """See `Store`."""
        await self._release(await self._script("unpark", scopes=scopes, limits=limits))

    async def sweep(self, limits: Limits) -> None:
        """See `Store`."""
        await self._release(await self._script("unpark", limits=limits))

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `Store`."""
        pipe = self.client.pipeline(transaction=False)
        for id_ in ids:
            pipe.hgetall(f"{self.prefix}task:{id_}")
        now = time.time()
        rows = await self._call(pipe.execute())
        return [info_of(columns_of(row), now) if row else None for row in rows]

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `Store`."""
        reached, tickets = await self._script("cancel", ids=list(ids))
        await self._release(tickets)
        return int(reached)

    async def cancelling(self, ids: Sequence[str]) -> list[str]:
        """See `Store`."""
        pipe = self.client.pipeline(transaction=False)
        for id_ in ids:
            pipe.hget(f"{self.prefix}task:{id_}", "cancelling")
        return [id_ for id_, asked in zip(ids, await self._call(pipe.execute()), strict=True) if asked == "1"]

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `Store`."""
        tickets = await self._script("requeue", ids=list(dict.fromkeys(ids)))
        await self._release(tickets)
        return len(tickets)

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `Store`."""
        key = f"{self.prefix}task:{id}"
        fields: dict[Any, Any] = {
            name: str(given) for name, given in (("progress", value), ("note", note)) if given is not None
        }
        if fields and await self._call(self.client.exists(key)):
            work: Any = self.client.hset(key, mapping=fields)
            await self._call(work)

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `Store`. Reads from the newest on until the page is full: a rare kind takes a walk through all."""
        found: list[TaskInfo] = []
        top = f"({cursor}" if cursor is not None else "+"
        while len(found) <= filter.limit:
            ids = await self._call(self.client.zrevrangebylex(f"{self.prefix}index", top, "-", 0, _PAGE))
            if not ids:
                break
            top = f"({ids[-1]}"
            infos = await self.status(ids)
            found.extend(info for info in infos if info is not None and _matches(info, filter))
        page = found[: filter.limit]
        return page, page[-1].id if len(found) > filter.limit else None

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `Store`."""
        work: Any = self.client.hgetall(f"{self.prefix}stats")
        counts = await self._call(work)
        table: dict[str, dict[str, int]] = {}
        for name, count in sorted(counts.items()):
            category, _, status = name.rpartition("\n")
            if int(count):
                table.setdefault(category, {})[status] = int(count)
        return table

    async def republish(self) -> None:
        """Publish what a process left unpublished when it ended."""
        await self._release(await self._script("overdue", age=5))

    async def clean(self) -> None:
        """See `Store`."""
        while await self._script("clean", retention=self._retention) == 1000:
            pass


def _matches(info: TaskInfo, wanted: Filter) -> bool:
    pairs = ((wanted.status, info.status), (wanted.category, info.category), (wanted.name, info.name))
    return all(want is None or want == have for want, have in pairs)


def columns_of(row: dict[str, str]) -> dict[str, Any]:
    """A hash with the types that its fields have elsewhere."""
    numbers = {name: float(row[name]) if name in row else None for name in _NUMBERS}
    texts = {name: row.get(name) or None for name in ("result", "error", "note", "worker")}
    counts = {name: int(row[name]) for name in ("attempt", "crashes")}
    return {"spec": row["spec"], "status": row["status"], **numbers, **texts, **counts}
