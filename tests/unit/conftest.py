"""The functions' environment, and AWS in this process: moto's S3, DynamoDB, SQS and SNS."""

from __future__ import annotations

import os

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "darkroom",
    "POWERTOOLS_METRICS_NAMESPACE": "Darkroom",
    "SOURCE_BUCKET": "darkroom-source",
    "OUTPUT_BUCKET": "darkroom-output",
    "JOBS_TABLE": "jobs",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:ImagePipeline",
    "WORKFLOW_TYPE": "STANDARD",
    "ERROR_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:errors",
    "SUCCESS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:successes",
    "UPLOAD_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
    "BACKFILL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/backfill",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
    "PUBLIC_BASE_URL": "",
    "STACK_NAME": "darkroom",
    "MAX_ATTEMPTS": "3",
    "WAIT_SECONDS": "20",
    "LEASE_SECONDS": "30",
    "SETTLE_SECONDS": "5",
    "HEARTBEAT_SECONDS": "20",
    "BACKOFF_SECONDS": "30,120,480",
    "DAILY_IMAGE_LIMIT": "0",
    "BRAKE_SECONDS": "900,1800,3600,7200,14400",
    "RECORD_DAYS": "90",
    "VALIDATE_MEMORY_MB": "1769",
}
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
    os.environ.pop(name, None)

import json  # noqa: E402 - moto and the functions read the environment when they are imported
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402
from urllib.parse import quote  # noqa: E402

import boto3  # noqa: E402
import pytest  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.core.botocore_stubber import BotocoreStubber  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402
from moto.s3.responses import S3Response  # noqa: E402

if TYPE_CHECKING:
    from tests.unit.triggering import SourceBucket, Workflow


class Cloud:
    """AWS as the functions see it, and the questions that tests ask of it."""

    s3 = boto3.client("s3")
    dynamodb = boto3.client("dynamodb")
    sqs = boto3.client("sqs")
    sns = boto3.client("sns")

    def __init__(self, versioned: bool = True) -> None:
        for bucket in ("darkroom-source", "darkroom-output"):
            self.s3.create_bucket(Bucket=bucket)
        if versioned:
            self.s3.put_bucket_versioning(Bucket="darkroom-source", VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "source_key", "AttributeType": "S"},
                {"AttributeName": "item", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "source_key", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
        )
        for queue in ("uploads", "backfill", "dead-letters", "published"):
            self.sqs.create_queue(QueueName=queue)
        for topic in ("errors", "successes"):
            arn = self.sns.create_topic(Name=topic)["TopicArn"]
            self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:published")

    def upload(self, key: str, body: bytes = b"photo", **metadata: str) -> str:
        """Put a source; returns its version, which is "null" in a bucket without versions."""
        answer = self.s3.put_object(Bucket="darkroom-source", Key=key, Body=body, Metadata=metadata)
        return str(answer.get("VersionId", "null"))

    def give(self, key: str, **metadata: str) -> str:
        """Copy a source onto itself, with these metadata instead of its own; returns the version."""
        here = {"Bucket": "darkroom-source", "Key": key}
        answer = self.s3.copy_object(CopySource=here, Metadata=metadata, MetadataDirective="REPLACE", **here)
        return str(answer.get("VersionId", "null"))

    def delete(self, key: str, version: str = "") -> str:
        """Delete a source, or one version of it; returns the version of the delete marker, or of what was deleted."""
        which = {"VersionId": version} if version not in ("", "null") else {}
        return str(self.s3.delete_object(Bucket="darkroom-source", Key=key, **which).get("VersionId", "null"))

    def outputs(self, prefix: str) -> set[str]:
        """The keys in the output bucket under a prefix."""
        answer = self.s3.list_objects_v2(Bucket="darkroom-output", Prefix=prefix)
        return {item["Key"] for item in answer.get("Contents", [])}

    def exists(self, key: str) -> bool:
        """True if an object is in the output bucket."""
        return key in self.outputs(key)

    def output(self, key: str) -> bytes:
        """The body of an object in the output bucket."""
        return self.s3.get_object(Bucket="darkroom-output", Key=key)["Body"].read()

    def records(self, key: str) -> list[dict[str, Any]]:
        """All items of a source key, as they are."""
        from pipeline import jobs

        answer = self.dynamodb.query(
            TableName="jobs",
            KeyConditionExpression="source_key = :key",
            ExpressionAttributeValues={":key": {"S": key}},
        )
        return [jobs.unmarshal(item) for item in answer["Items"]]

    def forget(self, key: str, version: str) -> None:
        """Remove a record, as the table's TTL does."""
        name = {"source_key": {"S": key}, "item": {"S": f"job#{version}"}}
        self.dynamodb.delete_item(TableName="jobs", Key=name)

    def published(self) -> list[dict[str, Any]]:
        """Take the messages on both topics: their envelopes, with `body` for the JSON in `default`."""
        messages = []
        url = self.sqs.get_queue_url(QueueName="published")["QueueUrl"]
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                envelope = json.loads(message["Body"])
                messages.append(envelope | {"body": json.loads(envelope["Message"])})
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def in_queue(self, name: str) -> int:
        """The number of messages in a queue."""
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[each]) for each in names)

    def dead_letters(self) -> list[dict[str, Any]]:
        """The messages in the dead-letter queue."""
        url = self.sqs.get_queue_url(QueueName="dead-letters")["QueueUrl"]
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return list(answer.get("Messages", []))


_list_object_versions, _process_request = S3Response.list_object_versions, BotocoreStubber.process_request
_one_at_a_time = threading.Lock()


def _with_encoded_keys(response: Any) -> Any:
    """Moto's ListObjectVersions, with keys that XML cannot carry encoded, as S3 does it and as boto3 asks for it."""
    serialized = response.serialized

    def encoded(answer: ActionResult) -> Any:
        result: Any = answer.result
        for entry in [*result["Versions"], *result["DeleteMarkers"]]:
            entry["Key"] = quote(entry["Key"])
        changed = {name: quote(result[name]) for name in ("Prefix", "KeyMarker", "NextKeyMarker") if name in result}
        return serialized(ActionResult(result | changed | {"EncodingType": "url"}))

    response.serialized = encoded
    return _list_object_versions(response)


def _serially(stubber: BotocoreStubber, request: Any) -> Any:
    """Moto's answer to a request. Its S3 breaks if another thread changes what it lists."""
    with _one_at_a_time:
        return _process_request(stubber, request)


@pytest.fixture
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SourceBucket:
    """The kind of the source bucket: the stack's own, unless a test is marked `in_any_bucket` or `with_versions`."""
    from tests.unit import triggering

    kind: SourceBucket = getattr(request, "param", triggering.OWN)
    monkeypatch.setattr(triggering, "bucket", kind)
    return kind


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, bucket: SourceBucket) -> Iterator[Cloud]:
    """Empty buckets, table, queues and topics."""
    monkeypatch.setattr(BotocoreStubber, "process_request", _serially)
    monkeypatch.setattr(S3Response, "list_object_versions", _with_encoded_keys)
    with mock_aws():
        yield Cloud(bucket.versioned)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass. The functions' clock stands still between two calls."""
    now = [time.time()]

    def passing(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "time", lambda: now[0])
    return passing


@pytest.fixture
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes between attempts, and nothing is written by a function that nobody waits for."""
    from trigger import lease, verdicts

    monkeypatch.setattr(lease, "SETTLE_SECONDS", -1)
    monkeypatch.setattr(verdicts, "BACKOFF_SECONDS", [-1])


@pytest.fixture
def workflow(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """The state machine that the trigger starts, played by the test."""
    from tests.unit.triggering import Workflow
    from trigger import executions, heartbeat

    played = Workflow(cloud)
    monkeypatch.setattr(executions, "run", played.run)
    monkeypatch.setattr(heartbeat, "_hide", lambda message, seconds: played.hidden.append(seconds))
    return played
