"""Concurrency and rate limits, counted where the claims are handed out."""

from __future__ import annotations


class Gate:
    """One limit in use: `running` tasks now, and a bucket of `tokens` that fills up within `per` seconds."""

    __slots__ = ("_filled_at", "concurrency", "per", "rate", "running", "tokens")

    def __init__(self, concurrency: int | None, rate: int | None, per: float) -> None:
        self.concurrency = concurrency
        self.rate = rate
        self.per = per
        self.running = 0
        self.tokens = float(rate or 0)
        self._filled_at: float | None = None

    def wait(self, now: float) -> float | None:
        """0.0 if one more may start at `now` (monotonic seconds), else the seconds until a token is there.

        None if a run must end first.
        """
        if self.concurrency is not None and self.running >= self.concurrency:
            return None
        if self.rate is None:
            return 0.0
        if self._filled_at is not None:
            self.tokens = min(float(self.rate), self.tokens + (now - self._filled_at) * self.rate / self.per)
        self._filled_at = now
        return 0.0 if self.tokens >= 1.0 - 1e-9 else (1.0 - self.tokens) * self.per / self.rate

    def enter(self) -> None:
        """One started."""
        self.running += 1
        if self.rate is not None:
            self.tokens -= 1.0

    def leave(self) -> None:
        """One ended."""
        self.running -= 1
