"""What is to be done about one version of a source, and what becomes of the messages about its key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline import clock

if TYPE_CHECKING:
    from contracts import Failure, Judge, ManifestSource, Record, Source
    from trigger.lease import Lease
    from trigger.notices import Notice

MAX_ATTEMPTS = int(os.environ["MAX_ATTEMPTS"])
BACKOFF_SECONDS = [float(seconds) for seconds in os.environ["BACKOFF_SECONDS"].split(",")]


@dataclass(frozen=True)
class Done:
    """The messages may leave the queue."""


@dataclass(frozen=True)
class Later:
    """The messages come back in `seconds`."""

    seconds: float
    reason: str
    waits: bool = False  # for something that is sure to end; else each return counts towards the dead-letter queue


@dataclass(frozen=True)
class Park:
    """The messages go to the dead-letter queue: their job FAILED, at this moment, or they cannot be read."""

    reason: str
    failed_at: str | None = None


@dataclass(frozen=True)
class Refused:
    """The version is not acceptable: one below it is wanted. All above `below` are known to be refused too."""

    below: str | None = None


@dataclass(frozen=True)
class Start:
    """An attempt is due."""

    round: int
    attempt: int


@dataclass(frozen=True)
class GiveUp:
    """All attempts have failed."""


Verdict = Done | Later | Park  # on messages
DONE = Done()


@dataclass(frozen=True)
class Look:
    """One look at a key, under its lease."""

    held: Lease
    notices: list[Notice]
    deadline: float  # epoch seconds: no run is started that could outlast it
    versions: list[str]  # looked at so far, the newest first
    receives: int = 1  # how often the messages have come

    @property
    def sent_at(self) -> float:
        """When the youngest of the messages was sent, in epoch seconds."""
        return max(notice.sent_at for notice in self.notices)

    @property
    def forced_at(self) -> float:
        """When somebody last asked to make the set again, whatever stands. 0 if nobody did."""
        return max((notice.sent_at for notice in self.notices if notice.asked == "force"), default=0.0)


def decide(
    record: Record | None, source: Source, judge: Judge, look: Look, now: float
) -> Verdict | Refused | Start | GiveUp:
    """What a version needs, if its set does not stand.

    `record`: its job record; `now`: epoch seconds. A new round is opened by other bytes under the same version id, or
    another focus or alt; by a changed recipe; and by an operator: with force, or with a message sent after the job
    FAILED.
    """
    if record is None or "round" not in record:
        return Start(1, 1)
    again = Start(int(record["round"]) + 1, 1)
    newest = len(look.versions) == 1  # force does not have all refused versions judged again
    forced = look.forced_at > started(record) and (newest or record["status"] != "REJECTED")
    if forced or not same_bytes(cast("Source", record["source"]), source):
        return again
    if record["status"] == "REJECTED":  # for its bytes: what was given with them mends nothing
        return Refused(record.get("below")) if record.get("judge") == judge else again
    if record["recipe"]["hash"] != judge["recipe"] or not same_given(cast("Source", record["source"]), source):
        return again
    if record["status"] == "QUEUED":
        attempt, failure = int(record["attempt"]), record["last_failure"]
        if attempt >= MAX_ATTEMPTS:
            return GiveUp()
        # To a hundredth: the last digits of a clock are no reason to come back.
        seconds = round(clock.epoch(failure["at"]) + backoff(attempt) - now, 2)
        return (
            Later(seconds, in_words(failure), waits=True) if seconds > 0 else Start(int(record["round"]), attempt + 1)
        )
    if record["status"] == "FAILED" and look.sent_at < clock.epoch(record["finished_at"]):
        return park(record)
    return again  # brought back; or SUCCEEDED, but its set is gone; or SUPERSEDED or DELETED, and wanted again


def park(record: Record) -> Park:
    return Park(f"job {record['job_id']} FAILED: {record['code']}: {record['reason']}", record["finished_at"])


def same_bytes(one: Source | ManifestSource, other: Source) -> bool:
    return (one["etag"], one["size"]) == (other["etag"], other["size"])


def same_given(one: Source | ManifestSource, other: Source) -> bool:
    """Whether the same focus and alt came with both."""
    return one.get("given") == other.get("given")


def started(record: Record | None) -> float:
    """When the version's last attempt was started, in epoch seconds; 0 if none was."""
    return clock.epoch(record["started_at"]) if record and "started_at" in record else 0.0


def in_words(failure: Failure) -> str:
    return f"{failure['code']}: {failure['reason']}"


def backoff(attempt: int) -> float:
    """Seconds between the end of an attempt, counted from 1, and the next one."""
    return nth(BACKOFF_SECONDS, attempt)


def nth(seconds: Sequence[float], number: int) -> float:
    """The number-th of these times, from 1; beyond them the last one."""
    return seconds[min(number, len(seconds)) - 1]
