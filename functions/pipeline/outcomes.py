"""How an attempt ends: tell whoever subscribed, then close the job record.

In this order, so that a message may come twice (with the same job_id, round and attempt) but is never missing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from pipeline import clock, jobs

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

sns: SNSClient = boto3.client("sns", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))

SUBJECT_LIMIT = 100
# SNS takes 256 KiB in all; JSON inside JSON escapes its quotes, and the e-mail's text needs room too.
MANIFEST_LIMIT = 100_000
REASON_LIMIT = 1_000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


def succeed(job: dict[str, Any], result: dict[str, Any], manifest: dict[str, Any], topic_arn: str) -> str:
    """Tell of a finished set and close the job. `result`: renditions, bytes_in, bytes_out, manifest_key."""
    saved = f"{result['renditions']} renditions, {_kilobytes(result['bytes_out'])} in all"
    text = f"{_name(job)} is ready: {saved}.\nManifest: {one_line(result['manifest_key'])}\n"
    carried = manifest if len(json.dumps(manifest)) <= MANIFEST_LIMIT else None
    publish(job, topic_arn, "SUCCEEDED", text, {"result": result, "manifest": carried})
    jobs.close(job, "SUCCEEDED", result=result, recipe=manifest["recipe"])
    return "SUCCEEDED"


def reject(job: dict[str, Any], rejection: dict[str, str], topic_arn: str) -> str:
    """Tell of a refused upload and close the job as REJECTED. `rejection`: code and a reason for the uploader."""
    code, reason = rejection["code"], rejection["reason"]
    text = f"{_name(job)} was not accepted.\n{reason}\nThe set that an earlier version had is still there.\n"
    publish(job, topic_arn, "REJECTED", text, {"code": code, "reason": reason})
    jobs.close(job, "REJECTED", code=code, reason=reason)
    return "REJECTED"


def fail(job: dict[str, Any], failure: dict[str, Any], topic_arn: str) -> str:
    """Record a failed attempt: QUEUED while attempts are left, else tell of it and close the job as FAILED.

    `failure`: code (error's name), reason, state (None where the run ended outside of any). Returns the new status.
    """
    last_failure = failure | {"at": clock.now()}
    # A source that has gone is nobody's fault: the trigger looks again, and closes the job as what it then is.
    if job["attempt"] < job["max_attempts"] or failure["code"] == "SourceGoneError":
        jobs.close(job, "QUEUED", last_failure=last_failure)
        return "QUEUED"
    code, reason = failure["code"], failure["reason"]
    text = (
        f"{_name(job)} could not be processed after {job['attempt']} attempts.\n"
        f"Failed state: {failure['state'] or 'none (the run was cut off)'}\nError: {code}: {reason}\n"
        f"Execution: {job['execution_name']}\n"
        "Its message is in the dead-letter queue. Mend the cause, then bring it back with `darkroom redrive`.\n"
    )
    publish(job, topic_arn, "FAILED", text, {"code": code, "reason": reason, "state": failure["state"]})
    jobs.close(job, "FAILED", code=code, reason=reason, last_failure=last_failure)
    return "FAILED"


def describe(error: dict[str, str]) -> tuple[str, str]:
    """Name and sentence of a Step Functions error ({"Error", "Cause"}); Lambda packs its own into the Cause as JSON."""
    name, cause = error.get("Error") or "Unknown", error.get("Cause") or ""
    try:
        packed = json.loads(cause)
        name = packed.get("errorType") or name
        cause = packed.get("errorMessage") or cause
    except (ValueError, AttributeError):
        pass
    return name, one_line(cause)[:REASON_LIMIT] or "no reason was given"


def publish(job: dict[str, Any], topic_arn: str, status: str, text: str, facts: dict[str, Any]) -> None:
    """Publish one message about a job: `text` for e-mail, JSON for everything else, attributes to filter by."""
    message = {
        "schema_version": jobs.SCHEMA_VERSION,
        "status": status,
        "job_id": job["job_id"],
        "round": job["round"],
        "attempt": job["attempt"],
        "execution_name": job["execution_name"],
        "source": job["source"],
        "recipe": job["recipe"],
        **facts,
    }
    attributes = {"status": status, "recipe": job["recipe"]["name"]}
    if facts.get("code"):
        attributes["code"] = facts["code"]
    sns.publish(
        TopicArn=topic_arn,
        Subject=_subject(status, job["source"]["key"], facts.get("code")),
        MessageStructure="json",
        Message=json.dumps({"default": json.dumps(message), "email": text}),
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )


def _name(job: dict[str, Any]) -> str:
    """The source's key on one line: a line break in it would forge lines of the mail."""
    return one_line(job["source"]["key"])


def _subject(status: str, key: str, code: str | None) -> str:
    """A subject that SNS accepts: ASCII, no control characters, at most 100 characters; the key's end tells most."""
    head = f"Darkroom {status}{f' {code}' if code else ''}: "
    name = one_line(key).encode("ascii", "replace").decode()
    room = SUBJECT_LIMIT - len(head)
    return head[:SUBJECT_LIMIT] + (name if len(name) <= room else "..." + name[-(room - 3) :])


def one_line(text: str) -> str:
    """Text of any origin without what SNS, SQS and logs cannot take (control characters, line breaks, halves of
    characters), and without what turns the direction of text around."""
    return _UNPRINTABLE.sub(" ", text).strip()


def _kilobytes(count: int) -> str:
    return f"{count / 1000:,.0f} kB"
