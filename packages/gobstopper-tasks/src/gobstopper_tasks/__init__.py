"""Durable background tasks on DuckDB alone, or on PostgreSQL or Redis."""

from .calls import Call as Call
from .calls import Chain as Chain
from .calls import Group as Group
from .context import TaskContext as TaskContext
from .context import current_task as current_task
from .cron import CronEntry as CronEntry
from .engine import Cap as Cap
from .engine import Filter as Filter
from .engine import TaskEngine as TaskEngine
from .errors import AbandonTask as AbandonTask
from .errors import InvalidTask as InvalidTask
from .errors import JournalDamaged as JournalDamaged
from .errors import RetryTask as RetryTask
from .errors import TaskError as TaskError
from .errors import TaskFailed as TaskFailed
from .errors import TaskStoreClosed as TaskStoreClosed
from .errors import TaskStoreUnavailable as TaskStoreUnavailable
from .errors import UnknownTask as UnknownTask
from .errors import Unsupported as Unsupported
from .hooks import Hook as Hook
from .queue import TaskQueue as TaskQueue
from .registry import Limit as Limit
from .registry import Registry as Registry
from .retry import Backoff as Backoff
from .task import Outcome as Outcome
from .task import TaskInfo as TaskInfo
from .task import TaskPriority as TaskPriority
from .task import TaskSpec as TaskSpec
from .task import TaskStatus as TaskStatus

__all__ = [
    "AbandonTask",
    "Backoff",
    "Call",
    "Cap",
    "Chain",
    "CronEntry",
    "Filter",
    "Group",
    "Hook",
    "InvalidTask",
    "JournalDamaged",
    "Limit",
    "Outcome",
    "Registry",
    "RetryTask",
    "TaskContext",
    "TaskEngine",
    "TaskError",
    "TaskFailed",
    "TaskInfo",
    "TaskPriority",
    "TaskQueue",
    "TaskSpec",
    "TaskStatus",
    "TaskStoreClosed",
    "TaskStoreUnavailable",
    "UnknownTask",
    "Unsupported",
    "current_task",
]
