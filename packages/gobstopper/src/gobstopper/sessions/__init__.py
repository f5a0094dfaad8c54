"""Sessions: re-exported from `gobstopper_sessions`."""

from gobstopper_sessions import Session as Session
from gobstopper_sessions import SessionMiddleware as SessionMiddleware
from gobstopper_sessions import get_flashed_messages as get_flashed_messages

__all__ = ["Session", "SessionMiddleware", "get_flashed_messages"]
