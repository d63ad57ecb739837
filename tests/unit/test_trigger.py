"""The trigger's handler: one bad message or key does not hold up the others of its batch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import outputs, storage
from tests.unit.triggering import CONTEXT, KEY, Workflow, deliver, eventbridge, message, record, statuses
from trigger import app, executions, heartbeat


def test_an_unreadable_message_alone_is_parked(cloud: Any, workflow: Workflow) -> None:
    poison = message() | {"body": "not json"}
    assert deliver(poison, message(record(KEY, cloud.upload(KEY)))) == []
    assert [letter["Body"] for letter in cloud.dead_letters()] == ["not json"]
    assert statuses(cloud) == ["SUCCEEDED"]


def test_the_reason_of_a_parked_message_can_be_sent(cloud: Any, workflow: Workflow) -> None:
    forged = record(KEY, "v1")
    forged["s3"]["bucket"]["name"] = "a\ud800\n\uffff\u202eb"
    assert deliver(message(forged)) == []
    (letter,) = cloud.dead_letters()
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "about the bucket a b, not darkroom-source"


def test_a_fault_of_one_key_does_not_fail_the_others(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = storage.head

    def unavailable(bucket: str, key: str) -> dict[str, Any] | None:
        if key == KEY:
            raise RuntimeError("503 Slow Down")
        return head(bucket, key)

    monkeypatch.setattr(storage, "head", unavailable)
    bad, good = message(record(KEY, cloud.upload(KEY)), receives=2), message(record("raw/b", cloud.upload("raw/b")))
    assert deliver(bad, good) == [bad["messageId"]]
    assert workflow.hidden[-1] == 120


@pytest.mark.parametrize("name", ["uploads", "backfill"])
def test_each_queue_is_answered_about_its_own_messages(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hidden: list[dict[str, Any]] = []
    monkeypatch.undo()  # the fixture's stand-in for the heartbeat
    monkeypatch.setattr(executions, "run", workflow.run)
    monkeypatch.setattr(heartbeat.sqs, "change_message_visibility", lambda **given: hidden.append(given))
    workflow.script = [workflow.fail]
    key = record(KEY, cloud.upload(KEY), "ObjectCreated:Backfill" if name == "backfill" else "ObjectCreated:Put")
    assert len(deliver(message(key, queue=name))) == 1
    assert {given["QueueUrl"].rpartition("/")[2] for given in hidden} == {name}
    assert [given["VisibilityTimeout"] for given in hidden] == [60, 30], "the first beat, and the back-off"

    deliver(message(key, queue=name, receives=app.FRESH_AFTER))
    other = {"uploads": "backfill", "backfill": "uploads"}[name]
    assert [cloud.in_queue(each) for each in (name, other)] == [1, 0], "a message that waits is sent anew where it was"


def test_a_bare_event_of_eventbridge_is_reconciled(cloud: Any, workflow: Workflow) -> None:
    key = "raw/a+b%20c.jpg"
    bare = eventbridge(record(key, cloud.upload(key)))
    assert app.lambda_handler(bare, CONTEXT) == {"batchItemFailures": []}
    assert statuses(cloud, key) == ["SUCCEEDED"]


def test_the_trigger_does_not_start_where_the_sources_are_its_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_BUCKET", "darkroom-output")
    with pytest.raises(
        outputs.SameBucketError, match="darkroom-output is the source bucket and the output bucket: deploy"
    ):
        importlib.reload(app)
    monkeypatch.undo()
    importlib.reload(app)


def test_a_bare_event_is_reconciled_or_raises_the_reason(
    cloud: Any, workflow: Workflow, later: Callable[[float], None]
) -> None:
    bare = {"Records": [record(KEY, cloud.upload(KEY)) | {"eventSource": "aws:s3"}]}
    workflow.script = [workflow.fail]
    with pytest.raises(app.NotReconciledError, match="it broke"):
        app.lambda_handler(bare, CONTEXT)
    later(30)
    assert app.lambda_handler(bare, CONTEXT) == {"batchItemFailures": []}
    assert statuses(cloud) == ["SUCCEEDED"]
