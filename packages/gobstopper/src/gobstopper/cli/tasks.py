"""`gobstopper tasks`: the background tasks of an application, from outside of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..context import set_app
from .loading import load_app

if TYPE_CHECKING:
    from gobstopper_tasks import TaskQueue

__all__ = ["tasks"]


@click.group()
@click.option("--app", "target", default="app:app", show_default=True, metavar="MODULE:ATTRIBUTE")
@click.option("--factory", is_flag=True, help="MODULE:ATTRIBUTE is a function that makes the application.")
@click.pass_context
def tasks(context: click.Context, target: str, *, factory: bool) -> None:
    """Look at an application's background tasks, and work on them, from outside of it."""
    app = load_app(target, factory=factory)
    set_app(app)
    context.obj = app


@tasks.command("list")
@click.option("--status", help="pending, scheduled, running, retrying, succeeded, failed or cancelled.")
@click.option("--category")
@click.option("--name")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--watch", is_flag=True, help="Show it again every second.")
@click.pass_obj
def list_(app: Any, status: str | None, category: str | None, name: str | None, limit: int, *, watch: bool) -> None:
    """The newest tasks."""
    from gobstopper_tasks import cli

    options: dict[str, Any] = {"status": status, "category": category, "name": name, "limit": limit}
    _run(app, lambda queue: _shown(partial(cli.list_tasks, queue, **options), watch=watch))


@tasks.command()
@click.argument("task_id")
@click.pass_obj
def show(app: Any, task_id: str) -> None:
    """All that is known about one task."""
    from gobstopper_tasks import cli

    _run(app, lambda queue: cli.show(queue, task_id, out=click.echo))


@tasks.command()
@click.option("--watch", is_flag=True, help="Show it again every second.")
@click.pass_obj
def stats(app: Any, *, watch: bool) -> None:
    """How many tasks there are, by category and status."""
    from gobstopper_tasks import cli

    _run(app, lambda queue: _shown(partial(cli.stats, queue), watch=watch))


@tasks.command()
@click.argument("task_ids", nargs=-1)
@click.pass_obj
def retry(app: Any, task_ids: tuple[str, ...]) -> None:
    """Run tasks again; without ids, every dead letter."""
    from gobstopper_tasks import cli

    _run(app, lambda queue: cli.retry(queue, task_ids, out=click.echo))


@tasks.command()
@click.argument("task_ids", nargs=-1, required=True)
@click.pass_obj
def cancel(app: Any, task_ids: tuple[str, ...]) -> None:
    """Stop tasks, waiting or running."""
    from gobstopper_tasks import cli

    _run(app, lambda queue: cli.cancel(queue, task_ids, out=click.echo))


@tasks.command()
@click.argument("categories", nargs=-1)
@click.option("--count", default=4, show_default=True, type=click.IntRange(min=1), help="At once, for each category.")
@click.option("--grace", type=float, help="Seconds that running tasks may finish in when it stops.")
@click.option("--live", is_flag=True, help="Show what runs.")
@click.pass_obj
def worker(app: Any, categories: tuple[str, ...], count: int, grace: float | None, *, live: bool) -> None:
    """Run tasks until Ctrl-C or SIGTERM; without categories, those of every registered task."""
    from gobstopper_tasks import cli

    _run(app, lambda queue: cli.work(queue, categories, count, grace=grace, live=live, out=click.echo), begins=True)


@tasks.command()
@click.pass_obj
def recover(app: Any) -> None:
    """Check the journal of a DuckDB queue, repair it from copies if it is damaged, and say what was lost."""
    from gobstopper_tasks import TaskError, cli

    try:
        sys.exit(cli.recover(app.task_queue.target, out=click.echo))
    except TaskError as error:
        raise click.ClickException(str(error)) from None


async def _shown(show: Callable[..., Awaitable[int]], *, watch: bool) -> int:
    from gobstopper_tasks import cli

    if not watch:
        return await show(out=click.echo)
    return await cli.watch(lambda: show(out=click.echo), out=partial(click.echo, nl=False))


def _run(app: Any, command: Callable[[TaskQueue], Awaitable[int]], *, begins: bool = False) -> None:
    """Run a command on the open queue; only one that `begins` work may make a queue that is not there."""
    from gobstopper_tasks import TaskError, cli

    async def run() -> int:
        queue = app.task_queue
        if not begins:
            cli.check_there(queue.target)
        await queue.open()
        try:
            return await command(queue)
        finally:
            await queue.close()

    try:
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(asyncio.run(run()))
    except TaskError as error:
        raise click.ClickException(str(error)) from None
