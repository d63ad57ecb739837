"""Attempts that fail, are cut off or end without a word: retries, rounds and dead letters."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.triggering import KEY, Workflow, deliver, job_records, lease_of, message, record, statuses, stored_set
from trigger import executions, lease


def test_a_transient_fault_comes_back_later_each_time_and_heals(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail, workflow.fail]
    event = record(KEY, cloud.upload(KEY))
    assert [len(deliver(message(event))) for _ in range(3)] == [1, 1, 0]
    assert [seconds for seconds in workflow.hidden if seconds != 60] == [30, 120]
    assert statuses(cloud) == ["SUCCEEDED"]
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert cloud.published() == []


def test_a_lasting_fault_is_reported_once_and_its_message_parked(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail] * 3
    event = record(KEY, cloud.upload(KEY))
    sent = time.time() - 5
    assert [len(deliver(message(event, sent_at=sent))) for _ in range(3)] == [1, 1, 0]
    (published,) = cloud.published()
    assert (published["body"]["status"], published["body"]["state"]) == ("FAILED", "OptimizeImage")
    (letter,) = cloud.dead_letters()
    assert json.loads(letter["Body"]) == {"Records": [event]}
    assert "it broke" in letter["MessageAttributes"]["reason"]["StringValue"]
    # a duplicate that was sent before it failed is parked beside it, and starts nothing
    assert deliver(message(event, sent_at=sent)) == []
    assert (len(workflow.started), cloud.published()) == (3, [])


def test_a_message_sent_after_the_failure_opens_a_new_round(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail] * 3
    version = cloud.upload(KEY)
    for _ in range(3):
        deliver(message(record(KEY, version), sent_at=time.time() - 5))
    assert deliver(message(record(KEY, version), sent_at=time.time() + 5)) == []
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["round"]) == ("SUCCEEDED", 2)


def test_a_version_that_failed_and_was_overwritten_is_superseded(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY, b"1")
    workflow.script = [workflow.fail]
    assert len(deliver(message(record(KEY, first)))) == 1
    assert statuses(cloud) == ["QUEUED"]
    second = cloud.upload(KEY, b"2")
    assert deliver(message(record(KEY, second))) == []
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {
        first: "SUPERSEDED",
        second: "SUCCEEDED",
    }


@pytest.mark.parametrize("then", ["SUPERSEDED", "DELETED"])
def test_a_failed_version_that_is_replaced_no_longer_needs_attention(cloud: Any, workflow: Workflow, then: str) -> None:
    first = cloud.upload(KEY, b"1")
    workflow.script = [workflow.fail] * 3
    for _ in range(3):
        deliver(message(record(KEY, first), sent_at=time.time() - 5))
    assert statuses(cloud) == ["FAILED"]
    if then == "SUPERSEDED":
        event = record(KEY, cloud.upload(KEY, b"2"))
    else:
        marker = cloud.delete(KEY)
        event = record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")
    assert deliver(message(event)) == []
    ended = job_records(cloud)[first]
    assert (ended["status"], ended["attention"], ended["code"]) == (then, then, "Broken")
    assert lease_of(cloud) is None
    assert deliver(message(record(KEY, first), sent_at=time.time() + 5)) == []  # its dead letter, sent back
    assert job_records(cloud)[first]["status"] == then


@pytest.mark.parametrize("how", ["put again", "the failed one deleted"])
@pytest.mark.parametrize("failures", [1, 3])
def test_a_set_that_a_failed_run_wrote_into_does_not_count(
    cloud: Any, workflow: Workflow, how: str, failures: int
) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.fail_halfway] * failures
    for _ in range(failures):
        deliver(message(record(KEY, bad), sent_at=time.time() - 5))
    assert stored_set(cloud) == "half of a set"
    if how == "put again":
        good = cloud.upload(KEY, b"good")
        event = record(KEY, good)
    else:
        cloud.delete(KEY, bad)
        event = record(KEY, bad, "ObjectRemoved:Delete")
    assert deliver(message(event)) == []
    assert stored_set(cloud) == f"set of {good}"
    assert job_records(cloud)[bad]["status"] == "SUPERSEDED"


def test_a_run_that_was_cut_off_counts_as_an_attempt(cloud: Any, workflow: Workflow) -> None:
    def cut_off(job: dict[str, Any]) -> None:
        raise executions.CutOffError("EXECUTION_ABORTED", "somebody stopped it", started=True)

    workflow.script = [cut_off]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    found = job_records(cloud)[version]
    assert (found["status"], found["last_failure"]["code"]) == ("QUEUED", "EXECUTION_ABORTED")
    held = lease_of(cloud)
    assert held
    assert held["held_until"] > time.time() + 3  # its functions may still be writing


def test_a_run_of_unknown_end_keeps_its_lease_and_counts_as_lost_in_the_end(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(job: dict[str, Any]) -> None:
        raise executions.UnknownError("no answer")

    workflow.script = [unknown] * 3
    version = cloud.upload(KEY)
    event = record(KEY, version)
    sent = time.time() - 5
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1)
    for _ in range(3):
        assert len(deliver(message(event, sent_at=sent))) == 1
        assert job_records(cloud)[version]["status"] == "PROCESSING"
    assert deliver(message(event, sent_at=sent)) == []
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["code"]) == ("FAILED", "RUN_LOST")
    assert [each["body"]["code"] for each in cloud.published()] == ["RUN_LOST"]
    assert len(cloud.dead_letters()) == 1


def test_a_run_of_unknown_end_gets_no_successor(cloud: Any, workflow: Workflow) -> None:
    def overwritten(job: dict[str, Any]) -> None:
        cloud.upload(KEY, b"2")
        raise executions.UnknownError("no answer")

    workflow.script = [overwritten]
    assert len(deliver(message(record(KEY, cloud.upload(KEY, b"1"))))) == 1
    assert len(workflow.started) == 1
