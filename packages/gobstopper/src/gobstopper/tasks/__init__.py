"""Background tasks: re-exported from `gobstopper_tasks`."""

from gobstopper_tasks import TaskPriority as TaskPriority
from gobstopper_tasks import TaskQueue as TaskQueue

__all__ = ["TaskPriority", "TaskQueue"]
