"""Background tasks: re-exported from `gobstopper_tasks`."""

from gobstopper_tasks import AbandonTask as AbandonTask
from gobstopper_tasks import Backoff as Backoff
from gobstopper_tasks import Call as Call
from gobstopper_tasks import Cap as Cap
from gobstopper_tasks import Chain as Chain
from gobstopper_tasks import CronEntry as CronEntry
from gobstopper_tasks import Filter as Filter
from gobstopper_tasks import Group as Group
from gobstopper_tasks import Hook as Hook
from gobstopper_tasks import InvalidTask as InvalidTask
from gobstopper_tasks import JournalDamaged as JournalDamaged
from gobstopper_tasks import Limit as Limit
from gobstopper_tasks import Outcome as Outcome
from gobstopper_tasks import Registry as Registry
from gobstopper_tasks import RetryTask as RetryTask
from gobstopper_tasks import TaskContext as TaskContext
from gobstopper_tasks import TaskEngine as TaskEngine
from gobstopper_tasks import TaskError as TaskError
from gobstopper_tasks import TaskFailed as TaskFailed
from gobstopper_tasks import TaskInfo as TaskInfo
from gobstopper_tasks import TaskPriority as TaskPriority
from gobstopper_tasks import TaskQueue as TaskQueue
from gobstopper_tasks import TaskSpec as TaskSpec
from gobstopper_tasks import TaskStatus as TaskStatus
from gobstopper_tasks import TaskStoreClosed as TaskStoreClosed
from gobstopper_tasks import TaskStoreUnavailable as TaskStoreUnavailable
from gobstopper_tasks import UnknownTask as UnknownTask
from gobstopper_tasks import Unsupported as Unsupported
from gobstopper_tasks import current_task as current_task

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
