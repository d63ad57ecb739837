"""Where EXPRESS executions differ: the call that starts one returns when it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from darkroom.costs import local
from engine import animation
from tests.unit.pictures import data, quarters
from tests.workflow.pipeline import Pipeline, notification, picture, tidied


@pytest.fixture
def pipeline(express: Pipeline) -> Iterator[Pipeline]:
    yield from tidied(express)


def test_success_and_refusal(pipeline: Pipeline) -> None:
    versions = {key: pipeline.upload(key, body) for key, body in (("raw/good.jpg", picture()), ("raw/bad.jpg", b"bad"))}
    records = [pipeline.finished(key, version) for key, version in versions.items()]
    assert [record["status"] for record in records] == ["SUCCEEDED", "REJECTED"]
    pipeline.drained()
    assert [len(pipeline.messages_about(key)) for key in versions] == [1, 1]


def test_an_animation_moves_on(pipeline: Pipeline) -> None:
    """From a GIF through every function to films in S3, and to what the manifest says of them."""
    key = "raw/films/turning.gif"
    pictures = [quarters(200, 150).rotate(30 * number) for number in range(6)]
    gif = data(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=[40, 50, 60] * 2, loop=2)
    record = pipeline.finished(key, pipeline.upload(key, gif))
    assert (record["status"], record["result"]["renditions"]) == ("SUCCEEDED", 7)
    entries = pipeline.manifest(key)["renditions"]
    bodies = {
        (entry["name"], entry["format"]): pipeline.s3.get_object(
            Bucket=pipeline.outputs["OutputBucketName"], Key=entry["key"]
        )["Body"].read()
        for entry in entries
    }
    for entry in entries:
        content = bodies[entry["name"], entry["format"]]
        if entry["format"] == "jpeg":
            assert "frames" not in entry
            continue
        film = animation.read(entry["format"], content)
        assert film is not None
        assert (film.times, film.plays) == ([40, 50, 60] * 2, 3)
        assert (entry["frames"], entry["duration_ms"]) == (6, 300)
    assert 'media="(prefers-reduced-motion: reduce)"' in pipeline.manifest(key)["picture"]
    pipeline.drained()
    assert "Contents" not in pipeline.s3.list_objects_v2(Bucket=pipeline.outputs["OutputBucketName"], Prefix="work/")


def test_duplicates_make_one_run_and_one_message(pipeline: Pipeline) -> None:
    key = "raw/five times.jpg"
    pipeline.faults.add("validate", "sleep", 1)
    version = pipeline.upload(key, picture())
    body = {"Records": [notification(pipeline, key, version)]}
    for _ in range(4):
        pipeline.sqs.send_message(QueueUrl=pipeline.outputs["UploadQueueUrl"], MessageBody=json.dumps(body))
    record = pipeline.finished(key, version)
    pipeline.drained()
    assert (record["status"], record["attempt"], record["round"]) == ("SUCCEEDED", 1, 1)
    assert len(pipeline.messages_about(key)) == 1


def test_a_broken_step_heals_or_fails(pipeline: Pipeline) -> None:
    pipeline.faults.add("resize", "exit", 1, when="heals")
    pipeline.faults.add("resize", "exit", 1, when="stays", stays=True)
    versions = {key: pipeline.upload(key, picture()) for key in ("raw/heals.jpg", "raw/stays.jpg")}
    healed, stayed = (pipeline.finished(key, version) for key, version in versions.items())
    assert (healed["status"], healed["attempt"]) == ("SUCCEEDED", 2)
    assert (stayed["status"], stayed["code"], stayed["last_failure"]["state"]) == (
        "FAILED",
        "Runtime.ExitError",
        "ResizeImage",
    )
    pipeline.drained()
    assert len(pipeline.dead_letters()) == 1


def test_the_trigger_reports_a_run_that_cannot(pipeline: Pipeline) -> None:
    pipeline.faults.add("resize", "exit", 1, when="failed", stays=True)
    pipeline.faults.add("notify", "exit", 1, stays=True)
    versions = {key: pipeline.upload(key, picture()) for key in ("raw/failed.jpg", "raw/finished.jpg")}
    failed, finished = (pipeline.finished(key, version) for key, version in versions.items())
    assert (failed["status"], failed["code"]) == ("FAILED", "EXECUTION_FAILED")
    assert (finished["status"], finished["attempt"]) == ("SUCCEEDED", 1)
    told = [[message["body"]["status"] for message in pipeline.messages_about(key)] for key in versions]
    assert told == [["FAILED"], ["SUCCEEDED"]]


def test_a_trigger_killed_while_waiting(pipeline: Pipeline) -> None:
    key = "raw/trigger-killed.jpg"
    pipeline.faults.add("optimize", "sleep", 3)
    pipeline.faults.add("trigger", "exit after", 2)
    version = pipeline.upload(key, picture())
    record = pipeline.finished(key, version)
    pipeline.drained()
    assert (record["status"], record["attempt"]) == ("SUCCEEDED", 1)
    assert len(pipeline.messages_about(key)) == 1


def test_an_overwrite_while_running(pipeline: Pipeline) -> None:
    key = "raw/overwritten.jpg"
    pipeline.faults.add("optimize", "sleep", 2)
    first = pipeline.upload(key, picture("#ff0000"))
    pipeline.until(lambda: pipeline.record(key, first).get("status") == "PROCESSING")
    second = pipeline.upload(key, picture("#00ff00"))
    assert pipeline.finished(key, second)["status"] == "SUCCEEDED"
    pipeline.drained()
    assert pipeline.manifest(key)["source"]["version_id"] == second


def test_the_bill_counts_what_an_image_used(pipeline: Pipeline) -> None:
    pipeline.finished("raw/first.jpg", pipeline.upload("raw/first.jpg", picture()))
    pipeline.drained()  # of the bucket's own test message too
    since = time.time()
    pipeline.finished("raw/priced.jpg", pipeline.upload("raw/priced.jpg", picture()))
    pipeline.drained()
    used = local.read(pipeline.stack, since)
    assert (used.images, used.workflow_type, used.transitions) == (1, "EXPRESS", 0)
    assert (used.requests["lambda.Invoke"], used.requests["s3.PutObject"], used.requests["s3.HeadObject"]) == (6, 16, 1)
    assert used.requests["s3.GetObject"] <= 9
    assert (used.requests["sqs.ReceiveMessage"], used.requests["sqs.SendMessage"], used.requests["sns.Publish"]) == (
        1,
        1,
        1,
    )
    assert (used.dynamodb_writes, used.dynamodb_reads) == (7, 4)
    assert used.express_gb_seconds >= 0.1 * 64 / 1024
    assert used.log_bytes > 1000
    assert all(amount > 0 for amount in used.gb_seconds.values())
    assert used.unpriced == []
    assert local.read(pipeline.stack, time.time() + 60).images == 0
    assert local.metrics(pipeline.stack) > 5
