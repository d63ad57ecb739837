"""Sample events, adapted to a stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from darkroom import intake, records
from darkroom.commands import invoke, watch
from darkroom.project import CommandError
from darkroom.stack import Stack
from pipeline.jobs import SCHEMA_VERSION
from tests.unit.fake_pipeline import FakePipeline, playing


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="my-source")
        client.put_bucket_versioning(Bucket="my-source", VersioningConfiguration={"Status": "Enabled"})
        monkeypatch.setattr(Stack, "client", lambda *_: client)
        monkeypatch.setattr(intake, "is_paused", lambda _: True)
        yield client


LOCAL = Stack(
    "t", {"SourceBucketName": "my-source", "OutputBucketName": "my-output"}, "us-east-1", "http://127.0.0.1:1"
)


def read(tmp_path: Path, event: object, stack: Stack = LOCAL) -> Any:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    return invoke.read_event(path, stack)


def test_a_job_gets_the_stacks_bucket_and_the_objects_real_version(tmp_path: Path, s3: Any) -> None:
    put = s3.put_object(Bucket="my-source", Key="raw/a.jpg", Body=b"12345")
    source = {"bucket": "darkroom-source", "key": "raw/a.jpg", "version_id": "sample", "etag": "sample", "size": 1}
    event = read(tmp_path, {"job": {"source": source}, "out": "darkroom-output"})
    assert event == {
        "job": {
            "source": {
                "bucket": "my-source",
                "key": "raw/a.jpg",
                "version_id": put["VersionId"],
                "etag": put["ETag"].strip('"'),
                "size": 5,
            }
        },
        "out": "my-output",
    }


def test_a_missing_photo_is_uploaded_and_named_in_the_queues_message(tmp_path: Path, s3: Any) -> None:
    notification = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "darkroom-source"}, "object": {"key": "raw/a+b%2B.jpg", "versionId": "sample"}},
    }
    event = read(tmp_path, {"Records": [{"body": json.dumps({"Records": [notification]})}]})
    s3_event = json.loads(event["Records"][0]["body"])["Records"][0]["s3"]
    head = s3.head_object(Bucket="my-source", Key="raw/a b+.jpg")
    assert s3_event["bucket"]["name"] == "my-source"
    assert s3_event["object"]["versionId"] == head["VersionId"]
    assert s3_event["object"]["size"] == head["ContentLength"] > 10_000


SOURCE = {"bucket": "darkroom-source", "key": "raw/a.jpg"}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePipeline]:
    """A pipeline on a local stack, with an intake that runs and is idle."""
    monkeypatch.setattr(intake, "is_paused", lambda _: False)
    monkeypatch.setattr(intake, "is_idle", lambda _: True)
    monkeypatch.setattr(invoke, "POLL_SECONDS", 0.01)
    with playing() as playing_one:
        object.__setattr__(playing_one.stack, "endpoint", LOCAL.endpoint)
        yield playing_one


def test_the_job_of_an_uploaded_photo_is_over_before_the_function_runs(
    play: FakePipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([False, False, True])
    monkeypatch.setattr(intake, "is_idle", lambda _: next(looks))
    version = read(tmp_path, SOURCE, play.stack)["version_id"]
    assert records.read(play.stack, ("raw/a.jpg", records.record_item(version)))["status"] == "SUCCEEDED"
    assert list(looks) == [], "the trigger has deleted the message too"
    assert capsys.readouterr().err == ""


def test_a_photo_that_no_pipeline_takes_is_not_waited_for(
    play: FakePipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play.ignore |= {"raw/a.jpg", "raw/b.jpg"}
    monkeypatch.setattr(invoke, "PATIENCE_SECONDS", 0.1)
    assert read(tmp_path, SOURCE, play.stack)["size"] > 10_000
    assert capsys.readouterr().err.startswith("raw/a.jpg was uploaded, but its own job has not ended")
    monkeypatch.setattr(intake, "is_paused", lambda _: True)
    monkeypatch.setattr(invoke, "PATIENCE_SECONDS", 600)
    assert read(tmp_path, SOURCE | {"key": "raw/b.jpg"}, play.stack)["size"] > 10_000


def test_a_removed_object_is_not_uploaded(tmp_path: Path, s3: Any) -> None:
    bucket = {"name": "darkroom-source"}
    read(tmp_path, {"eventName": "ObjectRemoved:Delete", "s3": {"bucket": bucket, "object": {"key": "raw/a.jpg"}}})
    assert s3.list_objects_v2(Bucket="my-source")["KeyCount"] == 0


def test_on_aws_nothing_is_uploaded(tmp_path: Path, s3: Any) -> None:
    deployed = Stack("t", LOCAL.outputs, "us-east-1")
    with pytest.raises(CommandError, match=r"raw/a\.jpg, which is not in my-source: upload it first"):
        read(tmp_path, {"bucket": "darkroom-source", "key": "raw/a.jpg"}, deployed)
    assert s3.list_objects_v2(Bucket="my-source")["KeyCount"] == 0


def test_only_the_samples_whole_bucket_name_is_replaced(tmp_path: Path) -> None:
    names = ["darkroom-source-aabbccddeeff", "my-darkroom-source", "arn:aws:s3:::darkroom-source/raw/a.jpg"]
    assert read(tmp_path, names) == [*names[:2], "arn:aws:s3:::my-source/raw/a.jpg"]


def test_text_that_only_looks_like_json_stays(tmp_path: Path) -> None:
    event = {"reason": "{not JSON", "Records": [{"body": "{not JSON"}, {"body": "no JSON either"}]}
    assert read(tmp_path, event) == event


def test_the_record_that_is_written_can_be_watched_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    with playing() as play:
        source = {"bucket": "darkroom-source", "key": "raw/a.jpg", "version_id": "v", "etag": "e", "size": 1}
        recipe = {"name": "default", "hash": "0" * 16}
        job: Any = {"job_id": "j", "execution_name": "j-1-1", "round": 1, "attempt": 1, "source": source}
        records.put_open(play.stack, job | {"recipe": recipe})
        change = next(watch.changes_of(play.stack, ["raw/a.jpg"]))
        assert watch.line(change).plain[10:] == "PROCESSING  raw/a.jpg"
        assert change["schema_version"] == SCHEMA_VERSION
        assert records.with_status(play.stack, "PROCESSING", 1) == [change]


def test_for_an_unknown_function_the_error_names_the_choices() -> None:
    stack = Stack("t", {"ResizeFunctionName": "r", "ValidateFunctionName": "v"}, "us-east-1")
    assert invoke.function_name(stack, "ValidateFunction") == "v"
    with pytest.raises(CommandError, match="no function 'Validate': the stack has ResizeFunction, ValidateFunction"):
        invoke.function_name(stack, "Validate")


def test_an_event_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file or directory"):
        invoke.read_event(tmp_path / "absent.json", LOCAL)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CommandError, match=r"bad\.json is not JSON"):
        invoke.read_event(tmp_path / "bad.json", LOCAL)
