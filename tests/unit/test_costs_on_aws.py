"""What a stack on AWS used, by the answers that CloudWatch and Logs Insights are documented to give."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.costs import cloudwatch
from darkroom.costs.usage import REQUESTS, Usage
from darkroom.project import CommandError

STAGES = ["Trigger", "Validate", "Resize", "Filter", "Optimize", "Notify"]
OUTPUTS = {f"{name}FunctionName": f"darkroom-{name}" for name in STAGES} | {
    "JobsTableName": "darkroom-jobs-1",
    "UploadQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/darkroom-uploads-1",
    "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:pipeline",
}


class Aws:
    """CloudWatch, Logs and Lambda, with a stack that has made `images` images."""

    def __init__(self, images: int = 10, statuses: tuple[str, ...] = ("Scheduled", "Running", "Complete")) -> None:
        self.images, self.statuses = images, list(statuses)
        self.queried: dict[str, Any] = {}
        self.metrics: list[dict[str, Any]] = []

    # lambda
    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        memory = 256 if FunctionName.endswith(("Trigger", "Notify")) else 1769
        group = {"LogGroup": f"logs-of-{FunctionName}"}
        return {"FunctionName": FunctionName, "MemorySize": memory, "LoggingConfig": group}

    # cloudwatch and logs
    def get_paginator(self, name: str) -> Aws:
        assert name in ("get_metric_data", "list_metrics")
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        if "Namespace" in asked:
            yield {"Metrics": [{}] * 3}
            yield {"Metrics": [{}] * 2}
            return
        self.metrics += asked["MetricDataQueries"]
        # Two pages, each with a part of the values.
        for _ in range(2):
            yield {
                "MetricDataResults": [
                    {"Id": each["Id"], "Values": [self.value(each["MetricStat"]) / 2]}
                    for each in asked["MetricDataQueries"]
                ]
            }

    def value(self, asked: dict[str, Any]) -> float:
        assert asked["Stat"] == "Sum"
        dimensions = {each["Name"]: each["Value"] for each in asked["Metric"]["Dimensions"]}
        match asked["Metric"]["Namespace"], asked["Metric"]["MetricName"]:
            case "AWS/Lambda", "Invocations":
                return self.images / 2 if dimensions["FunctionName"] == "darkroom-Trigger" else self.images
            case "AWS/Lambda", "Duration":
                return 1000.0 * self.images
            case "AWS/SQS", "NumberOfMessagesSent":
                return self.images
            case "AWS/SQS", "NumberOfEmptyReceives":
                return 7
            case "AWS/DynamoDB", "ConsumedWriteCapacityUnits":
                return self.images * (2 if "GlobalSecondaryIndexName" in dimensions else 5)
            case "AWS/DynamoDB", "ConsumedReadCapacityUnits":
                return 0 if "GlobalSecondaryIndexName" in dimensions else 4 * self.images
            case "AWS/Logs", "IncomingBytes":
                return 100
            case "AWS/States", "ExpressExecutionBilledDuration":
                return 3200 * self.images
            case "Darkroom", "Images":
                return self.images if dimensions == {"service": "darkroom", "status": "SUCCEEDED"} else 0
        raise AssertionError(asked)

    def start_query(self, **asked: Any) -> dict[str, str]:
        self.queried = asked
        return {"queryId": "1"}

    def get_query_results(self, queryId: str) -> dict[str, Any]:  # noqa: N803
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status != "Complete":
            return {"status": status, "results": []}
        rows = [
            {"stage": "Trigger", "lines": "5", "broken": "0", "s3_HeadObject": "10", "s3_GetObject": "10"},
            {"stage": "ValidateImage", "lines": "10", "broken": "0", "s3_GetObject": "10"},
            {"stage": "ResizeImage", "lines": "10", "s3_GetObject": "10", "s3_PutObject": "10"},
            {"stage": "ApplyFilters", "lines": "10", "s3_GetObject": "10", "s3_PutObject": "10"},
            {"stage": "OptimizeImage", "lines": "10", "s3_GetObject": "30.0", "s3_PutObject": "140"},
            {"stage": "Notify", "lines": "10", "s3_GetObject": "10", "sns_Publish": "10"},
        ]
        return {
            "status": "Complete",
            "results": [[{"field": name, "value": value} for name, value in row.items()] for row in rows],
        }


class Place:
    """A stack on AWS."""

    name, outputs = "darkroom", OUTPUTS

    def __init__(self, aws: Aws, **parameters: str) -> None:
        self.aws, self.parameters = aws, {"Architecture": "arm64", **parameters}

    def client(self, service: str) -> Aws:
        assert service in ("lambda", "cloudwatch", "logs")
        return self.aws


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch.time, "sleep", lambda _: None)


def read(aws: Aws, **parameters: str) -> Usage:
    return cloudwatch.read(Place(aws, **parameters), time.time() - 3600)  # type: ignore[arg-type]


def test_what_a_standard_stack_used() -> None:
    used = read(Aws(), WorkflowType="STANDARD")
    assert used.images == 10
    assert used.transitions == 70
    assert used.express_gb_seconds == 0
    assert used.requests["lambda.Invoke"] == 55
    assert used.requests["s3.PutObject"] == 160
    assert used.requests["s3.GetObject"] == 80
    assert used.requests["sqs.ReceiveMessage"] == 5 + 7  # of full batches, and empty ones
    assert used.requests["sqs.DeleteMessageBatch"] == 5
    assert used.requests["sqs.SendMessage"] == 10
    assert (used.dynamodb_writes, used.dynamodb_reads) == (70, 40)
    assert used.log_bytes == 700  # six functions and the workflow
    assert used.gb_seconds["Trigger"] == 10 * 256 / 1024
    assert used.gb_seconds["OptimizeImage"] == 10 * 1769 / 1024
    assert used.unpriced == []
    assert "kms.Decrypt" not in used.requests
    assert "events.Event" not in used.requests


def test_what_an_express_stack_used() -> None:
    used = read(Aws(), WorkflowType="EXPRESS")
    assert used.transitions == 0
    assert used.express_gb_seconds == pytest.approx(32 * 64 / 1024)


def test_an_existing_bucket_adds_events_and_decryptions() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    used = read(Aws(), WorkflowType="STANDARD", ExistingSourceBucket="photos", SourceKmsKeyArn=key)
    assert used.requests["events.Event"] == 10
    assert used.requests["kms.Decrypt"] == 30  # validation and both branches read the source


def test_the_logs_of_all_functions_are_queried_once() -> None:
    aws = Aws()
    read(aws, WorkflowType="STANDARD")
    assert aws.queried["logGroupNames"] == sorted(f"logs-of-darkroom-{name}" for name in STAGES)
    assert aws.queried["startTime"] < aws.queried["endTime"]  # in seconds
    assert len(aws.queried["queryString"]) < 10_000  # the limit of Logs Insights


def test_the_query_finds_every_request_in_a_stage_line() -> None:
    patterns = re.findall(r"parse @message /(.*?)/ \|", cloudwatch.query() + " |")
    for name in REQUESTS:
        line = f'{{"stage":"Trigger","failed":"Fault","requests":{{"other":1,"{name}":12}}}}'
        found = {}
        for pattern in patterns:
            if match := re.search(pattern.replace("(?<", "(?P<"), line):
                found |= match.groupdict()
        assert found == {"stage": "Trigger", "failed": "Fault", f"n_{name.replace('.', '_')}": "12"}


def test_minutes_are_asked_for_only_while_cloudwatch_has_them() -> None:
    for hours, period in ((2, 60), (48, 3600)):
        aws = Aws()
        cloudwatch.read(Place(aws), time.time() - hours * 3600)  # type: ignore[arg-type]
        assert {each["MetricStat"]["Period"] for each in aws.metrics} == {period}


def test_metrics_are_counted_over_all_pages() -> None:
    assert cloudwatch.metrics(Place(Aws())) == 5  # type: ignore[arg-type]


def test_a_query_that_failed_is_told() -> None:
    with pytest.raises(CommandError, match="ended as Failed: ask for fewer hours"):
        read(Aws(statuses=("Running", "Failed")))


def test_a_query_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(CommandError, match="within five minutes"):
        read(Aws(statuses=("Running",)))
