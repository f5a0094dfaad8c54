"""HTTP-dates (RFC 9110 section 5.6.7), without locale, time zone or daylight saving getting in the way."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

__all__ = ["format_http_date", "parse_http_date"]

# Not strftime, which follows the locale; not email.utils, which takes milliseconds to import.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = r"(?P<month>[A-Za-z]{3})"
_TIME = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
_FORMATS = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    rf"[A-Za-z]{{3}}, (?P<day>\d{{2}}) {_MONTH} (?P<year>\d{{4}}) {_TIME} (?:GMT|UTC)",
    # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    rf"[A-Za-z]{{6,9}}, (?P<day>\d{{2}})-{_MONTH}-(?P<year>\d{{2}}) {_TIME} (?:GMT|UTC)",
    # asctime: Sun Nov  6 08:49:37 1994
    rf"[A-Za-z]{{3}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
)
_LATEST = 253402300799  # the last second of the year 9999
_EARLIEST = -62135596800


@cache
def _patterns() -> list[re.Pattern[str]]:
    """Compiled when a date is first read: the start of a program need not wait for it."""
    return [re.compile(pattern, re.ASCII) for pattern in _FORMATS]


def _timestamp(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


@lru_cache(maxsize=1024)
def _format(seconds: int) -> str:
    t = _EPOCH + timedelta(seconds=seconds)
    day, month = _DAYS[t.weekday()], _MONTHS[t.month - 1]
    return f"{day}, {t.day:02} {month} {t.year:04} {t.hour:02}:{t.minute:02}:{t.second:02} GMT"


def format_http_date(moment: datetime | float) -> str:
    """Write an IMF-fixdate, such as ``Sun, 06 Nov 1994 08:49:37 GMT``.

    Args:
        moment: seconds since 1970 (fractions are cut off, what is outside the years 1 to 9999 is brought inside), or
            a datetime; one without a time zone is taken as UTC.
    """
    if isinstance(moment, datetime):
        moment = _timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return _format(int(min(max(moment, _EARLIEST), _LATEST)))


def parse_http_date(text: str, *, now: float | None = None) -> int | None:
    """Read an HTTP-date in any of its three forms; `None` for what is none (30 February too).

    Args:
        text: the field value.
        now: seconds since 1970, to find the century of a year with two digits; the clock by default.

    Returns:
        Seconds since 1970. A leap second (``:60``) counts as the second after it.
    """
    text = text.strip(" \t")
    if len(text) > 40:
        return None
    for pattern in _patterns():
        if match := pattern.fullmatch(text):
            return _seconds(match, now)
    return None


def _seconds(match: re.Match[str], now: float | None) -> int | None:
    name = match["month"].title()
    if name not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year = _full_year(year, now)
    second = int(match["second"])
    if second > 60:
        return None
    try:
        moment = datetime(
            year, _MONTHS.index(name) + 1, int(match["day"]), int(match["hour"]), int(match["minute"]), tzinfo=UTC
        )
    except ValueError:
        return None
    return _timestamp(moment) + second


def _full_year(year: int, now: float | None) -> int:
    """A date that seems more than 50 years ahead is the latest past year with these digits."""
    this = (datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)).year
    year += this - this % 100
    return year - 100 if year > this + 50 else year
