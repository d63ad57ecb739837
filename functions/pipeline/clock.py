"""Moments as records, manifests and messages write them: ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """The current moment, as 2026-01-31T12:00:00.000Z."""
    return of_epoch(time.time())


def of_epoch(seconds: float) -> str:
    """A time in seconds since 1970, as a moment."""
    return moment(datetime.fromtimestamp(seconds, UTC))


def moment(when: datetime) -> str:
    """A time that AWS's SDK has given, as a moment."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch(moment: str) -> float:
    """Seconds since 1970 of a moment that `now` wrote."""
    return datetime.fromisoformat(moment).timestamp()
