"""How long to wait before a task is tried again."""

from __future__ import annotations

import random

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Capped exponential back-off with jitter.

    The wait before retry n (1, 2, …) is `initial * factor ** (n - 1)` seconds, at most `maximum`; of it the share
    `jitter` (0 to 1) is random, so that tasks which failed together do not come back together.
    """

    initial: float = 1.0
    factor: float = 2.0
    maximum: float = 600.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if self.initial < 0 or self.factor < 1 or self.maximum < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(f"{self!r}: initial and maximum must be >= 0, factor >= 1, jitter between 0 and 1")

    def delay(self, retry: int) -> float:
        """Seconds to wait before retry number `retry` (from 1)."""
        # The exponent is bounded because a float overflows at 2 ** 1024.
        whole: float = min(self.maximum, self.initial * self.factor ** min(max(retry - 1, 0), 512 / self.factor))
        return whole * (1 - self.jitter * random.random())  # noqa: S311 - spreads load, guards nothing


def backoff(value: Backoff | float | None) -> Backoff:
    """A `Backoff` from what `@task(backoff=…)` takes: one, a constant number of seconds, or None for the default."""
    if isinstance(value, Backoff):
        return value
    if value is None:
        return Backoff()
    return Backoff(initial=value, factor=1.0, maximum=value, jitter=0.0)
