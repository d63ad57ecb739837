"""What an operator does when something broke, by the command line, on the deployed local stack."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from darkroom import cli
from darkroom.local.template import load_template
from darkroom.project import ROOT
from darkroom.records import FINAL, OPEN
from tests.workflow.pipeline import Pipeline, deployed, picture, tidied


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    yield from deployed(tmp_path_factory.mktemp("faults"), WorkflowType="STANDARD", MaxAttempts="1")


@pytest.fixture
def pipeline(operated: Pipeline) -> Iterator[Pipeline]:
    for each in tidied(operated):
        yield each
        darkroom(operated, "resume")


def darkroom(pipeline: Pipeline, *arguments: str) -> int:
    return cli.main(["--stack", pipeline.stack.name, *arguments])


def statuses(pipeline: Pipeline, versions: dict[str, str]) -> set[tuple[str, int]]:
    records = [pipeline.record(key, version) for key, version in versions.items()]
    return {(record["status"], int(record["round"])) for record in records}


def delete_dead_letter(pipeline: Pipeline, key: str) -> None:
    """As its retention does after 14 days."""
    url = pipeline.outputs["UploadDeadLetterQueueUrl"]
    held = []
    while batch := pipeline.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        held += batch
    for message in held:
        if key in message["Body"]:
            pipeline.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        else:
            pipeline.sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )


def test_the_manual_has_every_alarm_status_code_and_command() -> None:
    from engine.rejection import SENTENCES

    manual = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
    template = load_template()["Resources"]
    alarms = {name for name, resource in template.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    named = {*alarms, *OPEN, *FINAL, *SENTENCES, "RUN_LOST"}
    assert {name for name in named if name not in manual} == set()
    parser = cli._parser([])
    for line in re.findall(r"^bin/darkroom (.+?)(?: +#.*)?$", manual, re.MULTILINE):
        parser.parse_args(line.split())  # exits for a command or an option that does not exist


def test_a_drill_recovers_everything(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.faults.add("validate", "raise", "Broken", when="broken", stays=True)
    pipeline.faults.add("validate", "raise", "Jammed", when="jammed", stays=True)
    broken, jammed = (
        {key: pipeline.upload(key, picture()) for key in (f"raw/{what} {number}.jpg" for number in range(3))}
        for what in ("broken", "jammed")
    )
    versions = broken | jammed
    pipeline.sqs.send_message(QueueUrl=pipeline.outputs["UploadQueueUrl"], MessageBody="no notification")
    for key, version in versions.items():
        assert pipeline.finished(key, version)["status"] == "FAILED"
    pipeline.drained()
    assert pipeline.waiting("UploadDeadLetterQueueUrl") == 7

    assert darkroom(pipeline, "redrive", "--dry-run") == 0
    assert "Would be sent to the upload queue: 6 dead letters." in capsys.readouterr().out
    assert statuses(pipeline, versions) == {("FAILED", 1)}
    assert (pipeline.waiting("UploadQueueUrl"), pipeline.waiting("UploadDeadLetterQueueUrl")) == (0, 7)

    pipeline.faults.clear()
    assert darkroom(pipeline, "redrive", "--code", "Jammed") == 0
    for key, version in jammed.items():
        pipeline.finished(key, version, unless=("FAILED",))
    pipeline.drained()
    assert statuses(pipeline, jammed) == {("SUCCEEDED", 2)}
    assert statuses(pipeline, broken) == {("FAILED", 1)}
    assert pipeline.waiting("UploadDeadLetterQueueUrl") == 4

    delete_dead_letter(pipeline, "broken+0.jpg")
    assert darkroom(pipeline, "redrive", "broken 1.jpg") == 0
    capsys.readouterr()
    assert darkroom(pipeline, "redrive") == 0
    text = capsys.readouterr().out
    assert "1 dead letter, 1 FAILED job without a dead letter." in text
    assert "1 unreadable" in text
    for key, version in broken.items():
        pipeline.finished(key, version, unless=("FAILED",))
    pipeline.drained()
    assert statuses(pipeline, versions) == {("SUCCEEDED", 2)}
    for key in versions:
        assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["FAILED", "SUCCEEDED"]

    capsys.readouterr()
    assert darkroom(pipeline, "redrive") == 0
    assert "Nothing to bring back" in capsys.readouterr().out
    assert darkroom(pipeline, "redrive", "--unreadable") == 0
    assert "no notification" in capsys.readouterr().out
    assert pipeline.waiting("UploadDeadLetterQueueUrl") == 1
    assert darkroom(pipeline, "redrive", "--unreadable", "--delete") == 0
    assert pipeline.waiting("UploadDeadLetterQueueUrl") == 0


def test_a_stuck_job_is_taken_up_again(pipeline: Pipeline) -> None:
    key = "raw/stuck.jpg"
    version = pipeline.upload(key, picture())
    record = pipeline.finished(key, version)
    pipeline.drained()
    # As if its run and its message had vanished two hours ago.
    lease = {"item": "lease", "holder": "gone", "version_id": version, "execution_name": record["execution_name"]}
    pipeline.dynamodb.put_item(
        TableName=pipeline.outputs["JobsTableName"],
        Item={
            "source_key": {"S": key},
            "held_until": {"N": "1"},
            **{name: {"S": each} for name, each in lease.items()},
        },
    )
    name = record["result"]["manifest_key"]
    pipeline.s3.delete_object(Bucket=pipeline.outputs["OutputBucketName"], Key=name)
    pipeline.dynamodb.update_item(
        TableName=pipeline.outputs["JobsTableName"],
        Key={"source_key": {"S": key}, "item": {"S": f"job#{version}"}},
        UpdateExpression="SET #s = :open, attention = :open, updated_at = :then REMOVE finished_at",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={
            ":open": {"S": "PROCESSING"},
            ":then": {"S": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 7200))},
        },
    )
    assert darkroom(pipeline, "redrive", "--stuck", "3") == 0
    assert pipeline.record(key, version)["status"] == "PROCESSING"
    assert darkroom(pipeline, "redrive") == 0
    record = pipeline.finished(key, version)
    assert (record["status"], record["code"]) == ("FAILED", "RUN_LOST"), "it was its only attempt"
    pipeline.drained()
    assert darkroom(pipeline, "redrive", "--code", "RUN_LOST") == 0
    record = pipeline.finished(key, version, unless=("FAILED",))
    assert (record["status"], record["round"]) == ("SUCCEEDED", 2)


def test_uploads_wait_while_intake_is_paused(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert darkroom(pipeline, "pause") == 0
    key = "raw/waits.jpg"
    version = pipeline.upload(key, picture())
    time.sleep(2)
    assert pipeline.record(key, version) == {}
    capsys.readouterr()
    assert darkroom(pipeline, "pause") == 0
    assert "was already paused: 1 waits in the queue, 0 in flight" in capsys.readouterr().out
    assert darkroom(pipeline, "redrive", key) == 0
    assert "Intake is paused" in capsys.readouterr().out
    assert darkroom(pipeline, "resume") == 0
    record = pipeline.finished(key, version)
    pipeline.drained()
    assert (record["status"], record["round"], len(pipeline.messages_about(key))) == ("SUCCEEDED", 1, 1)


def test_the_cost_of_a_standard_run(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    began = datetime.now(UTC)
    pipeline.finished("raw/priced.jpg", pipeline.upload("raw/priced.jpg", picture()))
    pipeline.drained()
    since = ["--since", began.isoformat()]
    assert darkroom(pipeline, "cost", *since, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["region"], told["used"]["images"], told["used"]["transitions"]) == ("us-east-1", 1, 7)
    assert told["used"]["requests"]["stepfunctions.StartExecution"] == 1
    assert told["dollars"]["Step Functions"] == pytest.approx(7 * 25e-6)
    assert told["dollars_per_image"] == pytest.approx(sum(told["dollars"].values()))
    assert darkroom(pipeline, "cost", *since) == 0
    assert "1 image, STANDARD, arm64" in capsys.readouterr().out
    assert darkroom(pipeline, "cost", "--region", "mars-north-1") != 0
    assert "no prices of mars-north-1" in capsys.readouterr().err
