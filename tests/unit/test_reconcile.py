"""Reconciling: which version of a source is run, once, whatever the events say."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import recipes
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
)
from trigger import executions


@in_any_bucket
def test_an_upload_is_run_once_and_leaves_the_queue(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    assert deliver(message(record(KEY, version))) == []
    assert [job["execution_name"] for job in workflow.started] == [f"{workflow.started[0]['job_id']}-1-1"]
    assert job_records(cloud)[version]["status"] == "SUCCEEDED"
    assert lease_of(cloud) is None


@in_any_bucket
def test_duplicates_make_one_run(cloud: Any, workflow: Workflow) -> None:
    event = record(KEY, cloud.upload(KEY))
    assert deliver(message(event), message(event), message(event, event)) == []
    assert deliver(message(event)) == []
    assert len(workflow.started) == 1


@with_versions
def test_of_two_versions_the_newest_is_run_and_the_other_superseded(cloud: Any, workflow: Workflow) -> None:
    first, second = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    assert deliver(message(record(KEY, second))) == []
    assert deliver(message(record(KEY, first))) == []  # late
    assert [job["source"]["version_id"] for job in workflow.started] == [second]
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {
        first: "SUPERSEDED",
        second: "SUCCEEDED",
    }


@in_any_bucket
def test_an_overwrite_while_running_is_left_to_its_own_message(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY, b"1")
    later: list[str] = []

    def overwritten(job: dict[str, Any]) -> None:
        later.append(cloud.upload(KEY, b"2"))
        assert len(deliver(message(record(KEY, later[0])))) == 1  # the key is busy
        workflow.succeed(job)

    workflow.script = [overwritten]
    assert deliver(message(record(KEY, first))) == []
    assert stored_set(cloud) == set_of(b"1")
    assert deliver(message(record(KEY, later[0]))) == []
    assert [job["source"]["version_id"] for job in workflow.started] == [first, later[0]]
    assert stored_set(cloud) == set_of(b"2")


@with_versions
def test_the_same_bytes_are_not_processed_again(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY)
    deliver(message(record(KEY, first)))
    second = cloud.upload(KEY)
    for _ in range(2):
        assert deliver(message(record(KEY, second))) == []
    assert len(workflow.started) == 1
    made, adopted = (job_records(cloud)[version] for version in (first, second))
    assert (adopted["status"], adopted["result"]) == ("SUCCEEDED", made["result"])
    assert (adopted["job_id"] != made["job_id"], "attention" in adopted) == (True, False)
    deliver(message(record(KEY, cloud.upload(KEY, b"other bytes"))))
    assert len(workflow.started) == 2


@in_any_bucket
def test_the_same_bytes_are_processed_again_after_a_change_of_the_recipe(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(message(record(KEY, cloud.upload(KEY))))
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    deliver(message(record(KEY, cloud.upload(KEY))))
    assert len(workflow.started) == 2


@with_versions
def test_versions_that_share_a_set_are_deleted_and_restored_with_it(cloud: Any, workflow: Workflow) -> None:
    versions = []
    for _ in range(3):
        versions.append(cloud.upload(KEY))
        deliver(message(record(KEY, versions[-1])))
    assert (statuses(cloud), len(workflow.started)) == (["SUCCEEDED"] * 3, 1)
    marker = cloud.delete(KEY)
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    # who made the set, and who had it last; what lies between expires
    found = job_records(cloud)
    assert [found[version]["status"] for version in versions] == ["DELETED", "SUCCEEDED", "DELETED"]
    assert all("expires_at" in item for item in found.values())
    cloud.delete(KEY, marker)
    deliver(message(record(KEY, marker, "ObjectRemoved:Delete")))
    assert job_records(cloud)[versions[-1]]["status"] == "SUCCEEDED"
    assert cloud.exists(f"{FOLDER}/manifest.json")


@in_any_bucket
def test_a_refusal_leaves_the_set_whole(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, b"good"))))
    workflow.script = [workflow.reject]
    deliver(message(record(KEY, cloud.upload(KEY, b"no picture"))))
    good = cloud.upload(KEY, b"good")
    assert deliver(message(record(KEY, good))) == []
    assert (len(workflow.started), job_records(cloud)[good]["status"]) == (2, "SUCCEEDED")
    assert stored_set(cloud) == set_of(b"good")


@in_any_bucket
def test_a_refused_upload_keeps_the_old_set(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, b"1"))))
    workflow.script = [workflow.reject]
    refused = cloud.upload(KEY, b"2")
    for _ in range(2):
        assert deliver(message(record(KEY, refused))) == []
    assert job_records(cloud)[refused]["status"] == "REJECTED"
    assert (stored_set(cloud), cloud.exists(f"{FOLDER}/manifest.json")) == (set_of(b"1"), True)
    assert len(workflow.started) == 2


@in_any_bucket
def test_a_changed_recipe_opens_a_new_round_and_a_duplicate_does_not(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    deliver(message(record(KEY, version)))
    assert len(workflow.started) == 1
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    deliver(message(record(KEY, version)))
    assert [job["round"] for job in workflow.started] == [1, 2]


@in_any_bucket
def test_a_set_that_was_removed_by_hand_is_made_again(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    cloud.s3.delete_object(Bucket="darkroom-output", Key=f"{FOLDER}/manifest.json")
    deliver(message(record(KEY, version)))
    assert cloud.exists(f"{FOLDER}/manifest.json")


def test_no_run_is_started_that_could_outlast_the_invocation(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executions, "WAIT_SECONDS", 55.0)
    assert len(deliver(message(record(KEY, cloud.upload(KEY))))) == 1
    assert workflow.started == []
