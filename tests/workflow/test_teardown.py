"""Teardown on a deployed local stack: what the stack made goes, with every version, and nothing else."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom import cli
from darkroom.commands import teardown
from darkroom.local import deploy, state
from darkroom.stack import Stack
from tests.workflow.pipeline import Faults, Pipeline, picture

NAME, THEIRS = f"test-{os.getpid()}", "photos-of-somebody-else"
QUEUE = {"Queue": {"Type": "AWS::SQS::Queue"}}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "POLL_SECONDS", 0.05)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    try:
        with deploy.running(NAME) as running:
            yield running
    finally:
        shutil.rmtree(state.folder(NAME), ignore_errors=True)


def darkroom(*arguments: str) -> int:
    return cli.main(["--stack", NAME, *arguments])


def buckets(stack: Stack) -> set[str]:
    return {each["Name"] for each in stack.client("s3").list_buckets()["Buckets"]} - {"darkroom-artifacts"}


def delete_stack(stack: Stack, name: str = NAME) -> None:
    """As `sam delete` does."""
    cloudformation = stack.client("cloudformation")
    (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    cloudformation.delete_stack(StackName=name)
    until(stack, found["StackId"], "DELETE_COMPLETE")


def until(stack: Stack, name: str, status: str) -> None:
    cloudformation = stack.client("cloudformation")
    while cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] != status:
        time.sleep(0.05)


def statuses(stack: Stack) -> set[str]:
    return {each["StackStatus"] for each in stack.client("cloudformation").list_stacks()["StackSummaries"]}


def fill(stack: Stack, folder: Path) -> None:
    """A photo with its set, versions, a delete marker, an unfinished upload, and somebody else's bucket."""
    pipeline = Pipeline(stack, Faults(folder))
    version = pipeline.upload("raw/stays.jpg", picture())
    pipeline.finished("raw/stays.jpg", version)
    s3, bucket = stack.client("s3"), stack.outputs["SourceBucketName"]
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="elsewhere/often.txt", Body=b"." * number)
    s3.delete_object(Bucket=bucket, Key="elsewhere/often.txt")
    s3.create_multipart_upload(Bucket=bucket, Key="elsewhere/half.jpg")
    s3.create_bucket(Bucket=THEIRS)
    s3.put_object(Bucket=THEIRS, Key="raw/theirs.jpg", Body=b"theirs")
    pipeline.drained()


def test_everything_that_a_stack_made_goes_when_its_name_is_typed(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stack, tmp_path)
    ours = {stack.outputs["SourceBucketName"], stack.outputs["OutputBucketName"]}
    capsys.readouterr()

    assert darkroom("teardown") == 0
    shown = capsys.readouterr().out
    assert f"bucket {stack.outputs['SourceBucketName']}: 1 object in 5 versions and delete markers" in shown
    assert "1 unfinished upload" in shown
    assert f"table  {stack.outputs['JobsTableName']}: about " in shown
    assert "Nothing was deleted." in shown

    monkeypatch.setattr(builtins, "input", lambda _: "darkroom")
    assert darkroom("teardown", "--delete-data") == 1
    assert "not the stack's name: nothing was deleted" in capsys.readouterr().err
    assert buckets(stack) == ours | {THEIRS}
    assert statuses(stack) == {"CREATE_COMPLETE"}

    monkeypatch.setattr(builtins, "input", lambda _: NAME)
    assert darkroom("teardown", "--delete-data") == 0
    assert buckets(stack) == {THEIRS}
    assert stack.client("s3").get_object(Bucket=THEIRS, Key="raw/theirs.jpg")["Body"].read() == b"theirs"
    assert stack.client("dynamodb").list_tables()["TableNames"] == []
    assert statuses(stack) == {"DELETE_COMPLETE"}
    capsys.readouterr()
    assert darkroom("teardown", "--delete-data") == 0
    assert capsys.readouterr().out == f"Nothing is left of the stack {NAME!r}.\n"
    assert darkroom("up") == 0, "and it can be deployed again"


def test_what_a_deleted_stack_left_is_found_and_an_interruption_does_no_harm(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stack, tmp_path)
    delete_stack(stack)
    assert darkroom("teardown") == 0
    assert "(DELETE_COMPLETE)" in capsys.readouterr().out

    real = teardown._empty

    def cut_off(s3: Any, name: str, account: str, *more: Any) -> None:
        if name == stack.outputs["OutputBucketName"]:
            raise KeyboardInterrupt
        real(s3, name, account, *more)

    with monkeypatch.context() as patch:
        patch.setattr(teardown, "_empty", cut_off)
        assert darkroom("teardown", "--delete-data", "--yes") == 130
    assert buckets(stack) == {stack.outputs["OutputBucketName"], THEIRS}
    assert darkroom("teardown", "--delete-data", "--yes") == 0
    assert buckets(stack) == {THEIRS}
    assert stack.client("dynamodb").list_tables()["TableNames"] == []


def test_what_others_made_or_work_with_stays(stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(stack, tmp_path)
    assert darkroom("up", "-p", f"ExistingSourceBucket={THEIRS}") == 0
    assert darkroom("attach", "--yes") == 0
    assert darkroom("teardown", "--delete-data", "--yes") == 1
    captured = capsys.readouterr()
    assert f"stays          {THEIRS} (ExistingSourceBucket)" in captured.out
    assert f"take that back first, with `bin/darkroom --stack {NAME} detach`" in captured.err
    assert darkroom("detach", "--yes") == 0

    cloudformation, output = stack.client("cloudformation"), stack.outputs["OutputBucketName"]
    # Another Darkroom, as far as teardown looks.
    template = {"Parameters": {"RetainedOutputBucket": {"Type": "String"}}, "Resources": QUEUE}
    cloudformation.create_stack(
        StackName="another",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "RetainedOutputBucket", "ParameterValue": output}],
    )
    until(stack, "another", "CREATE_COMPLETE")
    assert darkroom("teardown", "--delete-data", "--yes") == 1
    assert f"the stack 'another' works with {output}: tear that one down first" in capsys.readouterr().err
    assert {output, THEIRS} < buckets(stack)
    delete_stack(stack, "another")

    assert darkroom("teardown", "--delete-data", "--yes") == 0
    left = buckets(stack)
    assert THEIRS in left
    assert not any(name in left for name in (stack.outputs["SourceBucketName"], output))
    assert stack.client("s3").get_object(Bucket=THEIRS, Key="raw/theirs.jpg")["Body"].read() == b"theirs"


def test_a_stack_that_is_not_ours_is_left_alone(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    cloudformation = stack.client("cloudformation")
    delete_stack(stack)
    cloudformation.create_stack(StackName=NAME, TemplateBody=json.dumps({"Resources": QUEUE}))
    until(stack, NAME, "CREATE_COMPLETE")
    assert darkroom("teardown", "--delete-data", "--yes") == 1
    assert "is not Darkroom's: name another with --stack" in capsys.readouterr().err
    assert cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
