"""The functions' environment, and AWS in this process: moto's S3, DynamoDB, SQS and SNS."""

from __future__ import annotations

import os

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "darkroom",
    "SOURCE_BUCKET": "darkroom-source",
    "OUTPUT_BUCKET": "darkroom-output",
    "JOBS_TABLE": "jobs",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:ImagePipeline",
    "WORKFLOW_TYPE": "STANDARD",
    "ERROR_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:errors",
    "SUCCESS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:successes",
    "UPLOAD_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
    "PUBLIC_BASE_URL": "",
    "STACK_NAME": "darkroom",
    "MAX_ATTEMPTS": "3",
    "WAIT_SECONDS": "20",
    "LEASE_SECONDS": "30",
    "SETTLE_SECONDS": "5",
    "HEARTBEAT_SECONDS": "20",
    "BACKOFF_SECONDS": "30,120,480",
}
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
    os.environ.pop(name, None)

import json  # noqa: E402 - moto and the functions read the environment when they are imported
from typing import Any  # noqa: E402

import boto3  # noqa: E402
import pytest  # noqa: E402
from moto import mock_aws  # noqa: E402


class Cloud:
    """What the functions see of AWS, and what a test wants to know of it."""

    s3 = boto3.client("s3")
    dynamodb = boto3.client("dynamodb")
    sqs = boto3.client("sqs")
    sns = boto3.client("sns")

    def __init__(self) -> None:
        for bucket in ("darkroom-source", "darkroom-output"):
            self.s3.create_bucket(Bucket=bucket)
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
        for queue in ("uploads", "dead-letters", "told"):
            self.sqs.create_queue(QueueName=queue)
        for topic in ("errors", "successes"):
            arn = self.sns.create_topic(Name=topic)["TopicArn"]
            self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:told")

    def upload(self, key: str, body: bytes = b"photo") -> str:
        """Put a source; returns its version."""
        return str(self.s3.put_object(Bucket="darkroom-source", Key=key, Body=body)["VersionId"])

    def exists(self, key: str) -> bool:
        """Whether an object is in the output bucket."""
        found = self.s3.list_objects_v2(Bucket="darkroom-output", Prefix=key).get("Contents", [])
        return key in {item["Key"] for item in found}

    def records(self, key: str) -> list[dict[str, Any]]:
        """All items of a source key, as they are."""
        from pipeline import jobs

        found = self.dynamodb.query(
            TableName="jobs",
            KeyConditionExpression="source_key = :key",
            ExpressionAttributeValues={":key": {"S": key}},
        )
        return [jobs.unmarshal(item) for item in found["Items"]]

    def told(self) -> list[dict[str, Any]]:
        """Takes the messages that were published: their envelopes, with `body` for the JSON in `default`."""
        found = []
        url = self.sqs.get_queue_url(QueueName="told")["QueueUrl"]
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                envelope = json.loads(message["Body"])
                found.append(envelope | {"body": json.loads(envelope["Message"])})
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def dead_letters(self) -> list[dict[str, Any]]:
        """Takes the messages in the dead-letter queue."""
        url = self.sqs.get_queue_url(QueueName="dead-letters")["QueueUrl"]
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return list(found.get("Messages", []))


@pytest.fixture
def cloud() -> Any:
    """Empty buckets, table, queues and topics, as the template names them."""
    with mock_aws():
        yield Cloud()
