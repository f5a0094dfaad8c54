"""The pieces of `gobstopper tasks …`: coroutines that print tables. No command-line library is needed.

Each takes an open or openable `TaskQueue` and a function that prints (default `print`), and returns an exit status.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from .errors import InvalidTask, TaskStoreUnavailable
from .queue import TaskQueue
from .targets import duckdb_path, shown
from .task import TaskInfo, TaskStatus

Print = Callable[[str], None]

_CLEAR = "\x1b[H\x1b[2J"


def table(rows: Iterable[Sequence[object]], header: Sequence[str], width: int | None = None) -> str:
    """Columns as wide as they must be, cut at the edge of the terminal; control characters are escaped."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    limit = width if width is not None else shutil.get_terminal_size((120, 24)).columns
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(line if len(line) <= limit else line[: limit - 1] + "…" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else str(value)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def ago(moment: float | None, now: float) -> str:
    """A time as people say it: `3 s ago`, `in 5 min`."""
    if moment is None:
        return "-"
    seconds = abs(now - moment)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            text = f"{seconds / size:.0f} {unit}"
            break
    else:
        text = f"{seconds:.0f} s"
    return f"{text} ago" if moment <= now else f"in {text}"


def bar(value: float | None, size: int = 20) -> str:
    """A progress bar for 0 to 1."""
    if value is None:
        return ""
    full = round(max(0.0, min(1.0, value)) * size)
    return f"[{'#' * full}{'.' * (size - full)}] {max(0.0, min(1.0, value)):4.0%}"


def _row(info: TaskInfo, now: float) -> list[object]:
    what = info.error or " ".join(filter(None, (bar(info.progress, 10), info.note)))
    moment = info.finished_at or info.started_at or info.run_at or info.added_at
    tries = f"{info.attempt}/{info.max_retries + 1}"
    return [info.id, info.name, info.category, info.status.value, tries, ago(moment, now), what or ""]


_LIST = ("ID", "TASK", "CATEGORY", "STATUS", "TRY", "WHEN", "")


async def list_tasks(
    queue: TaskQueue,
    *,
    status: str | None = None,
    category: str | None = None,
    name: str | None = None,
    limit: int = 50,
    out: Print = print,
) -> int:
    """`list`: the newest tasks."""
    found, more = await queue.query(status=status, category=category, name=name, limit=limit)
    now = time.time()
    if not found:
        asked = {"status": status, "category": category, "name": name}
        what = ", ".join(f"{field} {_cell(value)}" for field, value in asked.items() if value is not None)
        out(f"no task in {shown(queue.target)}" + (f" has {what}" if what else ""))
        return 0
    out(table((_row(info, now) for info in found), _LIST))
    if more is not None:
        out(f"(the newest {len(found)}; --limit shows more)")
    return 0


async def show(queue: TaskQueue, id: str, *, out: Print = print) -> int:  # noqa: A002 - the field's own name
    """`show`: all that is known about one task."""
    info = await queue.get_task(id)
    if info is None:
        out(f"no task has the id {_cell(id)}")
        return 1
    now = time.time()
    times = {"added_at", "run_at", "started_at", "finished_at"}
    rows: list[tuple[str, object]] = []
    for field, value in msgspec.structs.asdict(info).items():
        if value is None:
            continue
        if field in times:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
            rows.append((field, f"{stamp} ({ago(value, now)})"))
        elif field in ("args", "result"):
            rows.append((field, msgspec.json.encode(value).decode()))
        else:
            rows.append((field, bar(value) if field == "progress" else value))
    out(table(rows, ("FIELD", "VALUE"), width=10_000))
    return 0


async def stats(queue: TaskQueue, *, out: Print = print) -> int:
    """`stats`: the number of tasks by category and status."""
    found = await queue.stats()
    statuses = [status.value for status in TaskStatus]
    rows = [[category, *(counts.get(status, 0) for status in statuses)] for category, counts in sorted(found.items())]
    out(table(rows, ("CATEGORY", *(status.upper() for status in statuses))))
    return 0


async def watch(
    show_once: Callable[[], object], seconds: float = 1.0, rounds: int | None = None, out: Print = print
) -> int:
    """Show again every so often, on a cleared screen, `rounds` times (None: until cancelled)."""
    count = 0
    while rounds is None or count < rounds:
        count += 1
        out(_CLEAR)
        shown = show_once()
        if asyncio.iscoroutine(shown):
            await shown
        if rounds is None or count < rounds:
            await asyncio.sleep(seconds)
    return 0


async def retry(queue: TaskQueue, ids: Sequence[str], *, out: Print = print) -> int:
    """`retry`: run failed, cancelled and waiting tasks now; without ids, every dead letter."""
    before = await queue.get_tasks(ids)
    reached = await (queue.retry(ids) if ids else queue.requeue())
    if not ids:
        out(f"{reached} {'dead letter' if reached == 1 else 'dead letters'} will run again")
        return 0
    out(f"{reached} of {_tasks(len(ids))} will run again")
    return await _unreached(queue, ids, reached, before, out)


async def cancel(queue: TaskQueue, ids: Sequence[str], *, out: Print = print) -> int:
    """`cancel`: stop tasks."""
    before = await queue.get_tasks(ids)
    reached = await queue.cancel(ids)
    out(f"{reached} of {_tasks(len(ids))} {'is' if len(ids) == 1 else 'are'} stopped, or asked to stop")
    return await _unreached(queue, ids, reached, before, out)


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


async def _unreached(
    queue: TaskQueue, ids: Sequence[str], reached: int, before: Sequence[TaskInfo | None], out: Print
) -> int:
    """Say why not all were reached; the exit status."""
    if reached == len(ids):
        return 0
    for id_, old, new in zip(ids, before, await queue.get_tasks(ids), strict=True):
        if old is None:
            out(f"no task has the id {_cell(id_)}")
        elif new is not None and new.status is old.status:
            out(f"{_cell(id_)} is {new.status.value}")
    return 0 if reached else 1


async def work(
    queue: TaskQueue,
    categories: Sequence[str],
    count: int = 4,
    *,
    grace: float | None = None,
    stop: asyncio.Event | None = None,
    live: bool = False,
    out: Print = print,
) -> int:
    """`worker`: run tasks until SIGTERM or SIGINT (or `stop`), `count` at once for each category.

    Without `categories`: all registered ones. `live` shows what runs, with progress, every second.
    """
    served = list(categories) or sorted({task.category for task in queue.registry.tasks.values()})
    if not served:
        out("no task is registered, and no category was named: there is nothing to work on")
        return 2
    if grace is not None and not grace >= 0:
        out(f"grace={grace:g}: the seconds that running tasks may finish in are 0 or more")
        return 2
    known = {task.category for task in queue.registry.tasks.values()}
    for category in served:
        if category not in known:
            out(f"no task is registered under the category {_cell(category)}: only what is added with it will run")
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
            loop.add_signal_handler(number, stop.set)
    try:
        await queue.open()
        for category in served:
            await queue.start_workers(category, count)
        out(f"working on {', '.join(served)}, {count} at once for each; stop with Ctrl-C")
        while live and not stop.is_set():
            out(_CLEAR)
            await stats(queue, out=out)
            await list_tasks(queue, status="running", out=out)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await stop.wait()
        await stop.wait()
        out("stopping: running tasks may finish")
        await queue.close(grace)
    finally:
        for number in signals:
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.remove_signal_handler(number)
    return 0


def check_there(target: str) -> None:
    """Refuse to look into a DuckDB queue that is not there: to open it would make it.

    Raises:
        InvalidTask: if its file does not exist.
    """
    if ("://" not in target or target.startswith("duckdb://")) and not Path(duckdb_path(target)).exists():
        raise InvalidTask(
            f"{duckdb_path(target)} does not exist: nothing was added yet, or this is not the folder that the "
            "application runs in"
        )


def recover(target: str, *, out: Print = print) -> int:
    """`recover`: check the journal of a DuckDB queue, repair it from copies if it is damaged, and say what was lost."""
    if "://" in target and not target.startswith("duckdb://"):
        raise InvalidTask("recover is for DuckDB queues; other stores have tools of their own")
    from .engines.duckdb.recover import recover as repair

    path = Path(duckdb_path(target))
    if _is_something_else(path):
        out(f"{path} is no DuckDB file: it is left as it is")
        return 1
    try:
        report = repair(path)
    except TaskStoreUnavailable as error:
        out(str(error))
        return 1
    if not report.damaged:
        out(f"{report.path} is sound: {report.rows_kept} rows")
        return 0
    unreadable = not (report.rows_kept or report.rows_lost or report.cut_entries)
    if unreadable:
        out(f"{report.path} was damaged, and nothing of it could be read: an empty one stands in its place.")
    else:
        out(f"{report.path} was damaged and is repaired.")
    lost = "all" if unreadable else report.rows_lost
    rows: list[tuple[str, object]] = [("kept rows", report.rows_kept), ("lost rows", lost)]
    if report.cut_at is not None:
        rows.append(("log damaged at byte", report.cut_at))
        rows.append(("cut from the log", f"{report.cut_bytes} bytes, {report.cut_entries} entries"))
    rows += [("damaged copy", copy) for copy in report.copies]
    rows += [("note", note) for note in report.notes]
    out(table(rows, ("WHAT", "VALUE"), width=10_000))
    return 1 if unreadable else 0


def _is_something_else(path: Path) -> bool:
    """True for a file that a task queue cannot have written, however damaged it is; repairing would replace it."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(12)
    # DuckDB writes whole blocks: three of 4 KiB as headers, then multiples of that.
    return (
        len(start) == 12
        and start[8:] != b"DUCK"
        and (path.stat().st_size < 3 * 4096 or path.stat().st_size % 4096 != 0)
    )
