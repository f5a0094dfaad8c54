"""What a task is: the specification that is stored, its states, and what is told about it."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec

JSON = msgspec.json.Encoder()


class TaskPriority(IntEnum):
    """Strict: while a higher one is ready in a category, no lower one starts."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3

    __hash__ = int.__hash__  # the same as its value's, and not the enum module's, which is written in Python


class TaskStatus(StrEnum):
    """The states of a task. `failed` is a dead letter: it stays until it is requeued or its retention ends."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__  # as above: `"pending"` finds what is kept under `TaskStatus.PENDING`, and the other way

    @property
    def final(self) -> bool:
        """True if nothing happens to the task any more by itself."""
        return self in FINAL


FINAL = frozenset({TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED})


class TaskSpec(msgspec.Struct, omit_defaults=True, gc=False, kw_only=True):
    """One task as it is stored. Times are seconds since the epoch.

    `due` is when it may start (0: at once); `relative` says that it came from a delay, which a change of the clock must
    neither shorten nor lengthen while the process lives. `after` names the tasks to wait for; with `always` it runs
    although one of them failed; `into` is the parameter that takes their result (a list if `gathered`).
    """

    id: str
    name: str
    category: str = "default"
    args: msgspec.Raw = msgspec.Raw(b"{}")
    priority: int = TaskPriority.NORMAL
    max_retries: int = 3
    added_at: float = 0.0
    due: float = 0.0
    relative: bool = False
    unique_key: str | None = None
    idempotency_key: str | None = None
    after: tuple[str, ...] = ()
    always: bool = False
    into: str | None = None
    gathered: bool = False
    result_ttl: float = 86_400.0
    headers: dict[str, str] = {}


class Enqueued(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The answer to one spec.

    `created` is False if its id, unique key or idempotency key was known: `id` is that one's.
    """

    id: str
    created: bool = True


class TaskInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known about a task. `attempt` counts the runs begun, `result` is the decoded return value.

    `args` is a dict by name, unless another program stored something else (the task is a dead letter then).
    """

    id: str
    name: str
    category: str
    status: TaskStatus
    priority: int = TaskPriority.NORMAL
    attempt: int = 0
    max_retries: int = 3
    crashes: int = 0
    added_at: float = 0.0
    run_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    result: Any = None
    error: str | None = None
    progress: float | None = None
    note: str | None = None
    worker: str | None = None
    unique_key: str | None = None
    args: Any = {}


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task that was given to this worker. `number` fences: an outcome of an older claim is ignored."""

    spec: TaskSpec
    number: int
    attempt: int
    crashes: int = 0


class Done(msgspec.Struct, frozen=True, tag="done", gc=False):
    """It returned; `result` is its value as JSON."""

    result: msgspec.Raw = msgspec.Raw(b"null")


class Retry(msgspec.Struct, frozen=True, tag="retry"):
    """Run it again in `delay` seconds. Not `counted`: it was given back unfinished, and no attempt is used up."""

    delay: float = 0.0
    error: str | None = None
    counted: bool = True


class Dead(msgspec.Struct, frozen=True, tag="dead"):
    """It will not be tried again by itself."""

    error: str


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """It was asked to stop, and did."""

    error: str | None = None


Outcome = Done | Retry | Dead | Cancelled
