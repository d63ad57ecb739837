"""What SuccessTopic and ErrorTopic say about a job: a subject, text for e-mail, JSON for everything else."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from pipeline import jobs, metrics

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

    from contracts import Failure, Job, Manifest, Refusal, Result

STACK = os.environ["STACK_NAME"]
SUCCESS_TOPIC = os.environ["SUCCESS_TOPIC_ARN"]
ERROR_TOPIC = os.environ["ERROR_TOPIC_ARN"]
sns: SNSClient = metrics.client("sns", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))

SUBJECT_LIMIT = 100
# SNS takes 256 KiB in all; JSON inside JSON escapes its quotes, and the e-mail's text needs room too.
MANIFEST_LIMIT = 100_000
INSTEAD = (
    "Published is the newest earlier version that can be accepted, if there is one. "
    "A bucket that keeps no earlier versions keeps what was published."
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


def succeeded(job: Job, result: Result, manifest: Manifest) -> None:
    """Say that a set is finished; the message carries its manifest, unless that is too large."""
    text = (
        f"{one_line(job['source']['key'])} is ready: {result['renditions']} renditions, "
        f"{result['bytes_out'] / 1000:,.0f} kB in all.\n"
        f"Manifest: {one_line(result['manifest_key'])}\n"
    )
    carried = manifest if len(json.dumps(manifest)) <= MANIFEST_LIMIT else None
    _publish(job, SUCCESS_TOPIC, "SUCCEEDED", text, {"result": result, "manifest": carried})


def rejected(job: Job, rejection: Refusal) -> None:
    """Say that an upload was refused, and why."""
    text = f"{one_line(job['source']['key'])} was not accepted.\n{rejection['reason']}\n{INSTEAD}\n"
    _publish(job, ERROR_TOPIC, "REJECTED", text, {**rejection})


def failed(job: Job, failure: Failure) -> None:
    """Say that a job was given up, and how to bring it back."""
    text = (
        f"{one_line(job['source']['key'])} could not be processed in {job['attempt']} attempts.\n"
        f"Failed state: {failure['state'] or 'none (the run was cut off)'}\n"
        f"Error: {failure['code']}: {failure['reason']}\n"
        f"Execution: {job['execution_name']}\n"
        "Its message goes to the dead-letter queue. Fix the cause. Then, in Darkroom's folder, bring it back with:\n"
        f"  bin/darkroom --aws --stack {STACK} redrive\n"
    )
    _publish(job, ERROR_TOPIC, "FAILED", text, {name: failure[name] for name in ("code", "reason", "state")})


def one_line(text: str) -> str:
    """Text without control characters, line breaks, lone surrogates and bidirectional overrides: SNS, SQS and logs
    refuse some of these, and a line break could forge a line of a mail."""
    return _UNPRINTABLE.sub(" ", text).strip()


def _publish(job: Job, topic_arn: str, status: str, text: str, facts: dict[str, Any]) -> None:
    message = {
        "schema_version": jobs.SCHEMA_VERSION,
        "status": status,
        **{name: value for name, value in job.items() if name not in ("max_attempts", "deadline", "asked_at")},
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


def _subject(status: str, key: str, code: str | None) -> str:
    """A subject that SNS accepts: ASCII, no control characters, at most 100 characters. It keeps the key's end."""
    head, name = (
        one_line(text).encode("ascii", "replace").decode()
        for text in (f"Darkroom {status}{f' {code[: SUBJECT_LIMIT // 2]}' if code else ''}: ", key)
    )
    room = SUBJECT_LIMIT - len(head) - 1
    return f"{head} {name if len(name) <= room else '...' + name[3 - room :]}"
