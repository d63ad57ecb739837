"""The trigger in this process: the events that it gets, and a state machine that each test plays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import pytest

from pipeline import clock, jobs, manifest, outcomes, outputs, recipes
from trigger import app

KEY = "raw/cats/tom.jpg"
ASKED = ("Redrive", "Force", "Backfill")
FOLDER = "processed/cats/tom.jpg"
CONTEXT = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 60_000,
    function_name="trigger",
    memory_limit_in_mb=256,
    invoked_function_arn="arn",
    aws_request_id="request",
)


@dataclass(frozen=True)
class SourceBucket:
    """What kind of bucket the sources lie in, and who tells of its changes."""

    versioned: bool = True
    eventbridge: bool = False


OWN, VERSIONED, UNVERSIONED = SourceBucket(), SourceBucket(eventbridge=True), SourceBucket(False, True)
bucket = OWN  # set by the fixture of this name
# What holds whatever the bucket; what is about several versions of a source, or about their lack.
in_any_bucket = pytest.mark.parametrize("bucket", [OWN, VERSIONED, UNVERSIONED], indirect=True, ids=repr)
without_versions = pytest.mark.parametrize("bucket", [SourceBucket(False), UNVERSIONED], indirect=True, ids=repr)
with_versions = pytest.mark.parametrize("bucket", [OWN, VERSIONED], indirect=True, ids=repr)

Attempt = Callable[[dict[str, Any]], None]  # what the run of a job does


def record(key: str, version: str | None, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    """A record of an S3 notification."""
    named = version if bucket.versioned else None  # without versions, S3 names none
    s3_object = {"key": quote_plus(key, safe="/")} | ({"versionId": named} if named else {})
    return {"eventName": event, "s3": {"bucket": {"name": "darkroom-source"}, "object": s3_object}}


def eventbridge(record: dict[str, Any]) -> dict[str, Any]:
    """What EventBridge says instead of a record of an S3 notification."""
    about = record["s3"]["object"]
    names = {"versionId": "version-id", "sequencer": "sequencer", "eTag": "etag", "size": "size"}
    facts = {ours: about[theirs] for theirs, ours in names.items() if theirs in about}
    kind, _, how = record["eventName"].partition(":")
    detail = {"version": "0", "bucket": record["s3"]["bucket"], "object": {"key": unquote_plus(about["key"]), **facts}}
    if kind == "ObjectRemoved":
        told = "Delete Marker Created" if how == "DeleteMarkerCreated" else "Permanently Deleted"
        detail |= {"reason": "DeleteObject", "deletion-type": told}
    else:
        detail |= {"reason": "PutObject"}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Deleted" if kind == "ObjectRemoved" else "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-31T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{record['s3']['bucket']['name']}"],
        "detail": detail,
    }


def message(
    *records: dict[str, Any], sent_at: float | None = None, receives: int = 1, queue: str = "uploads"
) -> dict[str, Any]:
    """A message of a queue, as Lambda hands it over. What an operator asks for always looks like S3's own."""
    by_eventbridge = bucket.eventbridge and len(records) == 1 and records[0]["eventName"].split(":")[1] not in ASKED
    return {
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
        "messageId": f"m{time.monotonic_ns()}",
        "receiptHandle": "unknown to the queue",
        "body": json.dumps(eventbridge(records[0]) if by_eventbridge else {"Records": list(records)}),
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(1000 * (time.time() if sent_at is None else sent_at))),
        },
    }


def deliver(*messages: dict[str, Any]) -> list[str]:
    """Hand a batch to the trigger; returns the ids of the messages that it wants to see again."""
    answer = app.lambda_handler({"Records": list(messages)}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class Workflow:
    """Plays the state machine: each run takes the next attempt from `script`; after the last one it succeeds."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.started: list[dict[str, Any]] = []  # jobs
        self.script: list[Attempt] = []
        self.hidden: list[int] = []  # seconds for which the trigger hid messages

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        self.started.append(job)
        (self.script.pop(0) if self.script else self.succeed)(job)
        closed = jobs.get(job["source"]["key"], job["source"]["version_id"])
        assert closed is not None
        return closed

    def succeed(self, job: dict[str, Any]) -> None:
        outcomes.succeed(job, self.finish(job))

    def finish(self, job: dict[str, Any]) -> dict[str, Any]:
        """Write the job's set; returns its manifest."""
        key = job["source"]["key"]
        body = f"set of {job['source']['etag']}".encode()
        recipe = recipes.route(recipes.load(), key)
        entries = []
        for name, format_ in recipes.outputs(recipe):
            entries.append(manifest.rendition(key, name, format_, (100, 75), body))
            self.cloud.s3.put_object(Bucket="darkroom-output", Key=entries[-1]["key"], Body=body)
        finished = manifest.build(
            job=job,
            image={},
            recipe={**recipe, **job["recipe"]},
            placeholder={
                "blurhash": "L00000fQfQfQ",
                "thumbhash": "13ovv14I9wiIh4hw",
                "css": "#ffffff",
                "color": "#ffffff",
            },
            renditions=entries,
            created_at=clock.now(),
        )
        outputs.write(finished, outputs.standing(key).etag)
        return finished

    def reject(self, job: dict[str, Any], judge: dict[str, Any] | None = None) -> None:
        refusal = {"code": "CORRUPT", "reason": "cut short"}
        outcomes.reject(job, refusal, judge or {"recipe": job["recipe"]["hash"], "memory": 1769})

    def fail(self, job: dict[str, Any], code: str = "Broken", state: str = "ResizeImage") -> None:
        outcomes.fail(job, {"code": code, "reason": "it broke", "state": state})

    def fail_halfway(self, job: dict[str, Any]) -> None:
        """Fail in the midst of writing the set."""
        self.cloud.s3.put_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg", Body=b"half of a set")
        self.fail(job, state="OptimizeImage")


def stored_set(cloud: Any) -> str:
    """What the rendition of KEY says: that it is of the `set_of` these bytes, after `succeed`."""
    body: bytes = cloud.output(f"{FOLDER}/large.jpg")
    return body.decode()


def set_of(body: bytes = b"photo") -> str:
    """What the renditions of an upload of these bytes say."""
    return f"set of {md5(body, usedforsecurity=False).hexdigest()}"


def job_records(cloud: Any, key: str = KEY) -> dict[str, dict[str, Any]]:
    """The job records of a key by version."""
    return {item["item"].removeprefix("job#"): item for item in cloud.records(key) if item["item"] != "lease"}


def statuses(cloud: Any, key: str = KEY) -> list[str]:
    return sorted(item["status"] for item in job_records(cloud, key).values())


def lease_of(cloud: Any, key: str = KEY) -> dict[str, Any] | None:
    """The key's lease, if there is one."""
    return next((item for item in cloud.records(key) if item["item"] == "lease"), None)
