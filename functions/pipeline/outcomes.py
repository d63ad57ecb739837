"""How an attempt ends: publish its message, then close its record.

In this order, so that a message may come twice (with the same job_id, round and attempt) but is never missing. What an
attempt is told as is settled before: by its manifest, or else by a decision in its record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline import clock, jobs, manifest, messages, metrics

if TYPE_CHECKING:
    from contracts import Decision, Failure, Job, Judge, Manifest, Record, Refusal, Status

REASON_LIMIT = 1_000
SOURCE_GONE = "SourceGoneError"  # storage's, as Step Functions names it
# States of which a failed run has written no output, and no function can write one any more.
_BEFORE_OUTPUTS = {"StartExecution", "ValidateImage", "ResizeImage", "ApplyFilters"}


def succeed(job: Job, finished: Manifest) -> Status:
    """Publish the finished set and close the job as SUCCEEDED."""
    result = manifest.result(finished)
    messages.succeeded(job, result, finished)
    jobs.close(job, "SUCCEEDED", result=result, recipe=finished["recipe"])
    metrics.ended(job, "SUCCEEDED", finished=finished)
    return "SUCCEEDED"


def reject(job: Job, rejection: Refusal, judge: Judge) -> Status:
    """Publish the refusal and close the job as REJECTED."""
    decision: Decision = {
        "status": "REJECTED",
        "code": rejection["code"],
        "reason": rejection["reason"],
        "judge": judge,
    }
    return tell(job, jobs.decide(job, decision))


def fail(job: Job, failure: Failure) -> Status:
    """Close a failed attempt: as QUEUED while something is left to try or to wait for, else tell that it FAILED."""
    failure = {**failure, "at": clock.now()}
    # A deleted source is not a failure, and after OptimizeImage the set may still be finished: the trigger looks again.
    gone = failure["code"] == SOURCE_GONE
    if job["attempt"] < job["max_attempts"] or gone or may_write(failure):
        jobs.close(job, "QUEUED", last_failure=failure)
        return "QUEUED"
    return tell(job, jobs.decide(job, _failed(failure)))


def give_up(record: Record, max_attempts: int) -> None:
    """Tell that the job FAILED, after its last attempt was closed as QUEUED and has settled."""
    job = jobs.of(record, max_attempts)
    tell(job, jobs.decide(job, _failed(record["last_failure"])))


def tell(job: Job, decision: Decision) -> Status:
    """Publish a decision and close the job accordingly."""
    if decision["status"] == "REJECTED":
        messages.rejected(job, {"code": decision["code"], "reason": decision["reason"]})
    else:
        messages.failed(job, decision["last_failure"])
    jobs.close(job, **decision)
    metrics.ended(job, decision["status"], code=decision["code"], reason=decision["reason"])
    return decision["status"]


def may_write(failure: Failure) -> bool:
    """Whether the failed attempt may have written outputs, or a function of it may still do so."""
    return failure["state"] not in _BEFORE_OUTPUTS


def describe(error: Mapping[str, str]) -> tuple[str, str]:
    """Code and reason of a Step Functions error ({"Error", "Cause"}). A Lambda's Cause is JSON with its own of both."""
    name, cause = error.get("Error") or "Unknown", error.get("Cause") or ""
    try:
        packed = json.loads(cause)
        name = packed.get("errorType") or name
        cause = packed.get("errorMessage") or cause
    except (ValueError, AttributeError):
        pass
    return name, messages.one_line(cause)[:REASON_LIMIT] or "no reason was given"


def _failed(failure: Failure) -> Decision:
    return {"status": "FAILED", "code": failure["code"], "reason": failure["reason"], "last_failure": failure}
