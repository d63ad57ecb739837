"""How an attempt ends: publish its message, then close its record.

In this order, so that a message may come twice (with the same job_id, round and attempt) but is never missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline import clock, jobs, messages

if TYPE_CHECKING:
    from contracts import Failure, Job, Manifest, Refusal, Result, Status

REASON_LIMIT = 1_000


def succeed(job: Job, result: Result, manifest: Manifest, topic_arn: str) -> Status:
    """Publish the finished set and close the job as SUCCEEDED."""
    messages.succeeded(job, result, manifest, topic_arn)
    jobs.close(job, "SUCCEEDED", result=result, recipe=manifest["recipe"])
    return "SUCCEEDED"


def reject(job: Job, rejection: Refusal, topic_arn: str) -> Status:
    """Publish the refusal and close the job as REJECTED."""
    messages.rejected(job, rejection, topic_arn)
    jobs.close(job, "REJECTED", **rejection)
    return "REJECTED"


def fail(job: Job, failure: Failure, topic_arn: str) -> Status:
    """Close a failed attempt: as QUEUED while attempts are left, else publish it and close the job as FAILED."""
    last_failure = failure | {"at": clock.now()}
    # A deleted source is not a failure: the job is queued again, and the trigger retires it.
    if job["attempt"] < job["max_attempts"] or failure["code"] == "SourceGoneError":
        jobs.close(job, "QUEUED", last_failure=last_failure)
        return "QUEUED"
    messages.failed(job, failure, topic_arn)
    jobs.close(job, "FAILED", code=failure["code"], reason=failure["reason"], last_failure=last_failure)
    return "FAILED"


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
