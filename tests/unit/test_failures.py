"""Attempts that fail, are cut off or end without a word: rounds, endings and dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.triggering import (
    FOLDER,
    KEY,
    Attempt,
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
from trigger import executions, lease

Later = Callable[[float], None]


def cut_off(job: dict[str, Any]) -> None:
    raise executions.CutOffError("EXECUTION_ABORTED", "somebody stopped it")


def unknown(job: dict[str, Any]) -> None:
    raise executions.UnknownError("no answer")


def ending(cloud: Any, workflow: Workflow, later: Later, last: Attempt) -> dict[str, Any]:
    """Deliver an upload whose third and last attempt is `last`; returns its message, all others' waits over."""
    event = message(record(KEY, cloud.upload(KEY)))
    workflow.script = [workflow.fail, workflow.fail, last]
    for _ in range(2):
        assert len(deliver(event)) == 1
        later(120)
    return event


@in_any_bucket
def test_a_transient_fault_heals_without_a_message(cloud: Any, workflow: Workflow, later: Later) -> None:
    event = ending(cloud, workflow, later, workflow.succeed)
    assert deliver(event) == []
    assert statuses(cloud) == ["SUCCEEDED"]
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert [each["body"]["status"] for each in cloud.published()] == ["SUCCEEDED"]


@in_any_bucket
def test_a_lasting_fault_is_reported_once_and_its_message_parked(cloud: Any, workflow: Workflow, later: Later) -> None:
    event = ending(cloud, workflow, later, workflow.fail)
    assert deliver(event) == []
    (published,) = cloud.published()
    assert (published["body"]["status"], published["body"]["state"]) == ("FAILED", "ResizeImage")
    (letter,) = cloud.dead_letters()
    assert letter["Body"] == event["body"]
    assert "it broke" in letter["MessageAttributes"]["reason"]["StringValue"]
    (found,) = job_records(cloud).values()
    assert letter["MessageAttributes"]["failed_at"]["StringValue"] == found["finished_at"]
    # a duplicate that was sent before it failed is parked beside it, and starts nothing
    assert deliver(event) == []
    assert (len(workflow.started), cloud.published()) == (3, [])


@in_any_bucket
@pytest.mark.parametrize("state", ["OptimizeImage", "NotifySuccess", None])
def test_a_last_attempt_that_may_still_write_is_told_once_it_has_settled(
    cloud: Any, workflow: Workflow, later: Later, state: str | None
) -> None:
    event = ending(cloud, workflow, later, lambda job: workflow.fail(job, state=state))
    assert len(deliver(event)) == 1
    assert (statuses(cloud), cloud.published()) == (["QUEUED"], [])
    assert workflow.hidden[-1] == lease.SETTLE_SECONDS
    later(lease.SETTLE_SECONDS)
    assert deliver(event) == []
    (published,) = cloud.published()
    assert (published["body"]["status"], published["body"]["attempt"], published["body"]["state"]) == (
        "FAILED",
        3,
        state,
    )
    assert (statuses(cloud), len(workflow.started), len(cloud.dead_letters())) == (["FAILED"], 3, 1)


@in_any_bucket
def test_a_last_attempt_whose_set_stands_after_all_is_told_as_a_success(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    """Nobody waited for its OptimizeImage any more, but it went on."""
    event = ending(cloud, workflow, later, workflow.fail_halfway)
    assert len(deliver(event)) == 1
    workflow.finish(workflow.started[-1])
    later(lease.SETTLE_SECONDS)
    assert deliver(event) == []
    assert [(each["body"]["status"], each["body"]["attempt"]) for each in cloud.published()] == [("SUCCEEDED", 3)]
    assert (statuses(cloud), cloud.dead_letters(), lease_of(cloud)) == (["SUCCEEDED"], [], None)


@in_any_bucket
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_set_that_stands_is_not_made_again_because_its_run_was_cut_off(
    cloud: Any, workflow: Workflow, later: Later, attempts: int
) -> None:
    def finish_and_die(job: dict[str, Any]) -> None:
        workflow.finish(job)
        cut_off(job)

    event = message(record(KEY, cloud.upload(KEY)))
    workflow.script = [*[workflow.fail] * (attempts - 1), finish_and_die]
    for _ in range(attempts - 1):
        deliver(event)
        later(120)
    assert deliver(event) == []
    assert [each["body"]["status"] for each in cloud.published()] == ["SUCCEEDED"]
    assert (statuses(cloud), len(workflow.started)) == (["SUCCEEDED"], attempts)


@in_any_bucket
def test_a_message_sent_after_the_failure_opens_a_new_round(cloud: Any, workflow: Workflow, later: Later) -> None:
    event = ending(cloud, workflow, later, workflow.fail)
    assert deliver(event) == []
    later(5)
    (version,) = job_records(cloud)
    assert deliver(message(record(KEY, version))) == []
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["round"]) == ("SUCCEEDED", 2)


@in_any_bucket
def test_a_dead_letter_that_is_sent_back_opens_a_new_round(cloud: Any, workflow: Workflow, later: Later) -> None:
    """It keeps its attribute, and SQS the time at which it was sent."""
    event = ending(cloud, workflow, later, workflow.fail)
    assert deliver(event) == []
    (letter,) = cloud.dead_letters()
    failed_at = letter["MessageAttributes"]["failed_at"]["StringValue"]
    back = event | {"messageAttributes": {"failed_at": {"stringValue": failed_at, "dataType": "String"}}}
    assert deliver(back) == []
    assert (statuses(cloud), workflow.started[-1]["round"]) == (["SUCCEEDED"], 2)


@with_versions
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


@with_versions
@pytest.mark.parametrize("then", ["SUPERSEDED", "DELETED"])
def test_a_failed_version_that_is_replaced_no_longer_needs_attention(
    cloud: Any, workflow: Workflow, later: Later, then: str
) -> None:
    assert deliver(ending(cloud, workflow, later, workflow.fail)) == []
    (first,) = job_records(cloud)
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
    later(5)
    assert deliver(message(record(KEY, first))) == []  # its dead letter, sent back
    assert job_records(cloud)[first]["status"] == then


@with_versions
@pytest.mark.parametrize("how", ["put again", "the failed one deleted"])
@pytest.mark.parametrize("failures", [1, 3])
def test_a_set_that_a_failed_run_wrote_into_does_not_count(
    cloud: Any, workflow: Workflow, later: Later, how: str, failures: int
) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.fail_halfway] * failures
    event = message(record(KEY, bad))
    for _ in range(failures):
        assert len(deliver(event)) == 1
        later(120)
    assert stored_set(cloud) == "half of a set"
    if how == "put again":
        good = cloud.upload(KEY, b"good")
        event = message(record(KEY, good))
    else:
        cloud.delete(KEY, bad)
        event = message(record(KEY, bad, "ObjectRemoved:Delete"))
    assert deliver(event) == []
    assert stored_set(cloud) == set_of(b"good")
    assert job_records(cloud)[bad]["status"] == "SUPERSEDED"
    assert lease_of(cloud) is None


@with_versions
def test_files_of_a_failed_run_do_not_count_even_if_their_lengths_agree(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")

    def exchange_and_fail(job: dict[str, Any]) -> None:
        cloud.s3.put_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg", Body=set_of(b"bad").encode())
        workflow.fail(job, state="OptimizeImage")

    workflow.script = [exchange_and_fail]
    assert len(deliver(message(record(KEY, bad)))) == 1
    assert stored_set(cloud) == set_of(b"bad")
    later(lease.SETTLE_SECONDS)
    cloud.delete(KEY, bad)
    assert deliver(message(record(KEY, bad, "ObjectRemoved:Delete"))) == []
    assert stored_set(cloud) == set_of(b"good")


@with_versions
@pytest.mark.parametrize("then", ["sent back", "overwritten"])
def test_a_version_that_cannot_be_made_leaves_no_mix_behind(
    cloud: Any, workflow: Workflow, later: Later, then: str
) -> None:
    """The older version is published in its place, and the failed one stays in need of attention."""
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [workflow.fail_halfway] * 3
    event = message(record(KEY, bad))
    for _ in range(3):
        assert len(deliver(event)) == 1
        later(120)
    assert deliver(event) == []
    assert [letter["Body"] for letter in cloud.dead_letters()] == [event["body"]]
    assert stored_set(cloud) == set_of(b"good")
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {good: "SUCCEEDED", bad: "FAILED"}
    later(5)
    newest = bad if then == "sent back" else cloud.upload(KEY, b"newest")
    assert deliver(message(record(KEY, newest))) == []
    assert stored_set(cloud) == set_of(b"bad" if then == "sent back" else b"newest")
    assert job_records(cloud)[bad]["status"] == ("SUCCEEDED" if then == "sent back" else "SUPERSEDED")


def test_while_nothing_can_be_made_one_older_version_is_tried(cloud: Any, workflow: Workflow, later: Later) -> None:
    """And not each of a thousand, with a mail for each."""
    versions = [cloud.upload(KEY, b"%d" % number) for number in range(4)]
    workflow.script = [workflow.fail_halfway] * 20
    event = message(record(KEY, versions[-1]))
    for _ in range(8):
        deliver(event)
        later(120)
    assert deliver(event) == []
    assert {job["source"]["version_id"] for job in workflow.started} == set(versions[-2:])
    assert (len(workflow.started), cloud.outputs(FOLDER)) == (6, set())
    found = job_records(cloud)
    assert [found[version]["status"] for version in versions[-2:]] == ["SUPERSEDED", "FAILED"]


@in_any_bucket
def test_a_forced_round_that_failed_stays_in_need_of_attention(cloud: Any, workflow: Workflow, later: Later) -> None:
    """Its set is the one that was removed, but nobody has deleted it."""
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    later(60)
    workflow.script = [workflow.fail_halfway] * 3
    event = message(record(KEY, version, "ObjectCreated:Force"))
    for _ in range(4):
        deliver(event)
        later(120)
    assert (statuses(cloud), cloud.outputs(FOLDER)) == (["FAILED"], set())


def test_an_older_version_that_is_being_made_is_not_forgotten(cloud: Any, workflow: Workflow, later: Later) -> None:
    """Its record is open: whoever brings the newest one back closes it."""
    older, newest = cloud.upload(KEY, b"older"), cloud.upload(KEY, b"newest")
    workflow.script = [*[workflow.fail_halfway] * 3, workflow.fail]
    event = message(record(KEY, newest))
    for _ in range(4):
        deliver(event)
        later(120)
    assert job_records(cloud)[older]["status"] == "QUEUED"
    assert deliver(message(record(KEY, newest))) == []
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {
        older: "SUPERSEDED",
        newest: "SUCCEEDED",
    }


@in_any_bucket
def test_a_lone_version_that_cannot_be_made_leaves_nothing_behind(cloud: Any, workflow: Workflow, later: Later) -> None:
    event = message(record(KEY, cloud.upload(KEY)))
    workflow.script = [workflow.fail_halfway] * 3
    for _ in range(3):
        assert len(deliver(event)) == 1
        later(120)
    assert deliver(event) == []
    assert (statuses(cloud), cloud.outputs(FOLDER)) == (["FAILED"], set())


@in_any_bucket
def test_a_failure_that_wrote_nothing_leaves_the_set_as_it_is(cloud: Any, workflow: Workflow, later: Later) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    assert deliver(ending(cloud, workflow, later, workflow.fail)) == []
    assert stored_set(cloud) == set_of(b"good")
    assert len(workflow.started) == 4


@in_any_bucket
def test_a_run_that_was_cut_off_counts_as_an_attempt(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [cut_off]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    found = job_records(cloud)[version]
    assert (found["status"], found["last_failure"]["code"]) == ("QUEUED", "EXECUTION_ABORTED")
    held = lease_of(cloud)
    assert held
    assert held["held_until"] > time.time() + 3  # its functions may still be writing


@in_any_bucket
def test_a_run_that_was_not_started_needs_no_settling(cloud: Any, workflow: Workflow, later: Later) -> None:
    def refused(job: dict[str, Any]) -> None:
        raise executions.CutOffError("ExecutionLimitExceeded", "too many", "StartExecution")

    event = ending(cloud, workflow, later, refused)
    assert deliver(event) == []
    (published,) = cloud.published()
    assert (published["body"]["code"], published["body"]["state"]) == ("ExecutionLimitExceeded", "StartExecution")


@in_any_bucket
def test_a_run_of_unknown_end_keeps_its_lease_and_counts_as_lost_in_the_end(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    workflow.script = [unknown] * 3
    version = cloud.upload(KEY)
    event = message(record(KEY, version))
    for attempt in (1, 2, 3):
        assert len(deliver(event)) == 1
        assert job_records(cloud)[version]["status"] == "PROCESSING"
        assert len(deliver(event)) == 1  # it may still be running
        later(lease.LEASE_SECONDS)
        assert len(deliver(event)) == (attempt < 3)
        later(480)
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["code"]) == ("FAILED", "RUN_LOST")
    assert [each["body"]["code"] for each in cloud.published()] == ["RUN_LOST"]
    assert len(cloud.dead_letters()) == 1


@in_any_bucket
def test_a_run_of_unknown_end_gets_no_successor(cloud: Any, workflow: Workflow) -> None:
    def overwritten(job: dict[str, Any]) -> None:
        cloud.upload(KEY, b"2")
        unknown(job)

    workflow.script = [overwritten]
    assert len(deliver(message(record(KEY, cloud.upload(KEY, b"1"))))) == 1
    assert len(workflow.started) == 1


@in_any_bucket
@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_what_was_decided_about_a_lost_run_is_told(cloud: Any, workflow: Workflow, later: Later, status: str) -> None:
    """Its NotifyError died between the decision and the record."""
    from pipeline import jobs, messages

    def decide_and_die(job: dict[str, Any]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(messages, "_publish", lambda *_: cut_off(job))
            (workflow.reject if status == "REJECTED" else workflow.fail)(job)

    event = ending(cloud, workflow, later, decide_and_die)
    assert deliver(event) == []
    assert [each["body"]["status"] for each in cloud.published()] == [status]
    (found,) = job_records(cloud).values()
    assert (found["status"], "decision" in found) == (status, False)
    assert found["status"] not in jobs.OPEN
