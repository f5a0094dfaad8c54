"""Asking about tasks, and asking something of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._opening import Opening
from ._text import storable
from .engine import Filter
from .errors import InvalidTask, TaskFailed
from .task import FINAL, TaskInfo, TaskStatus

_MAX_IDS = 10_000


class Asking(Opening):
    """Statuses, results, pages, counts, history; cancelling and running again."""

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
        await (await self._ready()).progress(id, value, None if note is None else storable(note))

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
        try:
            wanted = None if status is None else TaskStatus(status)
        except ValueError:
            known = ", ".join(TaskStatus)
            raise InvalidTask(f"status={status!r} is not a TaskStatus; it is one of {known}") from None
        engine = await self._ready()
        return await engine.query(Filter(status=wanted, category=category, name=name, limit=limit), cursor)

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


def _ids(ids: str | Iterable[str]) -> list[str]:
    return [ids] if isinstance(ids, str) else list(ids)
