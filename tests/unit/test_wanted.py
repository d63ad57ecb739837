"""Which version of a source is wanted: the newest above the last delete marker that is not refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from moto.s3.models import s3_backends

from pipeline import recipes, storage
from tests.unit.triggering import (
    FOLDER,
    KEY,
    Workflow,
    deliver,
    in_any_bucket,
    job_records,
    lease_of,
    message,
    record,
    set_of,
    statuses,
    stored_set,
    with_versions,
    without_versions,
)
from trigger import executions, reconcile

Later = Callable[[float], None]


def put_while_suspended(cloud: Any, body: bytes) -> None:
    """Put the source as its version "null", beside the older ones. Moto would drop these."""
    cloud.upload(KEY, body)
    stored = s3_backends["123456789012"]["aws"].buckets["darkroom-source"].keys
    versions = [each for each in stored.getlist(KEY) if each.version_id != "null"]
    versions[-1]._version_id = "null"
    stored.setlist(KEY, versions)


def started(workflow: Workflow) -> list[str]:
    """The versions that were run, in this order."""
    return [job["source"]["version_id"] for job in workflow.started]


@in_any_bucket
def test_no_version_is_listed_while_the_newest_is_accepted(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.s3, "list_object_versions", lambda **_: pytest.fail("it costs a call"))
    for body in (b"1", b"2", b"2"):
        deliver(message(record(KEY, cloud.upload(KEY, body))))
    assert len(workflow.started) == 2


@with_versions
def test_a_refused_overwrite_does_not_lose_the_version_below_it(cloud: Any, workflow: Workflow) -> None:
    good, bad = cloud.upload(KEY, b"good"), cloud.upload(KEY, b"bad")
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, bad))) == []
    assert started(workflow) == [bad, good]
    assert stored_set(cloud) == set_of(b"good")
    assert deliver(message(record(KEY, good)), message(record(KEY, bad))) == []
    assert len(workflow.started) == 2
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {good: "SUCCEEDED", bad: "REJECTED"}


@with_versions
def test_a_version_that_was_superseded_is_brought_back_by_a_refusal(cloud: Any, workflow: Workflow) -> None:
    good, bad = cloud.upload(KEY, b"good"), cloud.upload(KEY, b"bad")

    def late(job: dict[str, Any]) -> None:
        assert deliver(message(record(KEY, good))) == []  # the key is busy, and it is not the newest
        assert job_records(cloud)[good]["status"] == "SUPERSEDED"
        workflow.reject(job)

    workflow.script = [late]
    assert deliver(message(record(KEY, bad))) == []
    assert stored_set(cloud) == set_of(b"good")
    assert job_records(cloud)[good]["status"] == "SUCCEEDED"


@with_versions
def test_refusals_lead_down_to_the_first_version_that_is_accepted(cloud: Any, workflow: Workflow) -> None:
    older, good = cloud.upload(KEY, b"older"), cloud.upload(KEY, b"good")
    refused = [cloud.upload(KEY, b"bad %d" % number) for number in range(5)]
    workflow.script = [workflow.reject] * 5
    assert deliver(message(record(KEY, refused[-1]))) == []
    assert started(workflow) == [*reversed(refused), good]
    assert older not in job_records(cloud)
    assert stored_set(cloud) == set_of(b"good")
    assert lease_of(cloud) is None


@with_versions
def test_without_an_acceptable_version_there_is_no_set(cloud: Any, workflow: Workflow) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.reject]
    deliver(message(record(KEY, bad)))
    assert stored_set(cloud) == set_of(b"good")
    cloud.delete(KEY, good)
    assert deliver(message(record(KEY, good, "ObjectRemoved:Delete"))) == []
    assert cloud.outputs(FOLDER) == set()
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {good: "DELETED", bad: "REJECTED"}
    assert len(workflow.started) == 2


@with_versions
def test_what_lies_below_a_delete_marker_is_not_wanted(cloud: Any, workflow: Workflow) -> None:
    old = cloud.upload(KEY, b"old")
    deliver(message(record(KEY, old)))
    cloud.delete(KEY)  # its message comes late
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, bad))) == []
    assert cloud.outputs(FOLDER) == set()
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {old: "DELETED", bad: "REJECTED"}


@in_any_bucket
def test_neighbouring_keys_are_no_versions(cloud: Any, workflow: Workflow) -> None:
    for key in (KEY[:-1], KEY + "/large.jpg", KEY + ".jpg"):
        cloud.upload(key)
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, cloud.upload(KEY, b"bad")))) == []
    assert {job["source"]["key"] for job in workflow.started} == {KEY}
    assert cloud.outputs("processed/") == set()


def test_an_older_version_that_fails_is_tried_again(cloud: Any, workflow: Workflow, later: Later) -> None:
    good, bad = cloud.upload(KEY, b"good"), cloud.upload(KEY, b"bad")
    workflow.script = [workflow.reject, workflow.fail]
    event = message(record(KEY, bad))
    assert len(deliver(event)) == 1
    assert workflow.hidden[-1] == 30
    later(30)
    assert deliver(event) == []
    assert started(workflow) == [bad, good, good]
    assert stored_set(cloud) == set_of(b"good")


@with_versions
def test_a_torn_set_is_mended_whatever_is_refused_meanwhile(cloud: Any, workflow: Workflow, later: Later) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    broken = cloud.upload(KEY, b"broken")
    workflow.script = [workflow.fail_halfway, workflow.reject]
    assert len(deliver(message(record(KEY, broken)))) == 1
    later(30)
    refused = message(record(KEY, cloud.upload(KEY, b"bad")))
    assert deliver(refused) == []
    assert stored_set(cloud) == set_of(b"broken")  # its second attempt
    cloud.delete(KEY, broken)
    assert deliver(message(record(KEY, broken, "ObjectRemoved:Delete"))) == []
    assert stored_set(cloud) == set_of(b"good")
    assert len(workflow.started) == 5


# ------------------------------------------------------------------ a bucket without versions


@without_versions
def test_without_versions_a_refusal_keeps_what_stands(cloud: Any, workflow: Workflow) -> None:
    cloud.upload(KEY, b"good")
    deliver(message(record(KEY, None)))
    assert stored_set(cloud) == set_of(b"good")
    before = cloud.outputs(FOLDER)
    workflow.script = [workflow.reject]
    cloud.upload(KEY, b"bad")
    for _ in range(2):
        assert deliver(message(record(KEY, None))) == []
    assert cloud.outputs(FOLDER) == before
    assert (statuses(cloud), len(workflow.started)) == (["REJECTED"], 2)
    rejected = [each for each in cloud.published() if each["body"]["status"] == "REJECTED"]
    assert len(rejected) == 1


@without_versions
def test_without_versions_other_bytes_are_another_job(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.reject]
    for body in (b"bad", b"good", b"better"):
        cloud.upload(KEY, body)
        assert deliver(message(record(KEY, None))) == []
    assert [job["round"] for job in workflow.started] == [1, 2, 3]
    assert statuses(cloud) == ["SUCCEEDED"]


@without_versions
def test_without_versions_a_torn_set_that_cannot_be_mended_goes(cloud: Any, workflow: Workflow, later: Later) -> None:
    cloud.upload(KEY, b"good")
    deliver(message(record(KEY, None)))
    cloud.upload(KEY, b"broken")
    workflow.script = [workflow.fail_halfway, workflow.reject]
    assert len(deliver(message(record(KEY, None)))) == 1
    later(30)
    cloud.upload(KEY, b"bad")
    assert deliver(message(record(KEY, None))) == []
    assert cloud.outputs(FOLDER) == set()


@without_versions
def test_without_versions_a_delete_is_a_delete(cloud: Any, workflow: Workflow) -> None:
    cloud.upload(KEY, b"good")
    deliver(message(record(KEY, None)))
    cloud.delete(KEY)
    assert deliver(message(record(KEY, None, "ObjectRemoved:Delete"))) == []
    assert (cloud.outputs(FOLDER), statuses(cloud)) == (set(), ["DELETED"])


@without_versions
@pytest.mark.parametrize("attempts", [1, 3])
def test_without_versions_an_overwrite_under_a_run_is_made_at_once(
    cloud: Any, workflow: Workflow, later: Later, attempts: int
) -> None:
    """Although its own message has not come yet. The run's read is refused, as it asks for the bytes of its job."""

    def overwritten(job: dict[str, Any]) -> None:
        cloud.upload(KEY, b"2")
        with pytest.raises(storage.SourceGoneError):
            storage.read_source(job["source"], 5)
        workflow.fail(job, "SourceGoneError", "ValidateImage")

    cloud.upload(KEY, b"1")
    event = message(record(KEY, None))
    workflow.script = [*[workflow.fail] * (attempts - 1), overwritten]
    for _ in range(attempts - 1):
        assert len(deliver(event)) == 1
        later(120)
    assert len(deliver(event)) == 1
    assert workflow.hidden[-1] == 0
    assert deliver(event) == []
    assert stored_set(cloud) == set_of(b"2")
    assert (workflow.started[-1]["round"], workflow.started[-1]["attempt"]) == (2, 1)
    assert [each["body"]["status"] for each in cloud.published()] == ["SUCCEEDED"]


@without_versions
def test_without_versions_a_run_whose_source_is_what_it_was_waits_for_its_next_attempt(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    """It was overwritten and put back: so it never comes back to the same attempt, and not at once."""
    cloud.upload(KEY, b"1")
    workflow.script = [lambda job: workflow.fail(job, "SourceGoneError", "ValidateImage")]
    event = message(record(KEY, None))
    for seconds in (0, 30):
        assert len(deliver(event)) == 1
        assert workflow.hidden[-1] == seconds
    later(30)
    assert deliver(event) == []
    assert [(job["round"], job["attempt"]) for job in workflow.started] == [(1, 1), (1, 2)]


@without_versions
def test_without_versions_a_set_of_earlier_bytes_speaks_for_no_attempt_when_their_record_is_gone(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    """Its upload was overwritten by a refused one, whose record has expired: rounds would be counted from 1 again."""
    cloud.upload(KEY, b"good")
    deliver(message(record(KEY, None)))
    cloud.dynamodb.delete_item(TableName="jobs", Key={"source_key": {"S": KEY}, "item": {"S": "job#null"}})

    def cut_off(job: dict[str, Any]) -> None:
        raise executions.CutOffError("EXECUTION_ABORTED", "somebody stopped it")

    workflow.script = [cut_off]
    cloud.upload(KEY, b"other")
    event = message(record(KEY, None))
    assert len(deliver(event)) == 1
    assert statuses(cloud) == ["QUEUED"]
    later(30)
    assert deliver(event) == []
    assert stored_set(cloud) == set_of(b"other")


@pytest.mark.parametrize("refused", [[b"bad"], [b"bad", b"worse"]])
def test_where_versioning_was_suspended_older_versions_count(
    cloud: Any, workflow: Workflow, refused: list[bytes]
) -> None:
    good = cloud.upload(KEY, b"good")
    workflow.script = [workflow.reject]
    for body in refused:
        put_while_suspended(cloud, body)
    assert deliver(message(record(KEY, "null"))) == []
    assert started(workflow) == ["null", good]
    assert stored_set(cloud) == set_of(b"good")


def test_where_versioning_was_suspended_after_a_delete_nothing_older_counts(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, b"good"))))
    cloud.delete(KEY)
    put_while_suspended(cloud, b"bad")
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, "null"))) == []
    assert cloud.outputs(FOLDER) == set()


# ------------------------------------------------------------------ what a refusal counts for


@in_any_bucket
def test_a_refusal_counts_for_the_recipe_that_judged(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.upload(KEY)
    workflow.script = [workflow.reject]
    for _ in range(3):
        assert deliver(message(record(KEY, version))) == []
    assert len(workflow.started) == 1
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    assert deliver(message(record(KEY, version))) == []
    assert (started(workflow), statuses(cloud)) == ([version] * 2, ["SUCCEEDED"])


@in_any_bucket
def test_a_refusal_counts_for_the_memory_of_the_function_that_judged(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.upload(KEY)
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, version))) == []
    monkeypatch.setattr(reconcile, "VALIDATE_MEMORY_MB", 3008)
    assert deliver(message(record(KEY, version))) == []
    assert (started(workflow), statuses(cloud)) == ([version] * 2, ["SUCCEEDED"])


@in_any_bucket
@pytest.mark.parametrize("judge", [{"recipe": "another", "memory": 1769}, {"memory": 512}])
def test_a_refusal_by_the_function_of_another_deployment_is_judged_again(
    cloud: Any, workflow: Workflow, later: Later, judge: dict[str, Any]
) -> None:
    """Meanwhile nothing is published in its place."""
    cloud.upload(KEY, b"older")
    version = cloud.upload(KEY, b"newer")
    workflow.script = [lambda job: workflow.reject(job, {"recipe": job["recipe"]["hash"], **judge})]
    event = message(record(KEY, version))
    assert len(deliver(event)) == 1
    assert workflow.hidden[-1] == 120
    later(120)
    assert deliver(event) == []
    assert started(workflow) == [version, version]
    assert stored_set(cloud) == set_of(b"newer")


@in_any_bucket
def test_a_refused_version_is_judged_again_by_force_only(cloud: Any, workflow: Workflow, later: Later) -> None:
    version = cloud.upload(KEY)
    workflow.script = [workflow.reject]
    deliver(message(record(KEY, version)))
    later(60)
    assert deliver(message(record(KEY, None, "ObjectCreated:Redrive"))) == []
    assert len(workflow.started) == 1
    assert deliver(message(record(KEY, None, "ObjectCreated:Force"))) == []
    assert (started(workflow), statuses(cloud)) == ([version] * 2, ["SUCCEEDED"])


@in_any_bucket
def test_the_record_of_a_refusal_expires(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.reject]
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    assert job_records(cloud)[version]["expires_at"] > 0


def calls_of_a_look(cloud: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a message makes the trigger call S3 and DynamoDB."""
    calls, original = [], BaseClient._make_api_call

    def counted(client: Any, operation: str, params: Any) -> Any:
        calls.append(operation)
        return original(client, operation, params)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", counted)
        assert deliver(message(event)) == []
    return len(calls)


@in_any_bucket
@pytest.mark.parametrize("good", [True, False])
def test_a_look_costs_the_same_however_many_uploads_were_refused(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    if good:
        first = cloud.upload(KEY, b"good")
        deliver(message(record(KEY, first)))
    costs = []
    for number in range(8):
        workflow.script = [workflow.reject]
        event = record(KEY, cloud.upload(KEY, b"bad %d" % number))
        assert deliver(message(event)) == []
        costs.append(calls_of_a_look(cloud, event, monkeypatch))
    assert costs[2:] == [costs[2]] * 6
    assert not good or stored_set(cloud) == set_of(b"good")
    assert len(workflow.started) == 8 + good


def test_versions_that_were_refused_by_another_recipe_are_all_judged_again(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a refused record remembers about those below it counts for its judge only."""
    versions = [cloud.upload(KEY, b"%d" % number) for number in range(4)]
    workflow.script = [workflow.reject] * 4
    deliver(message(record(KEY, versions[-1])))
    assert statuses(cloud) == ["REJECTED"] * 4
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    workflow.script = [workflow.reject]
    assert deliver(message(record(KEY, versions[-1]))) == []
    assert stored_set(cloud) == set_of(b"2")
    assert started(workflow) == [*versions[::-1], versions[3], versions[2]]


def test_a_version_that_was_skipped_to_and_is_gone_is_looked_for_again(cloud: Any, workflow: Workflow) -> None:
    cloud.upload(KEY, b"good")
    better = cloud.upload(KEY, b"better")
    deliver(message(record(KEY, better)))
    for number in range(3):
        workflow.script = [workflow.reject]
        bad = cloud.upload(KEY, b"bad %d" % number)
        deliver(message(record(KEY, bad)))
    cloud.delete(KEY, better)
    assert deliver(message(record(KEY, better, "ObjectRemoved:Delete"))) == []
    assert stored_set(cloud) == set_of(b"good")
