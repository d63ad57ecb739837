"""What bounds the work: DailyImageLimit, and a Lambda that refuses calls. Uploads wait, and none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom import cli
from tests.workflow.pipeline import Pipeline, deployed, picture, tidied

LIMIT, UPLOADS = 6, 30
RECIPES = Path(__file__).parents[1] / "soak/recipes.json"  # as little work as an upload can make
TOO_MANY = "Lambda.TooManyRequestsException"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("faults")
    parameters = {"BatchSize": "4", "MaximumConcurrency": "3", "DailyImageLimit": str(LIMIT)}
    yield from deployed(folder, {"BRAKE_SECONDS": "1"}, RECIPES, **parameters)


@pytest.fixture
def pipeline(limited: Pipeline) -> Iterator[Pipeline]:
    yield from tidied(limited)


def test_uploads_beyond_the_limit_wait_until_it_is_raised(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    body = picture(size=(64, 48))
    versions = {f"raw/{number}.jpg": pipeline.upload(f"raw/{number}.jpg", body) for number in range(UPLOADS)}
    pipeline.until(lambda: ended(pipeline, versions) == LIMIT)
    pipeline.until(lambda: pipeline.logged("TriggerFunction", "OverDailyLimit") > UPLOADS)  # they came again
    assert len(pipeline.started()) == LIMIT
    assert status(pipeline, capsys) == f"{LIMIT} of {LIMIT} images today (UTC)"
    pipeline.until(lambda: pipeline.waiting("UploadQueueUrl") == UPLOADS - LIMIT)
    pipeline.update(DailyImageLimit="1000")
    pipeline.until(lambda: ended(pipeline, versions) == UPLOADS)
    pipeline.drained()
    assert len(pipeline.started()) == UPLOADS  # nothing was done twice
    assert pipeline.dead_letters() == []
    assert status(pipeline, capsys) == f"{UPLOADS} of 1000 images today (UTC)"


def ended(pipeline: Pipeline, versions: dict[str, str]) -> int:
    return sum(record.get("status") == "SUCCEEDED" for record in pipeline.records(versions).values())


def status(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> str:
    """What `darkroom status` says of the limit."""
    capsys.readouterr()
    assert cli.main(["--stack", pipeline.stack.name, "status"]) == 0
    return next(line for line in capsys.readouterr().out.splitlines() if "images today" in line).partition(".")[0]


def test_a_function_that_lambda_refuses_for_longer_than_its_retries_is_tried_again(pipeline: Pipeline) -> None:
    """Error and retries as on AWS; the emulator's own refusal has another name."""
    functions = ["validate", "resize", "filters", "optimize"]
    for function in functions:
        pipeline.faults.add(function, "raise", TOO_MANY, when=f"raw/{function}.jpg", stays=True)
    versions = {f"raw/{each}.jpg": pipeline.upload(f"raw/{each}.jpg", picture()) for each in functions}
    for key, version in versions.items():
        failed = pipeline.until(lambda key=key, version=version: pipeline.record(key, version).get("last_failure"))
        assert failed["code"] == TOO_MANY
    pipeline.faults.clear()
    for key, version in versions.items():
        record = pipeline.finished(key, version)
        assert (record["status"], record["attempt"] > 1, pipeline.missing(key)) == ("SUCCEEDED", True, set())
        assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["SUCCEEDED"]
    pipeline.drained()
    assert pipeline.dead_letters() == []


def test_a_set_that_nobody_can_tell_of_is_told_once(pipeline: Pipeline) -> None:
    """NotifyFunction is refused, for its retries too: the trigger tells what became of the attempt."""
    key = "raw/notify.jpg"
    pipeline.faults.add("notify", "raise", TOO_MANY, when=key, stays=True)
    record = pipeline.finished(key, pipeline.upload(key, picture()))
    assert (record["status"], record["attempt"], "last_failure" in record) == ("SUCCEEDED", 1, False)
    assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["SUCCEEDED"]
    pipeline.drained()
    assert pipeline.dead_letters() == []


def test_a_trigger_that_lambda_refuses_leaves_the_messages_in_the_queue(pipeline: Pipeline) -> None:
    """On AWS each refusal spends a receive: tests/simulation has that."""
    client, name = pipeline.stack.client("lambda"), pipeline.outputs["TriggerFunctionName"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        version = pipeline.upload("raw/later.jpg", picture())
        pipeline.until(lambda: pipeline.waiting("UploadQueueUrl") == 1)
    finally:
        client.delete_function_concurrency(FunctionName=name)
    assert pipeline.finished("raw/later.jpg", version)["status"] == "SUCCEEDED"
