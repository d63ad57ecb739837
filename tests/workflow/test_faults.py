"""A fault between every two effects of every function: each upload still ends, is reported and leaves a whole set.

One upload per point, all at once, so that they also meet each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.fault_points import POINTS
from tests.workflow.pipeline import Pipeline, deployed, picture


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    # A lease that is left behind holds for as long as a run can take: seconds, here.
    haste = {"LEASE_SECONDS": "30", "WAIT_SECONDS": "20"}
    folder = tmp_path_factory.mktemp("faults")
    parameters = {"MaxAttempts": "3", "BatchSize": "1", "MaximumConcurrency": "4"}
    yield from deployed(folder, haste, timeout=8, WorkflowType="STANDARD", **parameters)


def test_every_upload_survives_every_fault(pipeline: Pipeline) -> None:
    uploads, points = {}, {}
    codes = {
        "kill": "Runtime.ExitError",
        "timeout": "Sandbox.Timedout",
        "abort": "EXECUTION_ABORTED",
        "slowed": "ThrottlingException",
        "limited": "ExecutionLimitExceeded",
    }
    expected = {}
    for point in POINTS:
        function, kind, operation, nth, side = point
        key = f"raw/{function}/{kind}-{operation}-{nth}-{side}.jpg"
        pipeline.faults.add(function, kind, 1, when=key, at=(operation, nth, side))
        uploads[key], points[key] = pipeline.upload(key, picture()), point
        expected[key] = None if standing_by_then(*point) else codes.get(kind)
    for key, version in uploads.items():
        record = pipeline.finished(key, version, seconds=240)
        assert (key, record["status"]) == (key, "SUCCEEDED"), record
        assert expected[key] in (None, record.get("last_failure", {}).get("code")), record
        assert not standing_by_then(*points[key]) or record["attempt"] == 1, record
    pipeline.drained(seconds=120)
    assert pipeline.faults.left() == []  # every point was met
    assert pipeline.dead_letters() == []
    for key, version in uploads.items():
        assert pipeline.record(key, version)["status"] == "SUCCEEDED"
        assert pipeline.missing(key) == set()
        assert {message["body"]["status"] for message in pipeline.messages_about(key)} == {"SUCCEEDED"}
    assert leases(pipeline) == []
    left = pipeline.s3.list_objects_v2(Bucket=pipeline.outputs["OutputBucketName"], Prefix="work/").get("Contents", [])
    assert len(left) <= len(POINTS)  # intermediates of attempts that died: the bucket's lifecycle rule removes them


def standing_by_then(function: str, kind: str, operation: str, nth: int, side: str) -> bool:
    """Whether the fault comes after the manifest was written: no other attempt is made then."""
    written = (operation, nth, side) == ("PutObject", 14, "after") or operation == "DeleteObjects"
    return function == "notify" or (function == "optimize" and written)


def leases(pipeline: Pipeline) -> list[dict[str, Any]]:
    pages = pipeline.dynamodb.get_paginator("scan").paginate(TableName=pipeline.outputs["JobsTableName"])
    return [item for page in pages for item in page["Items"] if item["item"]["S"] == "lease"]


def test_a_lasting_fault_is_reported_once_wherever_it_is(pipeline: Pipeline) -> None:
    keys = {}
    for function in ("validate", "resize", "filters", "optimize"):
        key = f"raw/stays/{function}.jpg"
        pipeline.faults.add(function, "exit", 1, when=key, stays=True)
        keys[key] = pipeline.upload(key, picture())
    for key, version in keys.items():
        assert pipeline.finished(key, version)["status"] == "FAILED"
        assert [message["body"]["status"] for message in pipeline.messages_about(key)] == ["FAILED"]
    pipeline.drained()
    letters = [json.loads(letter)["Records"][0]["s3"]["object"]["key"] for letter in pipeline.dead_letters()]
    assert sorted(letters) == sorted(keys)
