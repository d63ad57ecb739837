"""One writer per source key: a lease is an item in JobsTable beside the key's records.

It holds who works on the key (`holder`), the attempt that was started (`version_id`, `execution_name`), until when it
can still write (`held_until`, epoch seconds), and whether the outputs may be a mix since then (`torn`). It is taken and
changed by conditional writes only, before anything is started or removed. Whoever loses it learns so at the next write,
and does nothing more.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import jobs, keys

if TYPE_CHECKING:
    from collections.abc import Iterator

# The calls that start an attempt, its longest run and the slowest function that can outlive it: until then a forgotten
# run may still write.
LEASE_SECONDS = float(os.environ["LEASE_SECONDS"])
# Enough to look at the source. A run or a removal renews the lease first.
LOOK_SECONDS = 20.0
POLL_SECONDS = 0.5
# How long a holder may stay silent after its run was closed before it counts as dead.
GRACE_SECONDS = 5.0


class BusyError(Exception):
    """Somebody else works on the key, and for longer than we can wait. `seconds`: until it makes sense to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the key is being worked on; asking again in {seconds:.0f} s")
        self.seconds = seconds


class LostError(Exception):
    """The lease was taken over: somebody else works on the key now."""


@dataclass
class Lease:
    """The lease on `key` that we hold.

    `unfinished`: version of a job that is open or FAILED, ours or an earlier holder's. `torn`: a run or a removal did
    not come to its end, so that the outputs may be a mix of two versions. `keep`: let it run out instead of letting
    go, because somebody may still be writing.
    """

    key: str
    holder: str
    unfinished: str | None = None
    torn: bool = False
    keep: bool = False

    def renew(self, version_id: str, execution_name: str) -> None:
        """Hold on for as long as the named attempt can write. To be called before it is started."""
        self.unfinished, self.torn = version_id, True
        self._write(time.time() + LEASE_SECONDS, execution_name)

    def tear(self) -> None:
        """Hold on for as long as this invocation can remove anything. To be called before it does."""
        self.torn = True
        self._write(time.time() + LEASE_SECONDS, None)

    def settle(self, seconds: float) -> None:
        """Keep everybody off the key for so long after our leaving: a run that was cut off may still be writing."""
        self._write(time.time() + seconds, None)
        self.keep = True

    def finish(self) -> None:
        """The outputs are in line: nothing is left for the next holder to clean up."""
        self.unfinished, self.torn = None, False

    def release(self) -> None:
        """Let go, leaving behind only what the next holder has to clean up."""
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
        found = jobs.put_if(
            _record(self, until, execution_name),
            "holder = :me",
            {":me": self.holder},
        )
        if found is not None:
            raise LostError(self.key)


@contextmanager
def hold(key: str, deadline: float) -> Iterator[Lease]:
    """Take the key's lease, waiting for another holder until `deadline` (time.time()) at the latest.

    Raises BusyError if it is not to be had by then.
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
        found = jobs.put_if(
            _record(lease, time.time() + LOOK_SECONDS, None),
            "attribute_not_exists(holder)",
            {},
        )
        if found is None or found["holder"] == lease.holder:  # the latter: our own write, whose answer was lost
            return lease
        if found["held_until"] <= time.time() or _silent(found, closed_since):
            if taken := _take_over(lease.holder, found):
                return taken
            continue
        closed_since = _closed(found, closed_since)
        if time.time() + POLL_SECONDS > deadline:
            raise BusyError(max(float(found["held_until"]) - time.time(), 1.0))
        time.sleep(POLL_SECONDS)


def _take_over(holder: str, found: dict[str, Any]) -> Lease | None:
    taken = Lease(found["source_key"], holder, found.get("version_id"), found.get("torn", False))
    lost = jobs.put_if(
        _record(taken, time.time() + LOOK_SECONDS, None),
        "holder = :them AND held_until = :until",
        {":them": found["holder"], ":until": found["held_until"]},
    )
    return taken if lost is None or lost.get("holder") == holder else None


def _closed(found: dict[str, Any], before: tuple[str, float] | None) -> tuple[str, float] | None:
    """Since when we see the holder's run closed, by the execution's name: closing the record is a run's last act."""
    name = found.get("execution_name")
    if name is None:
        return None
    if before and before[0] == name:
        return before
    record = jobs.get(found["source_key"], found["version_id"])
    over = record is not None and record.get("execution_name") == name and record["status"] != "PROCESSING"
    return (name, time.time()) if over else None


def _silent(found: dict[str, Any], closed_since: tuple[str, float] | None) -> bool:
    return (
        closed_since is not None
        and closed_since[0] == found.get("execution_name")
        and time.time() - closed_since[1] >= GRACE_SECONDS
    )


def _item_key(key: str) -> dict[str, Any]:
    return jobs.marshal({"source_key": key, "item": keys.LEASE})


def _record(lease: Lease, until: float, execution_name: str | None) -> dict[str, Any]:
    record = {
        "source_key": lease.key,
        "item": keys.LEASE,
        "holder": lease.holder,
        "held_until": int(until),
        "version_id": lease.unfinished,
        "torn": lease.torn or None,
        "execution_name": execution_name,
    }
    return {name: value for name, value in record.items() if value is not None}
