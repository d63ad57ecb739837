"""One test per path through the real state machine, on the deployed local stack, with STANDARD executions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, deployed, notification, on_existing_bucket, picture, tidied

HOSTILE = [
    "a/../b/./c",
    "//two",
    "%2B + .jpg",
    "100%",
    "?acl#&=",
    "e\u0301 \u202egpj",
    "😀<script>'\"",
    "a\\b",
    "return\r",
    "\x01\x1b",
    "tom/large.jpg",
    "tom",
]
LISTED = re.compile(r"[^\x00-\x1f]*")
COMPLETE = 14  # 13 renditions and the manifest


# Paths on which a bucket of somebody else's, without versions, differs: in the events, and in what an overwrite leaves.
EITHER_BUCKET = pytest.mark.parametrize("stack", ["own bucket", "existing bucket"], indirect=True)


@pytest.fixture(scope="module", params=["own bucket"])
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    deployment = on_existing_bucket if request.param == "existing bucket" else deployed
    yield from deployment(tmp_path_factory.mktemp("faults"), WorkflowType="STANDARD", MaxAttempts="2")


@pytest.fixture
def pipeline(stack: Pipeline) -> Iterator[Pipeline]:
    yield from tidied(stack)


@EITHER_BUCKET
def test_success(pipeline: Pipeline) -> None:
    key = "raw/summer 100% fun + größe/写真 (1).jpg"
    version = pipeline.upload(key, picture())
    record = pipeline.finished(key, version)
    assert (record["status"], record["result"]["renditions"], record["attempt"]) == ("SUCCEEDED", 13, 1)
    assert len(pipeline.set_of(key)) == COMPLETE
    manifest = pipeline.manifest(key)
    assert {rendition["key"].rpartition("/")[2] for rendition in manifest["renditions"]} | {
        "manifest.json"
    } == pipeline.set_of(key)
    assert manifest["source"]["version_id"] == version
    pipeline.drained()
    (message,) = pipeline.messages_about(key)
    assert (message["body"]["status"], message["body"]["job_id"]) == ("SUCCEEDED", record["job_id"])
    assert message["body"]["manifest"] == manifest
    assert pipeline.executions(record) == ["SUCCEEDED"]
    assert "Contents" not in pipeline.s3.list_objects_v2(Bucket=pipeline.outputs["OutputBucketName"], Prefix="work/")


@EITHER_BUCKET
def test_hostile_keys(pipeline: Pipeline) -> None:
    """All 200 go through the same code in tests/unit/test_keys.py; here through HTTP, S3's events and the workflow."""
    keys = [f"raw/hostile/{path}" for path in HOSTILE]
    versions = {key: pipeline.upload(key, picture()) for key in keys}
    for key, version in versions.items():
        assert (key, pipeline.finished(key, version)["status"]) == (key, "SUCCEEDED")
        manifest = pipeline.manifest(key)
        assert manifest["source"]["key"] == key
        for entry in manifest["renditions"]:
            found = pipeline.s3.head_object(Bucket=pipeline.outputs["OutputBucketName"], Key=entry["key"])
            assert found["ContentLength"] == entry["bytes"]
    pipeline.drained()
    assert {message["body"]["source"]["key"] for key in keys for message in pipeline.messages_about(key)} == set(keys)
    # MiniStack's ListObjectVersions does not encode what XML cannot carry, as S3 does.
    for key in filter(LISTED.fullmatch, keys):
        pipeline.delete(key)
    for key in filter(LISTED.fullmatch, keys):
        assert (key, pipeline.finished(key, versions[key], unless=("SUCCEEDED",))["status"]) == (key, "DELETED")
    pipeline.drained()
    assert [bool(pipeline.set_of(key)) for key in keys] == [not LISTED.fullmatch(key) for key in keys]


def test_one_stem_two_sources(pipeline: Pipeline) -> None:
    versions = {key: pipeline.upload(key, picture()) for key in ("raw/one/tom.jpg", "raw/one/tom.png", "raw/one/tom")}
    for key, version in versions.items():
        assert pipeline.finished(key, version)["status"] == "SUCCEEDED"
        assert pipeline.manifest(key)["source"]["key"] == key


@EITHER_BUCKET
def test_refusal(pipeline: Pipeline) -> None:
    key = "raw/cut-short.jpg"
    version = pipeline.upload(key, picture(size=(640, 480))[:-2000])
    record = pipeline.finished(key, version)
    assert (record["status"], record["code"]) == ("REJECTED", "CORRUPT")
    (message,) = pipeline.messages_about(key)
    assert (message["body"]["code"], message["body"]["reason"]) == (record["code"], record["reason"])
    assert message["TopicArn"] == pipeline.outputs["ErrorTopicArn"]
    assert pipeline.executions(record) == ["SUCCEEDED"]  # a refusal is no failure of the pipeline
    assert pipeline.set_of(key) == set()
    pipeline.drained()
    assert pipeline.dead_letters() == []


@EITHER_BUCKET
def test_a_refused_overwrite_keeps_the_old_set(pipeline: Pipeline) -> None:
    key = "raw/kept.jpg"
    first = pipeline.upload(key, picture())
    pipeline.finished(key, first)
    manifest = pipeline.manifest(key)
    second = pipeline.upload(key, b"no picture")
    pipeline.until(lambda: pipeline.record(key, second).get("status") == "REJECTED")
    pipeline.drained()
    assert (pipeline.manifest(key), len(pipeline.set_of(key))) == (manifest, COMPLETE)


@pytest.mark.parametrize(
    ("function", "state"),
    [
        ("validate", "ValidateImage"),
        ("resize", "ResizeImage"),
        ("filters", "ApplyFilters"),
        ("optimize", "OptimizeImage"),
    ],
)
def test_a_broken_step(pipeline: Pipeline, function: str, state: str) -> None:
    key = f"raw/broken-{function}.jpg"
    pipeline.faults.add(function, "raise", "Broken", stays=True)
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record["code"], record["attempt"]) == ("FAILED", "Broken", 2)
    assert record["last_failure"]["state"] == state
    (message,) = pipeline.messages_about(key)
    assert (message["body"]["status"], message["body"]["state"]) == ("FAILED", state)
    assert pipeline.executions(record) == ["FAILED", "FAILED"]
    pipeline.drained()
    (letter,) = pipeline.dead_letters()
    assert json.loads(letter)["Records"][0]["s3"]["object"]["key"] == key


def test_a_set_that_stands_is_told_as_such_although_a_notification_broke(pipeline: Pipeline) -> None:
    key = "raw/broken-notify.jpg"
    pipeline.faults.add("notify", "raise", "Broken", when='"status": "SUCCEEDED"', stays=True)
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record["attempt"]) == ("SUCCEEDED", 1)
    assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["SUCCEEDED"]
    assert pipeline.executions(record) == ["SUCCEEDED"]


@pytest.mark.parametrize("stands", [False, True])
def test_a_run_that_cannot_notify_anybody(pipeline: Pipeline, stands: bool) -> None:
    """NotifyError itself is broken: the trigger sees that the run did not close its record, and reports it."""
    key = f"raw/speechless-{stands}.jpg"
    if not stands:
        pipeline.faults.add("resize", "raise", "Broken", stays=True)
    pipeline.faults.add("notify", "exit", 1, stays=True)
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record.get("code"), record["attempt"]) == (
        ("SUCCEEDED", None, 1) if stands else ("FAILED", "EXECUTION_FAILED", 2)
    )
    assert [message["body"]["status"] for message in pipeline.messages_about(key)] == [record["status"]]
    pipeline.drained()
    assert len(pipeline.dead_letters()) == (not stands)


@EITHER_BUCKET
def test_a_dead_letter_that_is_sent_back_opens_a_new_round(pipeline: Pipeline) -> None:
    key = "raw/redriven.jpg"
    pipeline.faults.add("resize", "raise", "Broken", stays=True)
    version = pipeline.upload(key, picture())
    pipeline.finished(key, version)
    pipeline.drained()
    pipeline.faults.clear()
    (letter,) = pipeline.dead_letters()
    pipeline.sqs.send_message(QueueUrl=pipeline.outputs["UploadQueueUrl"], MessageBody=letter)
    record = pipeline.finished(key, version, unless=("FAILED",))
    assert (record["status"], record["round"]) == ("SUCCEEDED", 2)


def test_a_transient_fault_is_retried_within_the_run(pipeline: Pipeline) -> None:
    key = "raw/throttled.jpg"
    pipeline.faults.add("optimize", "raise", "Lambda.TooManyRequestsException")
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record["attempt"]) == ("SUCCEEDED", 1)
    assert len(pipeline.messages_about(key)) == 1


def test_a_crash_heals_with_the_next_attempt(pipeline: Pipeline) -> None:
    key = "raw/crashed.jpg"
    pipeline.faults.add("resize", "exit", 1)
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record["attempt"], record["last_failure"]["state"]) == ("SUCCEEDED", 2, "ResizeImage")
    assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["SUCCEEDED"]
    assert pipeline.executions(record) == ["FAILED", "SUCCEEDED"]


def test_duplicates_make_one_run_and_one_message(pipeline: Pipeline) -> None:
    key = "raw/five times.jpg"
    pipeline.faults.add("validate", "sleep", 1)  # so that the copies meet a run in progress
    version = pipeline.upload(key, picture())
    body = json.dumps({"Records": [notification(pipeline, key, version)]})
    for _ in range(4):
        pipeline.sqs.send_message(QueueUrl=pipeline.outputs["UploadQueueUrl"], MessageBody=body)
    record = pipeline.finished(key, version)
    pipeline.drained()
    assert pipeline.executions(record) == ["SUCCEEDED"]
    assert len(pipeline.messages_about(key)) == 1


def test_a_poison_message_goes_alone(pipeline: Pipeline) -> None:
    key, url = "raw/beside-poison.jpg", pipeline.outputs["UploadQueueUrl"]
    version = pipeline.upload(key, picture())
    entries = [
        {"Id": "poison", "MessageBody": "no notification"},
        {"Id": "good", "MessageBody": json.dumps({"Records": [notification(pipeline, key, version)]})},
    ]
    pipeline.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert pipeline.finished(key, version)["status"] == "SUCCEEDED"
    pipeline.drained()
    assert pipeline.dead_letters() == ["no notification"]


@EITHER_BUCKET
def test_messages_about_no_source_are_acknowledged(pipeline: Pipeline) -> None:
    pipeline.sqs.send_message(
        QueueUrl=pipeline.outputs["UploadQueueUrl"],
        MessageBody=json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
    )
    versions = {key: pipeline.upload(key, b"") for key in ("raw/folder/", "raw/folder/.DS_Store", "raw/Thumbs.db")}
    pipeline.drained()
    assert [pipeline.record(key, version) for key, version in versions.items()] == [{}, {}, {}]
    assert pipeline.dead_letters() == []


@EITHER_BUCKET
def test_an_overwrite_while_running(pipeline: Pipeline) -> None:
    key = "raw/overwritten.png"
    pipeline.faults.add("optimize", "sleep", 3)
    first = pipeline.upload(key, picture("#ff0000", kind="PNG"))
    pipeline.until(lambda: pipeline.record(key, first).get("status") == "PROCESSING")
    second = pipeline.upload(key, picture("#00ff00", kind="PNG"))
    assert pipeline.finished(key, second)["status"] == "SUCCEEDED"
    pipeline.drained()
    manifest = pipeline.manifest(key)
    assert manifest["source"]["version_id"] == second
    assert manifest["placeholder"]["color"] in ("#00ff00", "#01ff00", "#00fe00")
    for rendition in manifest["renditions"]:
        found = pipeline.s3.head_object(Bucket=pipeline.outputs["OutputBucketName"], Key=rendition["key"])
        assert found["ContentLength"] == rendition["bytes"]


@EITHER_BUCKET
def test_a_delete_while_running(pipeline: Pipeline) -> None:
    key = "raw/deleted.jpg"
    pipeline.faults.add("optimize", "sleep", 3)
    version = pipeline.upload(key, picture())
    pipeline.until(lambda: pipeline.record(key, version).get("status") == "PROCESSING")
    pipeline.delete(key)
    pipeline.until(lambda: pipeline.record(key, version).get("status") == "DELETED")
    pipeline.drained()
    assert pipeline.set_of(key) == set()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_source_that_vanishes_before_it_is_read_never_fails(pipeline: Pipeline, replaced: bool) -> None:
    key = f"raw/vanished-{replaced}.jpg"
    pipeline.faults.add("validate", "sleep", 2, when=key)
    version = pipeline.upload(key, picture())
    pipeline.until(lambda: pipeline.record(key, version).get("status") == "PROCESSING")
    pipeline.delete(key, version)
    if replaced:
        second = pipeline.upload(key, picture("#ffffff"))
        assert pipeline.finished(key, second)["status"] == "SUCCEEDED"
    record = pipeline.finished(key, version)
    assert (record["status"], record["last_failure"]["code"]) == (
        "SUPERSEDED" if replaced else "DELETED",
        "SourceGoneError",
    )
    pipeline.drained()
    assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["SUCCEEDED"] * replaced
    assert pipeline.dead_letters() == []


@EITHER_BUCKET
def test_the_same_bytes_are_not_processed_again(pipeline: Pipeline) -> None:
    key = "raw/again.jpg"
    first = pipeline.finished(key, pipeline.upload(key, picture()))
    second = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (second["status"], second["result"]) == ("SUCCEEDED", first["result"])
    pipeline.drained()
    assert pipeline.executions(first) == ["SUCCEEDED"]
    pages = pipeline.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=pipeline.outputs["StateMachineArn"]
    )
    jobs = first["job_id"], second["job_id"]  # without versions, the same
    assert len([each for page in pages for each in page["executions"] if each["name"].startswith(jobs)]) == 1
    assert len(pipeline.messages_about(key)) == 1


@EITHER_BUCKET
def test_another_focus_makes_the_set_again(pipeline: Pipeline) -> None:
    key, bucket = "raw/focused.jpg", pipeline.outputs["SourceBucketName"]
    here = {"Bucket": bucket, "Key": key}

    def made_with() -> Any:
        return pipeline.manifest(key)["source"].get("given")

    first = pipeline.s3.put_object(**here, Body=picture(), Metadata={"focus": "0.1,0.9", "alt": "=?utf-8?b?54yr?="})
    pipeline.finished(key, first.get("VersionId", "null"))
    assert made_with() == {"focus": "0.1,0.9", "alt": "猫"}
    pipeline.s3.copy_object(**here, CopySource=here, Metadata={"focus": "0.9,0.9"}, MetadataDirective="REPLACE")
    pipeline.until(lambda: made_with() == {"focus": "0.9,0.9"})
    pipeline.drained()
    told = [message["body"]["source"]["given"] for message in pipeline.messages_about(key)]
    assert [given["focus"] for given in told] == ["0.1,0.9", "0.9,0.9"]


def test_a_delete_and_a_restore(pipeline: Pipeline) -> None:
    key = "raw/restored.jpg"
    version = pipeline.upload(key, picture())
    pipeline.finished(key, version)
    marker = pipeline.delete(key)
    pipeline.until(lambda: pipeline.record(key, version).get("status") == "DELETED")
    pipeline.drained()
    assert pipeline.set_of(key) == set()
    pipeline.delete(key, marker)
    record = pipeline.finished(key, version, unless=("DELETED",))
    assert (record["status"], record["round"], len(pipeline.set_of(key))) == ("SUCCEEDED", 2, COMPLETE)


def test_a_trigger_killed_while_waiting(pipeline: Pipeline) -> None:
    key = "raw/trigger-killed.jpg"
    pipeline.faults.add("optimize", "sleep", 3)
    pipeline.faults.add("trigger", "exit after", 2)
    version = pipeline.upload(key, picture())
    record = pipeline.finished(key, version)
    pipeline.drained()
    assert record["status"] == "SUCCEEDED"
    assert pipeline.executions(record) == ["SUCCEEDED"]
    assert len(pipeline.messages_about(key)) == 1


def test_an_execution_that_was_stopped_heals(pipeline: Pipeline) -> None:
    key = "raw/stopped.jpg"
    pipeline.faults.add("resize", "sleep", 8)
    version = pipeline.upload(key, picture())
    name = pipeline.until(lambda: pipeline.record(key, version).get("execution_name"))
    arn = pipeline.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
    time.sleep(1)
    pipeline.stepfunctions.stop_execution(executionArn=arn)
    record = pipeline.finished(key, version)
    assert (record["status"], record["attempt"]) == ("SUCCEEDED", 2)
    assert record["last_failure"]["code"] == "EXECUTION_ABORTED"
    assert pipeline.executions(record) == ["ABORTED", "SUCCEEDED"]


def test_images_in_flight_stay_below_the_bound(pipeline: Pipeline) -> None:
    keys = [f"raw/many/{number}.jpg" for number in range(12)]
    versions = {key: pipeline.upload(key, picture()) for key in keys}
    seen = []

    def all_done() -> bool:
        running = pipeline.stepfunctions.list_executions(
            stateMachineArn=pipeline.outputs["StateMachineArn"], statusFilter="RUNNING"
        )
        seen.append(len(running["executions"]))
        return all(pipeline.record(key, version).get("status") == "SUCCEEDED" for key, version in versions.items())

    pipeline.until(all_done)
    assert 1 <= max(seen) <= 2 * 2  # BatchSize x MaximumConcurrency


def test_a_weakened_role_is_denied(pipeline: Pipeline) -> None:
    """The roles are enforced: without its s3:GetObject, ResizeFunction cannot read the source."""
    key = "raw/denied.jpg"
    role = (
        pipeline.stack.client("lambda")
        .get_function_configuration(FunctionName=pipeline.outputs["ResizeFunctionName"])["Role"]
        .rpartition("/")[2]
    )
    policy = pipeline.iam.get_role_policy(RoleName=role, PolicyName="Resize")["PolicyDocument"]
    weakened = {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != "ReadTheSource"]}
    pipeline.iam.put_role_policy(RoleName=role, PolicyName="Resize", PolicyDocument=json.dumps(weakened))
    try:
        record = pipeline.finished(key, pipeline.upload(key, picture()))
    finally:
        pipeline.iam.put_role_policy(RoleName=role, PolicyName="Resize", PolicyDocument=json.dumps(policy))
    assert (record["status"], record["last_failure"]["state"]) == ("FAILED", "ResizeImage")
    assert "AccessDenied" in record["reason"]
    assert "s3:GetObject" in record["reason"]
