"""Which functions are tasks, and with which options."""

from __future__ import annotations

import difflib
import inspect
import keyword
from collections.abc import Callable, Mapping
from typing import Any

from ._text import checked_name
from .cron import CronEntry, entry
from .errors import InvalidTask, UnknownTask
from .retry import Backoff, backoff

TaskFunction = Callable[..., Any]

DEFAULT_TIMEOUT = 3600.0


class Limit:
    """How many tasks may run at once, and how many may start within a period, in the whole fleet.

    `concurrency` and `rate` may be None (no limit). `rate` tasks start within `per` seconds: a token bucket that holds
    `rate` tokens.
    """

    __slots__ = ("concurrency", "per", "rate")

    def __init__(self, concurrency: int | None = None, rate: int | None = None, per: float = 1.0) -> None:
        if (concurrency is not None and concurrency < 1) or (rate is not None and rate < 1) or per <= 0:
            raise InvalidTask("a limit needs concurrency >= 1, rate >= 1 and per > 0 (seconds)")
        self.concurrency = concurrency
        self.rate = rate
        self.per = per


class TaskDefinition:
    """A registered task function with its options; see `TaskQueue.task` for what they mean."""

    __slots__ = (
        "accepts_any", "backoff", "category", "context", "crashes", "function", "is_async", "limit", "max_retries",
        "name",
        "parameters", "required", "result_ttl", "timeout", "unique",
    )  # fmt: skip

    def __init__(
        self,
        function: TaskFunction,
        name: str,
        category: str,
        max_retries: int,
        timeout: float | None,
        backoff_: Backoff | float | None,
        unique: bool | Callable[..., str],
        limit: Limit | None,
        result_ttl: float,
        crashes: int,
    ) -> None:
        checked_name(name, "its name", name)
        checked_name(name, "category", category)
        if max_retries < 0 or (timeout is not None and timeout <= 0) or result_ttl < 0 or crashes < 1:
            raise InvalidTask(
                f"task {name!r}: max_retries and result_ttl must be >= 0, timeout > 0 or None, max_crashes >= 1"
            )
        self.function = function
        self.name = name
        self.category = category
        self.max_retries = max_retries
        self.timeout = timeout
        self.backoff = backoff(backoff_)
        self.unique = unique
        self.limit = limit
        self.result_ttl = result_ttl
        self.crashes = crashes
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - its type is asked, not whether it can be called
        )
        self._read_signature()

    def _read_signature(self) -> None:
        signature = inspect.signature(self.function)
        self.accepts_any = False
        names: list[str] = []
        required: list[str] = []
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                self.accepts_any = True
            elif parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
                raise InvalidTask(
                    f"task {self.name!r}: parameter {parameter.name!r} of {self.place} is positional-only, but a task "
                    "is called with keyword arguments; remove the '/'"
                )
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                names.append(parameter.name)
                if parameter.default is parameter.empty:
                    required.append(parameter.name)
        self.parameters = frozenset(names)
        self.required = frozenset(required)

    @property
    def place(self) -> str:
        """`file:line` of the function, for messages."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.function)

    def check(self, args: Mapping[str, object], later: str | None = None) -> None:
        """Raise `InvalidTask` if the function cannot be called so; `later` is an argument filled in at its start."""
        given = args.keys() if later is None else args.keys() | {later}
        if self.required <= given and (self.accepts_any or given <= self.parameters):
            return
        missing = ", ".join(sorted(self.required - given))
        unknown = ", ".join(sorted(map(str, given - self.parameters))) if not self.accepts_any else ""
        what = "; ".join(filter(None, (missing and f"missing {missing}", unknown and f"unknown {unknown}")))
        raise InvalidTask(
            f"task {self.name!r} ({self.place}) cannot be called so: {what}. An argument that shares its name with an "
            "option of add() goes through args={…}"
        )


class Registry:
    """The tasks, limits and schedules of one queue, by name."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskDefinition] = {}
        self.category_limits: dict[str, Limit] = {}
        self.schedules: dict[str, CronEntry] = {}

    def add(self, definition: TaskDefinition) -> None:
        """Register; the same name for another function raises `InvalidTask`."""
        known = self.tasks.get(definition.name)
        if known is not None and known.place != definition.place:
            raise InvalidTask(
                f"task {definition.name!r} is registered twice: {known.place} and {definition.place}; rename one"
            )
        self.tasks[definition.name] = definition

    def schedule(self, task: str, expression: str, timezone: str, args: dict[str, Any], key: str | None) -> CronEntry:
        """Register a cron entry; the key (default: task name and expression) makes it replaceable."""
        made = entry(key or f"{task} {expression} {timezone}", task, expression, timezone, args)
        self.schedules[made.key] = made
        return made

    def __getitem__(self, name: str) -> TaskDefinition:
        try:
            return self.tasks[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.tasks, 3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise UnknownTask(f"no task is registered as {name!r}{hint}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.tasks


def limits_of(registry: Registry) -> dict[str, tuple[int | None, int | None, float]]:
    """Every limit by scope (`category:media`, `task:send_email`) as `(concurrency, rate, per)`."""
    scoped = {f"category:{name}": limit for name, limit in registry.category_limits.items()}
    scoped |= {f"task:{name}": task.limit for name, task in registry.tasks.items() if task.limit}
    return {scope: (limit.concurrency, limit.rate, limit.per) for scope, limit in scoped.items()}


def check_into(name: str) -> str:
    """A parameter name, or `InvalidTask`."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidTask(f"into={name!r} is not the name of a parameter")
    return name
