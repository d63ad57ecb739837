"""One writer per source key: a lease is an item in JobsTable beside the key's records.

It names its holder (`holder`), the attempt that was started (`version_id`, `execution_name`), until when that attempt
can write (`held_until`, epoch seconds), and whether the outputs may be a mix of two versions (`torn`). It is taken and
changed by conditional writes only, before anything is started or removed. A holder that has lost it learns so at its
next write, and stops.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from pipeline import jobs, keys

# The calls that start an attempt, its longest run, and the slowest function, which can outlive the run: so long a
# forgotten run may write.
LEASE_SECONDS = float(os.environ["LEASE_SECONDS"])
# Enough to look at the source. Before a run or a removal, the holder renews the lease.
LOOK_SECONDS = 20.0
POLL_SECONDS = 0.5
# A holder that is silent for so long after its run closed the record counts as dead.
GRACE_SECONDS = 5.0


class LeaseItem(TypedDict, total=False):
    """A lease in JobsTable, see the module."""

    source_key: str
    item: str
    holder: str
    held_until: int  # epoch seconds
    version_id: str
    execution_name: str
    torn: bool


class BusyError(Exception):
    """Another invocation holds the lease for longer than this one can wait. Ask again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"another invocation works on the key; asking again in {seconds:.0f} s")
        self.seconds = seconds


class LostError(Exception):
    """Another invocation has taken over the lease."""


@dataclass
class Lease:
    """The lease on `key`, held by this invocation.

    `unfinished`: the version of a job that is open or FAILED, ours or an earlier holder's. `torn`: a run or a removal
    did not finish, so the outputs may be a mix of two versions. `keep`: let the lease expire instead of releasing it,
    because a run may still write.
    """

    key: str
    holder: str
    unfinished: str | None = None
    torn: bool = False
    keep: bool = False

    def renew(self, version_id: str, execution_name: str) -> None:
        """Hold the lease for as long as this attempt can write. Call it before the attempt is started."""
        self.unfinished, self.torn = version_id, True
        self._write(time.time() + LEASE_SECONDS, execution_name)

    def tear(self) -> None:
        """Hold the lease for as long as this invocation can remove anything. Call it before a removal."""
        self.torn = True
        self._write(time.time() + LEASE_SECONDS, None)

    def settle(self, seconds: float) -> None:
        """Hold the lease for `seconds` beyond this invocation: a run that was cut off may still write."""
        self._write(time.time() + seconds, None)
        self.keep = True

    def finish(self) -> None:
        """Note that the outputs are in line: the next holder has nothing to clean up."""
        self.unfinished, self.torn = None, False

    def release(self) -> None:
        """Give up the lease. It stays as an item only if the next holder has something to clean up."""
        if self.keep:
            return
        try:
            if self.unfinished is None and not self.torn:
                jobs.dynamodb.delete_item(
                    TableName=jobs.TABLE,
                    Key=_item_key(self.key),
                    ConditionExpression="holder = :me",
                    ExpressionAttributeValues=jobs.marshal({":me": self.holder}),
                )
            else:
                self._write(0, None)
        except (LostError, jobs.dynamodb.exceptions.ConditionalCheckFailedException):
            return

    def _write(self, until: float, execution_name: str | None) -> None:
        if _put(self, until, execution_name, "holder = :me", {":me": self.holder}) is not None:
            raise LostError(self.key)


@contextmanager
def hold(key: str, deadline: float) -> Iterator[Lease]:
    """Take the key's lease for a `with` block, waiting for another holder until `deadline` (time.time()) at most.

    Raises BusyError if another invocation still holds it then.
    """
    lease = _acquire(key, deadline)
    try:
        yield lease
    finally:
        lease.release()


def _acquire(key: str, deadline: float) -> Lease:
    lease = Lease(key, uuid.uuid4().hex)
    closed_since: tuple[str, float] | None = None
    while True:
        found = _put(lease, time.time() + LOOK_SECONDS, None, "attribute_not_exists(holder)", {})
        if found is None or found["holder"] == lease.holder:  # the latter: our own write, after a lost answer
            return lease
        if found["held_until"] <= time.time() or _silent(found, closed_since):
            if taken := _take_over(lease.holder, found):
                return taken
            continue
        closed_since = _closed(found, closed_since)
        if time.time() + POLL_SECONDS > deadline:
            raise BusyError(max(float(found["held_until"]) - time.time(), 1.0))
        time.sleep(POLL_SECONDS)


def _take_over(holder: str, found: LeaseItem) -> Lease | None:
    taken = Lease(found["source_key"], holder, found.get("version_id"), found.get("torn", False))
    theirs = {":them": found["holder"], ":until": found["held_until"]}
    lost = _put(taken, time.time() + LOOK_SECONDS, None, "holder = :them AND held_until = :until", theirs)
    return taken if lost is None or lost.get("holder") == holder else None


def _closed(found: LeaseItem, before: tuple[str, float] | None) -> tuple[str, float] | None:
    """(execution name, time.time()) since when the holder's run is seen closed: closing the record is its last act."""
    name = found.get("execution_name")
    if name is None:
        return None
    if before and before[0] == name:
        return before
    record = jobs.get(found["source_key"], found["version_id"])
    over = record is not None and record.get("execution_name") == name and record["status"] != "PROCESSING"
    return (name, time.time()) if over else None


def _silent(found: LeaseItem, closed_since: tuple[str, float] | None) -> bool:
    return (
        closed_since is not None
        and closed_since[0] == found.get("execution_name")
        and time.time() - closed_since[1] >= GRACE_SECONDS
    )


def _item_key(key: str) -> dict[str, Any]:
    return jobs.marshal({"source_key": key, "item": keys.LEASE})


def _put(
    lease: Lease, until: float, execution_name: str | None, condition: str, values: dict[str, Any]
) -> LeaseItem | None:
    """Write the lease if the condition holds. Returns None then, else the item in its place."""
    item = {
        "source_key": lease.key,
        "item": keys.LEASE,
        "holder": lease.holder,
        "held_until": int(until),
        "version_id": lease.unfinished,
        "torn": lease.torn or None,
        "execution_name": execution_name,
    }
    present = {name: value for name, value in item.items() if value is not None}
    return cast("LeaseItem | None", jobs.put_if(present, condition, values))
