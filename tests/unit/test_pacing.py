"""Between two attempts lie 30 s, 2 min and 8 min, however many messages arrive; a busy key is left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from pipeline import clock, storage
from tests.unit.triggering import KEY, Workflow, deliver, job_records, message, record, set_of, statuses, stored_set
from trigger import app, heartbeat, lease, notices, reconcile, verdicts

Later = Callable[[float], None]


def attempts_until(
    cloud: Any, workflow: Workflow, later: Later, event: dict[str, Any], every: int, seconds: int
) -> list[int]:
    """When attempts are started, in seconds from now, if a message comes at short intervals."""
    begun: list[int] = []
    for moment in range(0, seconds, every):
        before = len(workflow.started)
        deliver(event)
        begun += [moment] * (len(workflow.started) - before)
        later(every)
    return begun


@pytest.fixture
def five_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MAX_ATTEMPTS", 5)
    monkeypatch.setattr(reconcile, "MAX_ATTEMPTS", 5)


def test_messages_come_back_when_the_next_attempt_is_due(
    cloud: Any, workflow: Workflow, later: Later, five_attempts: None
) -> None:
    workflow.script = [workflow.fail] * 4
    event = message(record(KEY, cloud.upload(KEY)))
    waits = []
    while deliver(event):
        waits.append(workflow.hidden[-1])
        later(waits[-1])
    assert waits == [30, 120, 480, 480]
    assert (statuses(cloud), len(workflow.started)) == (["SUCCEEDED"], 5)


def test_more_messages_do_not_hasten_the_next_attempt(
    cloud: Any, workflow: Workflow, later: Later, five_attempts: None
) -> None:
    workflow.script = [workflow.fail] * 4
    event = message(record(KEY, cloud.upload(KEY)))
    assert attempts_until(cloud, workflow, later, event, every=10, seconds=1300) == [0, 30, 150, 630, 1110]


def test_a_duplicate_gets_the_rest_of_the_wait(cloud: Any, workflow: Workflow, later: Later) -> None:
    workflow.script = [workflow.fail]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    later(12.5)
    assert len(deliver(message(record(KEY, version)), message(record(KEY, None, "ObjectCreated:Redrive")))) == 2
    assert workflow.hidden[-2:] == [18, 18]
    assert len(workflow.started) == 1


def test_the_wait_is_counted_from_the_failure_and_kept_in_the_record(
    cloud: Any, workflow: Workflow, later: Later
) -> None:
    def slowly(job: dict[str, Any]) -> None:
        later(20)
        workflow.fail(job)

    workflow.script = [slowly]
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    failed_at = clock.epoch(job_records(cloud)[version]["last_failure"]["at"])
    assert time.time() - 1 < failed_at <= time.time()
    assert attempts_until(cloud, workflow, later, message(record(KEY, version)), every=1, seconds=40) == [30]


def test_an_attempt_that_settles_for_longer_waits_for_longer(
    cloud: Any, workflow: Workflow, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 65.0)
    workflow.script = [workflow.fail_halfway]
    event = message(record(KEY, cloud.upload(KEY)))
    assert len(deliver(event)) == 1
    assert workflow.hidden[-1] == 65
    assert attempts_until(cloud, workflow, later, event, every=5, seconds=90) == [65]


def test_a_new_version_does_not_wait_for_what_its_predecessor_did(cloud: Any, workflow: Workflow, later: Later) -> None:
    workflow.script = [workflow.fail]
    assert len(deliver(message(record(KEY, cloud.upload(KEY, b"1"))))) == 1
    version = cloud.upload(KEY, b"2")
    assert deliver(message(record(KEY, version))) == []
    assert stored_set(cloud) == set_of(b"2")


def test_a_fault_of_the_trigger_itself_comes_back_by_its_receives(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> None:
        raise RuntimeError("503 Slow Down")

    monkeypatch.setattr(reconcile, "_reconcile", unavailable)
    for receives in range(1, 6):
        assert len(deliver(message(record(KEY, "v1"), receives=receives))) == 1
    assert [seconds for seconds in workflow.hidden if seconds != 60] == [30, 120, 480, 480, 480]


# ------------------------------------------------------------------ while another invocation works on the key


@pytest.fixture
def busy(cloud: Any, later: Later) -> None:
    """Another invocation runs an attempt of the key."""
    with lease.hold(KEY) as held:
        held.running("v0", "job-1-1")
        held.kept = True


def test_nobody_waits_for_a_busy_key(
    cloud: Any, workflow: Workflow, busy: None, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    monkeypatch.setattr(lease, "LEASE_SECONDS", 385.0)
    with lease.hold("raw/other") as held:
        held.running("v0", "job-1-1")
        held.kept = True
    version = cloud.upload("raw/other")
    waits = []
    for receives in range(1, app.FRESH_AFTER):
        assert len(deliver(message(record("raw/other", version), receives=receives))) == 1
        waits.append(workflow.hidden[-1])
    assert waits[:5] == [5, 10, 20, 60, 240]
    assert waits == sorted(waits)
    assert workflow.started == []


def test_a_message_comes_back_soon_after_the_lease_ends(
    cloud: Any, workflow: Workflow, busy: None, later: Later
) -> None:
    later(lease.LEASE_SECONDS - 12)
    event = message(record(KEY, cloud.upload(KEY)), receives=9)
    assert len(deliver(event)) == 1
    assert workflow.hidden[-1] == 13
    later(13)
    assert deliver(event) == []


def test_a_message_about_an_older_version_is_done_when_its_record_is_closed(
    cloud: Any, workflow: Workflow, busy: None
) -> None:
    older, newest = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    assert deliver(message(record(KEY, older))) == []
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {older: "SUPERSEDED"}
    both = message(record(KEY, older), record(KEY, newest))
    assert len(deliver(both)) == 1
    assert workflow.started == []


def test_a_record_that_another_run_may_still_close_is_waited_for(cloud: Any, workflow: Workflow, later: Later) -> None:
    older = cloud.upload(KEY, b"1")

    def overwritten(job: dict[str, Any]) -> None:
        cloud.upload(KEY, b"2")
        assert len(deliver(message(record(KEY, older)))) == 1
        assert job_records(cloud)[older]["status"] == "PROCESSING"
        workflow.succeed(job)

    workflow.script = [overwritten]
    assert deliver(message(record(KEY, older))) == []


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_while_the_newest_cannot_be_made_an_older_one_may_be_wanted(
    cloud: Any, workflow: Workflow, later: Later, status: str
) -> None:
    older, newest = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    workflow.script = [workflow.reject, workflow.fail] if status == "REJECTED" else [workflow.fail] * 3
    event = message(record(KEY, newest))
    while deliver(event) and job_records(cloud)[newest]["status"] != status:
        later(480)
    with lease.hold(KEY):
        assert len(deliver(message(record(KEY, older)))) == 1


@pytest.mark.parametrize(
    "event", ["ObjectRemoved:Delete", "ObjectCreated:Redrive", "ObjectCreated:Force", "ObjectRemoved:Redrive"]
)
def test_a_removal_and_what_somebody_asked_for_are_waited_for(
    cloud: Any, workflow: Workflow, busy: None, event: str
) -> None:
    older, _ = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    assert len(deliver(message(record(KEY, older, event)))) == 1
    assert len(deliver(message(record(KEY, None, event)))) == 1


def test_a_message_about_a_source_that_is_gone_is_waited_for(cloud: Any, workflow: Workflow, busy: None) -> None:
    version = cloud.upload(KEY)
    cloud.delete(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    assert job_records(cloud) == {}


def test_a_hot_key_costs_one_receive_a_message(cloud: Any, workflow: Workflow, later: Later) -> None:
    """Overwritten ten times while a run is under way: of eleven messages, nine are done at once."""
    versions = [cloud.upload(KEY, b"0")]

    def overwritten(job: dict[str, Any]) -> None:
        versions.extend(cloud.upload(KEY, b"%d" % number) for number in range(1, 11))
        done = [deliver(message(record(KEY, version))) == [] for version in versions[1:]]
        assert done == [True] * 9 + [False]
        workflow.succeed(job)

    workflow.script = [overwritten]
    assert deliver(message(record(KEY, versions[0]))) == []
    assert deliver(message(record(KEY, versions[-1]))) == []
    assert [job["source"]["version_id"] for job in workflow.started] == [versions[0], versions[-1]]
    assert statuses(cloud) == ["SUCCEEDED"] * 2 + ["SUPERSEDED"] * 9


def waiting(cloud: Any) -> list[dict[str, Any]]:
    """The messages in the upload queue, as the trigger gets them."""
    url = cloud.sqs.get_queue_url(QueueName="uploads")["QueueUrl"]
    answer = cloud.sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], MaxNumberOfMessages=10
    )
    return [
        {
            "eventSource": "aws:sqs",
            "messageId": each["MessageId"],
            "receiptHandle": each["ReceiptHandle"],
            "body": each["Body"],
            "attributes": each["Attributes"],
            "messageAttributes": {
                name: {"stringValue": value["StringValue"]} for name, value in each.get("MessageAttributes", {}).items()
            },
        }
        for each in answer.get("Messages", [])
    ]


def test_waiting_spends_no_receives(
    cloud: Any, workflow: Workflow, busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that has waited often is sent anew, and remembers when it was sent first."""
    monkeypatch.setattr(app, "LONGEST_DELAY", 0)  # moto has no clock of ours
    event = record(KEY, cloud.upload(KEY))
    sent_at = time.time() - 5000
    assert deliver(message(event, sent_at=sent_at, receives=app.FRESH_AFTER)) == []
    (anew,) = waiting(cloud)
    assert json.loads(anew["body"]) == {"Records": [event]}
    (read,) = notices.messages({"Records": [anew]})
    assert (read.receives, read.sent_at) == (1, pytest.approx(sent_at, abs=0.01))


def test_waiting_does_not_last_until_the_queue_forgets(
    cloud: Any, workflow: Workflow, busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue deletes a message after 7 days, in which it may have come a few times only."""
    monkeypatch.setattr(app, "LONGEST_DELAY", 0)
    sent_at = time.time() - app.FRESH_AGE
    event = record(KEY, cloud.upload(KEY))
    assert len(deliver(message(event, sent_at=sent_at + 60))) == 1
    assert deliver(message(event, sent_at=sent_at - 60)) == []
    (anew,) = waiting(cloud)
    (read,) = notices.messages({"Records": [anew]})
    assert (read.sent_at, read.queued_at) == (pytest.approx(sent_at - 60, abs=1), pytest.approx(time.time(), abs=5))


def test_a_message_that_cannot_be_sent_anew_waits_on(
    cloud: Any, workflow: Workflow, busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")
    monkeypatch.setattr(heartbeat.sqs, "send_message", Mock(side_effect=refusal))
    event = message(record(KEY, cloud.upload(KEY)), receives=app.FRESH_AFTER)
    assert deliver(event) == [event["messageId"]]


def test_a_trigger_that_fails_each_time_spends_receives(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "head", Mock(side_effect=RuntimeError("no table")))
    event = message(record(KEY, cloud.upload(KEY)), receives=app.FRESH_AFTER)
    assert deliver(event) == [event["messageId"]]
    assert waiting(cloud) == []
