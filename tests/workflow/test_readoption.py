"""A new stack takes over what a deleted one left: the sets stand, and nothing is made again for them."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom import cli
from darkroom.commands.doctor import diagnosis
from darkroom.local import deploy, state
from darkroom.stack import Stack
from tests.workflow.pipeline import Faults, Pipeline, picture

NAME = f"test-{os.getpid()}"


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Pipeline]:
    try:
        with deploy.running(NAME) as stack:
            yield Pipeline(stack, Faults(tmp_path))
    finally:
        shutil.rmtree(state.folder(NAME), ignore_errors=True)


def darkroom(*arguments: str) -> int:
    return cli.main(["--stack", NAME, *arguments])


def delete(stack: Stack) -> None:
    """As `sam delete` does."""
    cloudformation, described = stack.client("cloudformation"), stack.describe()
    assert described
    cloudformation.delete_stack(StackName=NAME)
    name = described["StackId"]
    while cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] != "DELETE_COMPLETE":
        time.sleep(0.05)


def outputs(pipeline: Pipeline) -> dict[str, Any]:
    """When each object in the output bucket was written, and what it is."""
    found = pipeline.s3.list_objects_v2(Bucket=pipeline.outputs["OutputBucketName"], Prefix="processed/")
    return {each["Key"]: (each["LastModified"], each["ETag"]) for each in found["Contents"]}


def runs(pipeline: Pipeline) -> int:
    found = pipeline.stepfunctions.list_executions(stateMachineArn=pipeline.outputs["StateMachineArn"])
    return len(found["executions"])


def tell_of_removal(pipeline: Pipeline, key: str, marker: str) -> None:
    """As EventBridge does on AWS: the emulator's leaves out the delete marker's version."""
    detail = {
        "bucket": {"name": pipeline.outputs["SourceBucketName"]},
        "object": {"key": key, "version-id": marker, "sequencer": "F" * 16},
        "reason": "DeleteObject",
        "deletion-type": "Delete Marker Created",
    }
    event = {"version": "0", "source": "aws.s3", "detail-type": "Object Deleted", "detail": detail}
    pipeline.sqs.send_message(QueueUrl=pipeline.outputs["UploadQueueUrl"], MessageBody=json.dumps(event))


def test_a_new_stack_goes_on_where_the_old_one_ended(
    first: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ("raw/stays.jpg", "raw/overwritten.jpg", "raw/deleted.jpg")
    versions = {key: first.upload(key, picture()) for key in keys}
    for key, version in versions.items():
        assert first.finished(key, version)["status"] == "SUCCEEDED"
    first.drained()
    before = outputs(first)
    delete(first.stack)
    assert outputs(first) == before, "the data stays"

    source, output, table = (first.outputs[f"{name}Name"] for name in ("SourceBucket", "OutputBucket", "JobsTable"))
    parameters = {"ExistingSourceBucket": source, "RetainedOutputBucket": output, "RetainedJobsTable": table}
    second = Pipeline(deploy.up(NAME, parameters=parameters), Faults(tmp_path))
    assert second.outputs["UploadQueueUrl"] != first.outputs["UploadQueueUrl"]
    assert [second.outputs[f"{name}Name"] for name in ("SourceBucket", "OutputBucket", "JobsTable")] == [
        source,
        output,
        table,
    ]
    assert darkroom("attach", "--yes") == 0
    assert [each for each in diagnosis(NAME, aws=False, send=False) if each.level in ("warning", "wrong")] == []
    started = runs(second)

    # An event about each of the old sources: as far as the new stack knows, nothing is to be done.
    for key in keys:
        assert darkroom("redrive", key) == 0
    second.drained()
    assert (outputs(second), runs(second)) == (before, started)
    assert {second.record(key, version)["status"] for key, version in versions.items()} == {"SUCCEEDED"}

    version = second.upload("raw/overwritten.jpg", picture("#993333"))
    assert second.finished("raw/overwritten.jpg", version)["status"] == "SUCCEEDED"
    assert second.manifest("raw/overwritten.jpg")["source"]["version_id"] == version
    tell_of_removal(second, "raw/deleted.jpg", second.delete("raw/deleted.jpg"))
    second.until(lambda: not second.set_of("raw/deleted.jpg"))
    second.drained()
    after = outputs(second)
    assert runs(second) == started + 1
    assert {key: value for key, value in after.items() if key.startswith("processed/stays.jpg/")} == {
        key: value for key, value in before.items() if key.startswith("processed/stays.jpg/")
    }
    assert second.missing("raw/overwritten.jpg") == set()
    assert second.waiting("UploadDeadLetterQueueUrl") == 0

    # What it has taken over outlives the new stack too.
    assert darkroom("teardown", "--delete-data", "--yes") == 1
    assert "take that back first" in capsys.readouterr().err
    assert darkroom("detach", "--yes") == 0
    assert darkroom("teardown", "--delete-data", "--yes") == 0
    assert f"stays          {output} (RetainedOutputBucket): this stack has not made it" in capsys.readouterr().out
    assert outputs(first) == after
    assert first.dynamodb.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"
