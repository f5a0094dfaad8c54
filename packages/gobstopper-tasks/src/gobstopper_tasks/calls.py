"""A call of a task that is not made yet: what `add_many`, `chain` and `gather` take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ._text import checked, checked_name, key_of, storable
from .errors import InvalidTask
from .ids import task_id
from .registry import Registry, TaskDefinition, check_into
from .task import JSON, TaskPriority, TaskSpec

Delay = float | timedelta | None

MOST_BYTES = 16 << 20  # of a task's arguments as JSON
_PRIORITIES = frozenset(TaskPriority)


class Call(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One task to be, made by `TaskQueue.call`."""

    spec: TaskSpec

    @property
    def id(self) -> str:
        """The id that the task will have."""
        return self.spec.id

    def then(self, following: Call | Chain) -> Chain:
        """A chain: `following` runs once this one has succeeded."""
        return Chain((self,)).then(following)


class Chain:
    """Calls that run one after the other.

    If one fails, those after it are cancelled (unless made with `always=True`).
    """

    __slots__ = ("calls",)

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self.calls = calls

    def then(self, following: Call | Chain) -> Chain:
        """The same with one more link."""
        return Chain(self.calls + (following.calls if isinstance(following, Chain) else (following,)))

    def specs(self) -> list[TaskSpec]:
        """The specs, each after the one before it."""
        linked: list[TaskSpec] = []
        for call in self.calls:
            plain(call.spec, "a chain", follows=bool(linked))
            after = (linked[-1].id,) if linked else call.spec.after
            linked.append(msgspec.structs.replace(call.spec, after=after))
        return linked


class Group(msgspec.Struct, frozen=True):
    """The ids of a `gather`: its members, and the task that runs after all of them (or None)."""

    members: list[str]
    then: str | None = None


def gathered(members: list[Call], then: Call) -> list[TaskSpec]:
    """The specs of a group, the last one after all the others."""
    for call in members:
        plain(call.spec, "a group")
    plain(then.spec, "a group", follows=True)
    specs = [call.spec for call in members]
    after = tuple(spec.id for spec in specs)
    return [*specs, msgspec.structs.replace(then.spec, after=after, gathered=True)]


def plain(spec: TaskSpec, where: str, *, follows: bool = False) -> None:
    """Refuse keys in linked tasks: what comes after an id could wait for a task that is never made.

    One that `follows` starts when the others are done, and has no time of its own.
    """
    if spec.unique_key is not None or spec.idempotency_key is not None:
        raise InvalidTask(f"task {spec.name!r}: a task in {where} cannot have a unique_key or an idempotency_key")
    if follows and spec.due:
        raise InvalidTask(
            f"task {spec.name!r}: what comes after others in {where} starts when they are done; it cannot have a delay "
            "or run_at"
        )


class Options(msgspec.Struct, gc=False):
    """How a task is to be run; see `TaskQueue.add` for what the fields mean. `id` is given only to what is derived."""

    category: str | None = None
    priority: int = TaskPriority.NORMAL
    max_retries: int | None = None
    delay: Delay = None
    run_at: datetime | float | None = None
    unique_key: str | None = None
    idempotency_key: str | None = None
    always: bool = False
    into: str | None = None
    id: str | None = None


def make_spec(
    registry: Registry, name: str, args: Mapping[str, Any] | None, kwargs: dict[str, Any], options: Options
) -> TaskSpec:
    """A checked spec; raises `InvalidTask` or `UnknownTask`."""
    values = {**args, **kwargs} if args else kwargs
    if args and len(values) != len(args) + len(kwargs):
        twice = ", ".join(sorted(args.keys() & kwargs.keys()))
        raise InvalidTask(f"task {name!r}: {twice} is given twice, in args and by name")
    definition = registry.tasks.get(name)
    unique_key = options.unique_key
    if unique_key is not None:
        checked(name, "unique_key", unique_key)
    if options.idempotency_key is not None:
        checked(name, "idempotency_key", options.idempotency_key)
    if options.category is not None:
        checked_name(name, "category", options.category)
    if definition is None:
        if options.category is None:
            definition = registry[name]  # raises, naming near ones
        definition = _unregistered(checked_name(name, "its name", name))
    else:
        if options.into is not None:
            check_into(options.into)
        definition.check(values, options.into)
        if unique_key is None and definition.unique:
            unique_key = unique_text(definition.unique, values)
    delay, run_at, now = options.delay, options.run_at, time.time()
    due, relative = (0.0, False) if delay is None and run_at is None else when(name, delay, run_at, now)
    try:
        encoded = JSON.encode(values)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidTask(f"task {name!r}: its arguments cannot be stored as JSON: {error}") from error
    if len(encoded) > MOST_BYTES:
        raise InvalidTask(
            f"task {name!r}: its arguments are {len(encoded):,} bytes of JSON, more than {MOST_BYTES:,}: store them "
            "elsewhere, and pass where they are"
        )
    priority, max_retries = options.priority, options.max_retries
    if priority not in _PRIORITIES:
        raise InvalidTask(f"task {name!r}: priority={priority!r} is not a TaskPriority (0 to 3)")
    if max_retries is not None and max_retries < 0:
        raise InvalidTask(f"task {name!r}: max_retries={max_retries} must be 0 or more")
    return TaskSpec(
        id=options.id or task_id(),
        name=name,
        category=options.category or definition.category,
        args=msgspec.Raw(encoded),
        priority=int(priority),
        max_retries=definition.max_retries if max_retries is None else max_retries,
        added_at=now,
        due=due,
        relative=relative,
        unique_key=unique_key,
        idempotency_key=options.idempotency_key,
        always=options.always,
        into=options.into,
        result_ttl=definition.result_ttl,
    )


def when(name: str, delay: Delay, run_at: datetime | float | None, now: float) -> tuple[float, bool]:
    """`(due, relative)` of a delay in seconds or a point in time."""
    if delay is not None and run_at is not None:
        raise InvalidTask(f"task {name!r}: give delay or run_at, not both")
    if delay is not None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        if not math.isfinite(seconds):
            raise InvalidTask(f"task {name!r}: delay={delay!r} is not a number of seconds")
        return (now + seconds, True) if seconds > 0 else (0.0, False)
    if isinstance(run_at, datetime):
        if run_at.tzinfo is None:
            raise InvalidTask(
                f"task {name!r}: run_at={run_at!r} has no time zone; write datetime.now(UTC) or add tzinfo="
            )
        return run_at.timestamp(), False
    moment = float(run_at or 0)
    if not math.isfinite(moment):
        raise InvalidTask(f"task {name!r}: run_at={run_at!r} is no point in time")
    return moment, False


def unique_text(unique: bool | Callable[..., str], values: dict[str, Any]) -> str:
    """The key of `@task(unique=…)`: all arguments, or what the function makes of them."""
    if callable(unique):
        return key_of(storable(str(unique(**values))))
    return key_of(msgspec.json.encode(values, order="sorted").decode())


def _unregistered(name: str) -> TaskDefinition:
    # A producer that does not know the function: the defaults of @task, and the call is checked where it runs.
    def unknown(**kwargs: Any) -> None: ...

    return TaskDefinition(unknown, name, "default", 3, None, None, False, None, 86_400.0, 3)
