"""A deployed local stack under test: what a user and an operator do and see, and the faults that its functions meet."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from PIL import Image

from darkroom import intake
from darkroom.commands import attach
from darkroom.local import deploy, state
from darkroom.records import FINAL, fetch, source_prefix
from darkroom.stack import Stack

FINAL = set(FINAL)
EXISTING = "holiday-photos"
# Seconds where the template has minutes.
HASTE = {
    "BACKOFF_SECONDS": "1,1,1",
    "HEARTBEAT_SECONDS": "1",
    "SETTLE_SECONDS": "2",
    "LEASE_SECONDS": "100",
    "WAIT_SECONDS": "90",
}


class Faults:
    """Lays out faults for functions to meet: each is a file that the function's wrapper, faulty.py, takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = itertools.count()

    def add(
        self,
        function: str,
        kind: str,
        argument: object = "",
        *,
        when: str = "",
        at: tuple[str, int, str] | None = None,
        stays: bool = False,
    ) -> None:
        """`function`, a folder of functions/, meets the fault in its next call whose event contains `when`.

        In all such calls if it `stays`. `at`: before or after the nth call of an AWS operation, such as
        ("PutObject", 3, "after").
        """
        folder = self.folder / function
        folder.mkdir(parents=True, exist_ok=True)
        fault = {"kind": kind, "argument": str(argument), "when": when, "at": at, "stays": stays}
        draft = folder / f"{next(self.number):04}.draft"
        draft.write_text(json.dumps(fault), encoding="utf-8")
        draft.rename(draft.with_suffix(".json"))

    def left(self) -> list[Path]:
        """The faults that no function has met."""
        return sorted(self.folder.glob("*/*.json"))

    def clear(self) -> None:
        for path in self.folder.glob("*/*"):
            path.unlink(missing_ok=True)

    def meter(self) -> None:
        """Count the functions' requests to AWS from now on."""
        folder = self.folder / "requests"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()

    def requests(self) -> Counter[str]:
        """The requests since `meter`, by service.Operation."""
        return Counter(
            line for path in (self.folder / "requests").iterdir() for line in path.read_text(encoding="utf-8").split()
        )


class Pipeline:
    """A deployed stack, as its users and operators see it."""

    def __init__(self, stack: Stack, faults: Faults) -> None:
        self.stack, self.faults, self.outputs = stack, faults, stack.outputs
        for service in ("s3", "sqs", "sns", "dynamodb", "stepfunctions", "iam", "lambda"):
            setattr(self, service, stack.client(service))
        self.inbox = self.sqs.create_queue(QueueName="inbox")["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.sqs.set_queue_attributes(QueueUrl=self.inbox, Attributes={"Policy": policy})
        for topic in ("SuccessTopicArn", "ErrorTopicArn"):
            self.sns.subscribe(TopicArn=self.outputs[topic], Protocol="sqs", Endpoint=arn)
        self.messages: list[dict[str, Any]] = []

    deploy: Callable[..., Stack]  # with other parameters
    s3: Any
    sqs: Any
    sns: Any
    dynamodb: Any
    stepfunctions: Any
    iam: Any

    def upload(self, key: str, body: bytes) -> str:
        """Put a source; returns its version, which is "null" in a bucket without versions."""
        answer = self.s3.put_object(Bucket=self.outputs["SourceBucketName"], Key=key, Body=body)
        return str(answer.get("VersionId", "null"))

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """What is uploaded in the block is there before anybody hears of it."""
        bucket = self.outputs["SourceBucketName"]
        told = self.s3.get_bucket_notification_configuration(Bucket=bucket)
        told.pop("ResponseMetadata")
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        yield
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)

    def update(self, **parameters: str) -> None:
        """Deploy the stack again, with other parameters, while the intake is paused and nothing is in flight.

        The emulator ends a function's invocations when the function is updated: what the trigger has just received
        would hide for the queue's own 30 minutes.
        """
        intake.switch(self.stack, on=False)
        self.until(lambda: intake.waiting(intake.queue(self.stack))[1] == 0, 120)
        self.deploy(**parameters)
        intake.switch(self.stack, on=True)

    def delete(self, key: str, version: str | None = None) -> str:
        more = {"VersionId": version} if version else {}
        answer = self.s3.delete_object(Bucket=self.outputs["SourceBucketName"], Key=key, **more)
        return str(answer.get("VersionId"))

    def record(self, key: str, version: str) -> dict[str, Any]:
        return self.records({key: version})[key]

    def records(self, versions: dict[str, str]) -> dict[str, dict[str, Any]]:
        """The record of each key's version; empty where there is none yet."""
        wanted = {(key, f"job#{version}"): key for key, version in versions.items()}
        found = fetch(self.stack, wanted)
        return {key: found.get(name, {}) for name, key in wanted.items()}

    def finished(self, key: str, version: str, *, unless: tuple[str, ...] = (), seconds: float = 60) -> dict[str, Any]:
        """The record once it is final (and none of `unless`)."""
        wanted = FINAL - set(unless)

        def final() -> dict[str, Any] | None:
            found = self.record(key, version)
            return found if found.get("status") in wanted else None

        return self.until(final, seconds, lambda: f"{key} did not end: {self.record(key, version)}")

    def until(self, look: Callable[[], Any], seconds: float = 60, say: Callable[[], str] = lambda: "") -> Any:
        """Wait until `look` returns something true; returns that. `say` explains a timeout."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.1)
        raise AssertionError(say() or f"not within {seconds} s: {look}")

    def drained(self, seconds: float = 60) -> None:
        """Wait until every message has left the upload queue."""
        self.until(lambda: self.waiting("UploadQueueUrl") == 0, seconds, lambda: "messages stay in the upload queue")

    def started(self) -> list[str]:
        """The names of all executions so far (STANDARD): <job id>-<round>-<attempt>."""
        pages = self.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["StateMachineArn"]
        )
        return [each["name"] for page in pages for each in page["executions"]]

    def logged(self, function: str, word: str) -> int:
        """How many of a function's log lines have a word, 10,000 at most."""
        client = self.stack.client("logs")
        name = self.stack.client("lambda").get_function_configuration(FunctionName=self.outputs[f"{function}Name"])
        found = client.filter_log_events(logGroupName=name["LoggingConfig"]["LogGroup"], filterPattern=word)
        return len(found["events"])

    def waiting(self, queue: str) -> int:
        """Messages in a queue, hidden or not."""
        return sum(intake.waiting(intake.queue(self.stack, queue)))

    def messages_about(self, key: str) -> list[dict[str, Any]]:
        """The messages about a source so far, see `published`."""
        return [message for message in self.published() if message["body"]["source"]["key"] == key]

    def published(self) -> list[dict[str, Any]]:
        """The messages on both topics so far: their envelopes, with `body` for the JSON in `default`."""
        while batch := self.sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                envelope = json.loads(message["Body"])
                self.messages.append(envelope | {"body": json.loads(envelope["Message"])})
                self.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
        return self.messages

    def dead_letters(self) -> list[str]:
        """Take the messages of the dead-letter queue; returns their bodies."""
        url, found = self.outputs["UploadDeadLetterQueueUrl"], []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def executions(self, record: dict[str, Any]) -> list[str]:
        """How each execution of a record's job ended, oldest first (STANDARD). They end just after their record."""
        return self.until(lambda: self._ended(record))  # type: ignore[no-any-return]

    def _ended(self, record: dict[str, Any]) -> list[str] | None:
        pages = self.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["StateMachineArn"]
        )
        found = [each for page in pages for each in page["executions"] if each["name"].startswith(record["job_id"])]
        statuses = [each["status"] for each in sorted(found, key=lambda each: each["name"])]
        return None if "RUNNING" in statuses else statuses

    def set_of(self, key: str) -> set[str]:
        """The names of the objects in a source's set."""
        folder = self._folder(key)
        found = self.s3.list_objects_v2(Bucket=self.outputs["OutputBucketName"], Prefix=folder).get("Contents", [])
        return {item["Key"].removeprefix(folder) for item in found}

    def manifest(self, key: str) -> dict[str, Any]:
        name = self._folder(key) + "manifest.json"
        body = self.s3.get_object(Bucket=self.outputs["OutputBucketName"], Key=name)["Body"].read()
        document: dict[str, Any] = json.loads(body)
        return document

    def missing(self, key: str) -> set[str]:
        """The renditions in a source's manifest that are not in the bucket."""
        return {entry["key"].rpartition("/")[2] for entry in self.manifest(key)["renditions"]} - self.set_of(key)

    def _folder(self, key: str) -> str:
        return "processed/" + key.removeprefix(source_prefix(self.stack)) + "/"


def tidied(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline for one of several tests; cleans up after it."""
    yield pipeline
    pipeline.faults.clear()
    pipeline.drained()
    pipeline.dead_letters()


def notification(pipeline: Pipeline, key: str, version: str) -> dict[str, Any]:
    """The record of an S3 notification that a version was created."""
    s3_object = {"key": quote_plus(key, safe="/"), "versionId": version}
    bucket = {"name": pipeline.outputs["SourceBucketName"]}
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": bucket, "object": s3_object}}


def picture(color: str = "#336699", size: tuple[int, int] = (160, 120), kind: str = "JPEG") -> bytes:
    """A small picture: the work on it takes no time."""
    body = io.BytesIO()
    Image.new("RGB", size, color).save(body, kind)
    return body.getvalue()


def on_existing_bucket(folder: Path, *, versioned: bool = False, **options: Any) -> Iterator[Pipeline]:
    """A stack as of `deployed` whose sources are in somebody else's bucket, which was there before and is attached."""
    for pipeline in deployed(folder, ExistingSourceBucket=EXISTING, **options):
        pipeline.s3.create_bucket(Bucket=EXISTING)
        if versioned:
            pipeline.s3.put_bucket_versioning(Bucket=EXISTING, VersioningConfiguration={"Status": "Enabled"})
        attach.attach(pipeline.stack, "darkroom", yes=True)
        yield pipeline


def deployed(
    folder: Path,
    haste: dict[str, str] | None = None,
    recipes: Path | None = None,
    timeout: int | None = None,
    **parameters: str,
) -> Iterator[Pipeline]:
    """A local stack of its own for the tests of one module, whose functions meet the faults laid out in `folder`.

    `haste` are further settings of the trigger, `recipes` a file in place of functions/recipes.json, `timeout` the
    seconds that each of the workflow's functions may take.
    """

    def under_test(template: dict[str, Any]) -> None:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                properties = resource["Properties"]
                variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
                variables |= {
                    "REAL_MODULE": properties["Handler"].rpartition(".")[0],
                    "FAULTS": str(folder),
                    "PYTHONPATH": str(Path(__file__).parent),
                    "RECIPES": str(recipes or ""),
                }
                properties["Handler"] = "faulty.lambda_handler"
                if timeout and resource is not template["Resources"]["TriggerFunction"]:
                    properties["Timeout"] = timeout
        template["Resources"]["TriggerFunction"]["Properties"]["Environment"]["Variables"] |= HASTE | (haste or {})

    name = f"test-{os.getpid()}"
    try:
        with deploy.running(name, parameters=parameters, edit=under_test) as stack:
            pipeline = Pipeline(stack, Faults(folder))
            pipeline.deploy = lambda **changed: deploy.up(name, parameters=changed, edit=under_test)
            yield pipeline
    finally:
        shutil.rmtree(state.folder(name), ignore_errors=True)
