"""The task queue and its priorities."""

from gobstopper_tasks.queue import TaskPriority as TaskPriority
from gobstopper_tasks.queue import TaskQueue as TaskQueue

__all__ = ["TaskPriority", "TaskQueue"]
