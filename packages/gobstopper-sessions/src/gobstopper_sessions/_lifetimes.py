"""When sessions expire."""

from __future__ import annotations

from math import inf

__all__ = ["Lifetimes"]


class Lifetimes:
    """How long sessions last, in seconds.

    Args:
        idle: Without a request. `None` for no such limit.
        absolute: From their beginning. `None` for no such limit.

    Raises:
        TypeError: for what is no number.
        ValueError: for a time that is not positive, or no limit at all.
    """

    __slots__ = ("_grace", "absolute", "idle", "margin")

    def __init__(self, idle: float | None, absolute: float | None) -> None:
        for name, value in (("idle_timeout", idle), ("absolute_timeout", absolute)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TypeError(
                    f"{name}={value!r:.60}: give seconds as a number, or None for no limit; of a timedelta its "
                    ".total_seconds()"
                )
            if value is not None and not 0 < value < inf:
                raise ValueError(f"{name}={value!r}: give seconds, more than 0, or None for no limit")
        if idle is None and absolute is None:
            raise ValueError("idle_timeout and absolute_timeout are both None: sessions would never expire")
        self.idle = inf if idle is None else idle
        self.absolute = inf if absolute is None else absolute
        # Renewing is a write; a tenth of the idle time is not worth one.
        self.margin = min(self.idle, self.absolute) / 10
        self._grace = self.idle - self.margin

    def end(self, now: float, created: float) -> float:
        """When a session that is used now expires."""
        # Not min(): a call costs eight times as much as the comparison, and every write comes this way.
        idle, absolute = now + self.idle, created + self.absolute
        return idle if idle < absolute else absolute  # noqa: FURB136

    def is_due(self, now: float, created: float, expires_at: float) -> bool:
        """Whether a session that expires at `expires_at` and is used now has so much to gain that it is renewed."""
        # The first comparison decides for nearly every request.
        return now + self._grace >= expires_at and self.end(now, created) - expires_at >= self.margin
