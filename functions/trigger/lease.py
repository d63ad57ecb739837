"""One writer per source key: a lease is an item in JobsTable beside the key's records.

It names its holder (`holder`), until when nobody else may act (`held_until`, epoch seconds), and the last attempt
whose job is not done with (`version_id`, `execution_name`). The outputs may be a mix of two versions (`torn`), or
there may be files beside them that no manifest lists (`uncleared`). It is taken and changed by conditional writes
only, before anything is started or removed. A holder that has lost it learns so at its next write, and stops.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from pipeline import clock, jobs, keys, outcomes

if TYPE_CHECKING:
    from contracts import Record

# The calls that start an attempt, its longest run, and what a function that nobody waits for may write after it.
LEASE_SECONDS = float(os.environ["LEASE_SECONDS"])
# OptimizeImage's longest life: its initialization, its timeout, and a last request on its way.
SETTLE_SECONDS = float(os.environ["SETTLE_SECONDS"])
# By so much two clocks may differ.
SKEW_SECONDS = 5.0
# Enough to look at the source. Before a run or a removal, the holder renews the lease.
LOOK_SECONDS = 20.0
# A holder that is silent for so long after its run closed the record counts as dead.
GRACE_SECONDS = 10.0


class LeaseItem(TypedDict, total=False):
    """A lease in JobsTable, see the module."""

    source_key: str
    item: str
    holder: str
    held_until: int  # epoch seconds
    version_id: str
    execution_name: str
    torn: bool
    uncleared: bool


class BusyError(Exception):
    """Another invocation holds the lease."""

    def __init__(self, until: float) -> None:
        super().__init__("another invocation works on the key")
        self.until = until  # epoch seconds


class LostError(Exception):
    """Another invocation has taken over the lease."""


@dataclass
class Lease:
    """The lease on `key`, held by this invocation."""

    key: str
    holder: str
    version_id: str | None = None  # whose job is open or FAILED: ours or an earlier holder's
    execution_name: str | None = None  # of that job's attempt, until its end is accounted for
    torn: bool = False  # an attempt or a removal did not finish: the outputs may be a mix of two versions
    uncleared: bool = False  # an attempt may have left files that the set does not list
    kept: bool = False  # not to be released: a function may still write

    def running(self, version_id: str, execution_name: str) -> int:
        """Hold the lease for as long as this attempt can write. Call it before the attempt is started.

        Returns the epoch second after which OptimizeImage must not begin.
        """
        self.version_id, self.execution_name = version_id, execution_name
        until = time.time() + LEASE_SECONDS
        self._write(until)
        return int(until - SETTLE_SECONDS - SKEW_SECONDS)

    def removing(self, *, torn: bool) -> None:
        """Hold the lease for as long as this invocation can remove anything. Call it before a removal.

        `torn`: whether a removal that is cut off leaves a part of a set behind.
        """
        self.torn, self.kept, self.uncleared = self.torn or torn, True, True
        self._write(time.time() + LEASE_SECONDS)

    def settled(self, record: Record) -> None:
        """Note that the attempt failed. While its functions may still write, nobody else gets the lease."""
        self.execution_name, self.kept = None, outcomes.may_write(record["last_failure"])
        if self.kept:
            self.torn = True
            self._write(time.time() + SETTLE_SECONDS)

    def parked(self) -> None:
        """Note that the version FAILED, after its last attempt had settled.

        The lease remembers it: a later holder closes its record when the version is no longer the newest.
        """
        self.execution_name, self.kept = None, False

    def refused(self) -> None:
        """Note that the version was refused, before anything was written."""
        self.version_id, self.execution_name, self.kept = None, None, False

    def finished(self) -> None:
        """Note that the outputs are in line: the next holder has nothing to clean up."""
        self.refused()
        self.torn = False

    def release(self) -> None:
        """Give up the lease. It stays as an item only if the next holder has something to clean up."""
        if self.kept:
            return
        try:
            if self.version_id is None and not self.torn and not self.uncleared:
                jobs.dynamodb.delete_item(
                    TableName=jobs.TABLE,
                    Key=jobs.marshal({"source_key": self.key, "item": keys.LEASE}),
                    ConditionExpression="holder = :me",
                    ExpressionAttributeValues=jobs.marshal({":me": self.holder}),
                )
            else:
                self._write(0)
        except (LostError, jobs.dynamodb.exceptions.ConditionalCheckFailedException):
            return

    def _write(self, until: float) -> None:
        if _put(self, until, "holder = :me", {":me": self.holder}) is not None:
            raise LostError(self.key)


@contextmanager
def hold(key: str) -> Iterator[Lease]:
    """Hold the key's lease for a `with` block. Raises BusyError if another invocation holds it."""
    lease = _acquire(key)
    try:
        yield lease
    finally:
        lease.release()


def _acquire(key: str) -> Lease:
    lease = Lease(key, uuid.uuid4().hex)
    found = _put(lease, time.time() + LOOK_SECONDS, "attribute_not_exists(holder)", {})
    if found is None or found["holder"] == lease.holder:  # the latter: our own write, after a lost answer
        return lease
    if found["held_until"] > time.time() and not _silent(found):
        raise BusyError(float(found["held_until"]))
    return _take_over(lease.holder, found)


def _take_over(holder: str, found: LeaseItem) -> Lease:
    left = Lease(
        found["source_key"],
        holder,
        version_id=found.get("version_id"),
        execution_name=found.get("execution_name"),
        torn=found.get("torn", False),
        uncleared=found.get("uncleared", False),
    )
    theirs = {":them": found["holder"], ":until": found["held_until"]}
    lost = _put(left, time.time() + LOOK_SECONDS, "holder = :them AND held_until = :until", theirs)
    if lost is not None and lost.get("holder") != holder:
        raise BusyError(float(lost.get("held_until", 0)))
    return left


def _silent(found: LeaseItem) -> bool:
    """Whether the holder counts as dead: its run closed the record long ago, and none of its functions can write."""
    if "execution_name" not in found:
        return False
    record = jobs.get(found["source_key"], found["version_id"])
    if record is None or record.get("execution_name") != found["execution_name"] or record["status"] == "PROCESSING":
        return False
    failed = record["status"] not in ("SUCCEEDED", "REJECTED", "FAILED")  # FAILED is told after it has settled
    settles = failed and "last_failure" in record and outcomes.may_write(record["last_failure"])
    return clock.epoch(record["updated_at"]) + (SETTLE_SECONDS if settles else 0) + GRACE_SECONDS < time.time()


def _put(lease: Lease, until: float, condition: str, values: dict[str, Any]) -> LeaseItem | None:
    """Write the lease if the condition holds. Returns None then, else the item in its place."""
    item = {
        "source_key": lease.key,
        "item": keys.LEASE,
        "holder": lease.holder,
        "held_until": int(until),
        "version_id": lease.version_id,
        "execution_name": lease.execution_name,
        "torn": lease.torn or None,
        "uncleared": lease.uncleared or None,
    }
    present = {name: value for name, value in item.items() if value is not None}
    return cast("LeaseItem | None", jobs.put_if(present, condition, values))
