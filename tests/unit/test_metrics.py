"""The lines that CloudWatch reads as metrics: one per invocation, one per job that has ended."""

from __future__ import annotations

import io
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline import jobs, metrics, outcomes
from tests.unit import triggering
from tests.unit.test_job_records import job
from tests.unit.triggering import KEY, Workflow, deliver, message

TWO_TRIES = Config(retries={"mode": "standard", "total_max_attempts": 2})
FINISHED: Any = {
    "source": {"size": 5},
    "renditions": [{"bytes": 3}, {"bytes": 4}],
    "created_at": "2026-01-31T12:00:02.500Z",
}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of metrics that were printed since the last look."""
    parsed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in parsed if "_aws" in line]


def figures(line: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], list[float]]:
    """What CloudWatch makes of a line: the values by the metric's name and its dimensions."""
    return {
        (metric["Name"], tuple(sorted(dimensions))): line[metric["Name"]]
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }


# ------------------------------------------------------------------------ stages


def test_an_invocation_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    handler = metrics.stage("ResizeImage")(lambda event, context: "answer")
    assert handler({"job": job()}, None) == "answer"
    (line,) = lines(capsys)
    assert list(figures(line)) == [("Seconds", ("service", "stage"))]
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Darkroom"
    assert (line["service"], line["stage"], line["source_key"]) == ("darkroom", "ResizeImage", KEY)
    assert (line["job_id"], line["execution_name"]) == (job()["job_id"], job()["execution_name"])
    assert line["started_at"].endswith("Z")
    assert "failed" not in line


def test_a_broken_invocation_names_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    @metrics.stage("ResizeImage")
    def handler(event: object, context: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        handler({"Records": []}, None)
    (line,) = lines(capsys)
    assert line["failed"] == "KeyError"
    assert "job_id" not in line


def test_the_requests_of_all_threads_are_counted_for_one_invocation(
    cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = metrics.client("s3", Config(retries={"mode": "standard", "total_max_attempts": 1}))

    @metrics.stage("OptimizeImage")
    def handler(event: object, context: object) -> None:
        def put() -> None:
            s3.put_object(Bucket="darkroom-output", Key="work/x", Body=b"")

        threads = [threading.Thread(target=put) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        s3.head_object(Bucket="darkroom-output", Key="work/x")

    lines(capsys)
    metrics._taken(metrics._sent)  # those of other tests
    handler(None, None)
    handler(None, None)
    assert [line["requests"] for line in lines(capsys)] == 2 * [{"s3.PutObject": 5, "s3.HeadObject": 1}]


def test_each_try_of_the_sdk_is_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    sqs = metrics.client("sqs", TWO_TRIES)

    def throttle(request: Any, **_: Any) -> AWSResponse:
        body = io.BytesIO(b'{"__type": "ThrottlingException", "message": "slow down"}')
        raw = SimpleNamespace(stream=lambda **_: iter([body.read()]))
        return AWSResponse(request.url, 400, {"Content-Type": "application/x-amz-json-1.0"}, raw)

    sqs.meta.events.register("before-send", throttle)
    metrics._taken(metrics._sent)
    with pytest.raises(ClientError, match="slow down"):
        sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/uploads", MessageBody="x")
    assert metrics._taken(metrics._sent) == 2 * ["sqs.SendMessage"]


# ------------------------------------------------------------------------- ends


def test_a_finished_job_counts_once_with_all_its_figures(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.ended(job(2), "SUCCEEDED", finished=FINISHED)
    (line,) = lines(capsys)
    assert figures(line) == {
        ("Images", ("code", "recipe", "service", "status")): [1],
        ("Failed", ("service",)): [0],
        ("Attempts", ("service",)): [2],
        ("BytesIn", ("service",)): [5],
        ("BytesOut", ("service",)): [7],
        ("EndToEnd", ("service",)): [2.5],
    }
    assert (line["status"], line["code"], line["recipe"], line["service"]) == ("SUCCEEDED", "-", "default", "darkroom")


def test_nobody_waits_for_what_a_backfill_finds(capsys: pytest.CaptureFixture[str]) -> None:
    old = job()
    del old["asked_at"]
    metrics.ended(old, "SUCCEEDED", finished=FINISHED)
    assert ("EndToEnd", ("service",)) not in figures(lines(capsys)[0])


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_what_ended_without_a_set_says_why(cloud: Any, capsys: pytest.CaptureFixture[str], status: Any) -> None:
    jobs.begin(job(3), None)
    if status == "REJECTED":
        outcomes.reject(job(3), {"code": "CORRUPT", "reason": "No."}, {"recipe": "0123456789abcdef", "memory": 1769})
    else:
        outcomes.fail(job(3), {"code": "CORRUPT", "reason": "No.", "state": "ResizeImage"})
    (line,) = lines(capsys)
    assert (line["status"], line["code"], line["reason"]) == (status, "CORRUPT", "No.")
    assert line["Failed"] == [int(status == "FAILED")]
    assert {"BytesIn", "BytesOut", "EndToEnd"}.isdisjoint(line)


def test_an_attempt_that_will_be_tried_again_ends_no_job(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.begin(job(1), None)
    outcomes.fail(job(1), {"code": "Broken", "reason": "it broke", "state": "ResizeImage"})
    assert lines(capsys) == []


def test_same_bytes_count_without_a_run(cloud: Any, workflow: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(message(triggering.record(KEY, cloud.upload(KEY))))
    first = [line for line in lines(capsys) if "Images" in line]
    deliver(message(triggering.record(KEY, cloud.upload(KEY))))
    second = [line for line in lines(capsys) if "Images" in line]
    assert [line.get("SameBytes") for line in first + second] == [None, [1]]
    assert {"Attempts", "EndToEnd", "BytesOut"}.isdisjoint(second[0])
    assert len(workflow.started) == 1


def test_the_line_of_the_trigger_names_the_attempts_that_it_started(
    cloud: Any, workflow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ["raw/a.jpg", "raw/b.jpg"]
    deliver(*(message(triggering.record(key, cloud.upload(key))) for key in keys))
    deliver(message(triggering.record(keys[0], cloud.upload(keys[0]))))
    first, second = (line for line in lines(capsys) if line.get("stage") == "Trigger")
    assert sorted(first["attempts"]) == sorted(job["execution_name"] for job in workflow.started)
    assert "attempts" not in second
