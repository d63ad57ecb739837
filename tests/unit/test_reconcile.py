"""The trigger, whole, in this process: reconciling keys with a state machine that each test plays."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest

KEY = "raw/cats/tom.jpg"
FOLDER = "processed/cats/tom.jpg"


def record(key: str, version: str | None, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    about = {"key": quote_plus(key, safe="/")} | ({"versionId": version} if version else {})
    return {"eventName": event, "s3": {"bucket": {"name": "darkroom-source"}, "object": about}}


def message(*records: dict[str, Any], sent_at: float | None = None, receives: int = 1) -> dict[str, Any]:
    return {
        "eventSource": "aws:sqs",
        "messageId": f"m{time.monotonic_ns()}",
        "receiptHandle": "unknown to the queue",
        "body": json.dumps({"Records": list(records)}),
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(1000 * (time.time() if sent_at is None else sent_at))),
        },
    }


class Workflow:
    """Plays the state machine: what each attempt does is what the test put into `script`, at last `succeed`."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.started: list[dict[str, Any]] = []
        self.script: list[Any] = []
        self.hidden: list[int] = []

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        from pipeline import jobs

        self.started.append(job)
        (self.script.pop(0) if self.script else self.succeed)(job)
        found = jobs.get(job["source"]["key"], job["source"]["version_id"])
        assert found is not None
        return found

    def succeed(self, job: dict[str, Any]) -> None:
        from pipeline import jobs, keys, storage

        key = job["source"]["key"]
        rendition = keys.output(key, "large", "jpeg")
        body = f"set of {job['source']['version_id']}".encode()
        self.cloud.s3.put_object(Bucket="darkroom-output", Key=rendition, Body=body)
        document = {
            **{name: job[name] for name in ("job_id", "round", "attempt", "source", "recipe")},
            "renditions": [{"key": rendition, "bytes": len(body)}],
            "obsolete": [],
        }
        storage.put_manifest("darkroom-output", keys.manifest(key), document)
        jobs.close(job, "SUCCEEDED", result={"renditions": 1})

    def reject(self, job: dict[str, Any]) -> None:
        from pipeline import jobs

        jobs.close(job, "REJECTED", code="CORRUPT", reason="cut short")

    def fail(self, job: dict[str, Any], code: str = "Broken") -> None:
        from pipeline import outcomes

        failure = {"code": code, "reason": "it broke", "state": "OptimizeImage"}
        outcomes.fail(job, failure, "arn:aws:sns:us-east-1:123456789012:errors")


@pytest.fixture
def workflow(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    from trigger import executions, heartbeat

    played = Workflow(cloud)
    monkeypatch.setattr(executions, "run", played.run)
    monkeypatch.setattr(heartbeat, "_hide", lambda receipt, seconds: played.hidden.append(seconds))
    return played


CONTEXT = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 60_000,
    function_name="trigger",
    memory_limit_in_mb=256,
    invoked_function_arn="arn",
    aws_request_id="request",
)


def deliver(*messages: dict[str, Any]) -> list[str]:
    """Hand a batch to the trigger; the ids that it wants to see again."""
    from trigger import app

    answer = app.lambda_handler({"Records": list(messages)}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def job_records(cloud: Any, key: str = KEY) -> dict[str, dict[str, Any]]:
    return {item["item"].removeprefix("job#"): item for item in cloud.records(key) if item["item"] != "lease"}


def statuses(cloud: Any, key: str = KEY) -> list[str]:
    return sorted(item["status"] for item in job_records(cloud, key).values())


def test_an_upload_is_run_once_and_leaves_the_queue(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    assert deliver(message(record(KEY, version))) == []
    assert [job["execution_name"] for job in workflow.started] == [f"{workflow.started[0]['job_id']}-1-1"]
    assert job_records(cloud)[version]["status"] == "SUCCEEDED"
    assert [item for item in cloud.records(KEY) if item["item"] == "lease"] == []


def test_duplicates_make_one_run(cloud: Any, workflow: Workflow) -> None:
    event = record(KEY, cloud.upload(KEY))
    assert deliver(message(event), message(event), message(event, event)) == []
    assert deliver(message(event)) == []
    assert len(workflow.started) == 1


def test_an_overwrite_makes_the_newest_and_accounts_for_the_other(cloud: Any, workflow: Workflow) -> None:
    first, second = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    assert deliver(message(record(KEY, second))) == []
    assert deliver(message(record(KEY, first))) == []  # late
    assert [job["source"]["version_id"] for job in workflow.started] == [second]
    assert {name: item["status"] for name, item in job_records(cloud).items()} == {
        first: "SUPERSEDED",
        second: "SUCCEEDED",
    }


def test_an_overwrite_while_running_is_run_by_the_same_holder(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY, b"1")
    later: list[str] = []

    def overwritten(job: dict[str, Any]) -> None:
        later.append(cloud.upload(KEY, b"2"))
        workflow.succeed(job)

    workflow.script = [overwritten]
    assert deliver(message(record(KEY, first))) == []
    assert [job["source"]["version_id"] for job in workflow.started] == [first, later[0]]
    body = cloud.s3.get_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg")["Body"].read()
    assert body.decode() == f"set of {later[0]}"


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
def test_a_version_that_was_given_up_and_replaced_needs_nobody_any_more(
    cloud: Any, workflow: Workflow, then: str
) -> None:
    first = cloud.upload(KEY, b"1")
    workflow.script = [workflow.fail] * 3
    for _ in range(3):
        deliver(message(record(KEY, first), sent_at=time.time() - 5))
    assert statuses(cloud) == ["FAILED"]
    if then == "SUPERSEDED":
        event = record(KEY, cloud.upload(KEY, b"2"))
    else:
        marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
        event = record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")
    assert deliver(message(event)) == []
    ended = job_records(cloud)[first]
    assert (ended["status"], ended["attention"], ended["code"]) == (then, then, "Broken")
    assert [item for item in cloud.records(KEY) if item["item"] == "lease"] == []
    assert deliver(message(record(KEY, first), sent_at=time.time() + 5)) == []  # its dead letter, sent back
    assert job_records(cloud)[first]["status"] == then


def test_the_same_bytes_are_not_processed_again(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY)
    deliver(message(record(KEY, first)))
    second = cloud.upload(KEY)
    for _ in range(2):
        assert deliver(message(record(KEY, second))) == []
    assert len(workflow.started) == 1
    made, adopted = (job_records(cloud)[version] for version in (first, second))
    assert (adopted["status"], adopted["result"]["renditions"]) == ("SUCCEEDED", 1)
    assert (adopted["job_id"] != made["job_id"], "attention" in adopted) == (True, False)
    deliver(message(record(KEY, cloud.upload(KEY, b"other bytes"))))
    assert len(workflow.started) == 2


def test_the_same_bytes_are_worth_a_run_where_the_recipe_has_changed(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import recipes

    deliver(message(record(KEY, cloud.upload(KEY))))
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    deliver(message(record(KEY, cloud.upload(KEY))))
    assert len(workflow.started) == 2


def test_who_shares_a_set_ends_and_comes_back_with_it(cloud: Any, workflow: Workflow) -> None:
    versions = []
    for _ in range(3):
        versions.append(cloud.upload(KEY))
        deliver(message(record(KEY, versions[-1])))
    assert (statuses(cloud), len(workflow.started)) == (["SUCCEEDED"] * 3, 1)
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    assert statuses(cloud) == ["DELETED"] * 3
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=marker)
    deliver(message(record(KEY, marker, "ObjectRemoved:Delete")))
    assert job_records(cloud)[versions[-1]]["status"] == "SUCCEEDED"
    assert cloud.exists(f"{FOLDER}/manifest.json")


def half(workflow: Workflow) -> Any:
    """An attempt that fails in the midst of writing its set."""

    def fail(job: dict[str, Any]) -> None:
        workflow.cloud.s3.put_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg", Body=b"half of a set")
        workflow.fail(job)

    return fail


def stored(cloud: Any) -> str:
    body: bytes = cloud.s3.get_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg")["Body"].read()
    return body.decode()


@pytest.mark.parametrize("how", ["put again", "the failed one deleted"])
@pytest.mark.parametrize("failures", [1, 3])
def test_a_set_that_a_failed_run_wrote_into_does_not_count(
    cloud: Any, workflow: Workflow, how: str, failures: int
) -> None:
    good = cloud.upload(KEY, b"good")
    deliver(message(record(KEY, good)))
    bad = cloud.upload(KEY, b"bad")
    workflow.script = [half(workflow)] * failures
    for _ in range(failures):
        deliver(message(record(KEY, bad), sent_at=time.time() - 5))
    assert stored(cloud) == "half of a set"
    if how == "put again":
        good = cloud.upload(KEY, b"good")
        event = record(KEY, good)
    else:
        cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=bad)
        event = record(KEY, bad, "ObjectRemoved:Delete")
    assert deliver(message(event)) == []
    assert stored(cloud) == f"set of {good}"
    assert job_records(cloud)[bad]["status"] == "SUPERSEDED"


def test_a_refusal_leaves_the_set_as_whole_as_it_was(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, b"good"))))
    workflow.script = [workflow.reject]
    deliver(message(record(KEY, cloud.upload(KEY, b"no picture"))))
    assert deliver(message(record(KEY, cloud.upload(KEY, b"good")))) == []
    assert (len(workflow.started), statuses(cloud)) == (2, ["REJECTED", "SUCCEEDED", "SUCCEEDED"])


@pytest.mark.parametrize("cut", ["renditions", "record", "manifest"])
@pytest.mark.parametrize("restored", [False, True])
def test_a_removal_that_was_cut_off_is_taken_up_again(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, cut: str, restored: bool
) -> None:
    from pipeline import jobs, storage

    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
    delete, retire = storage.delete, jobs.retire

    def delete_and_die(bucket: str, keys: list[str]) -> None:
        delete(bucket, keys)
        if cut == ("manifest" if f"{FOLDER}/manifest.json" in keys else "renditions"):
            raise RuntimeError("503 Slow Down")

    def retire_and_die(*arguments: Any, **options: Any) -> None:
        retire(*arguments, **options)
        if cut == "record":
            raise RuntimeError("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", delete_and_die)
        patch.setattr(jobs, "retire", retire_and_die)
        assert len(deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))) == 1
    if restored:
        cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=marker)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:Delete"))) == []
    assert statuses(cloud) == ["SUCCEEDED" if restored else "DELETED"]
    assert cloud.exists(f"{FOLDER}/large.jpg") is cloud.exists(f"{FOLDER}/manifest.json") is restored


def test_a_delete_removes_exactly_the_set(cloud: Any, workflow: Workflow) -> None:
    version, neighbour = cloud.upload(KEY), cloud.upload(KEY + "/large.jpg")
    deliver(message(record(KEY, version)), message(record(KEY + "/large.jpg", neighbour)))
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
    assert deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert not cloud.exists(f"{FOLDER}/manifest.json")
    assert not cloud.exists(f"{FOLDER}/large.jpg")
    assert cloud.exists(f"{FOLDER}/large.jpg/large.jpg")
    assert cloud.exists(f"{FOLDER}/large.jpg/manifest.json")
    assert statuses(cloud) == ["DELETED"]
    assert statuses(cloud, KEY + "/large.jpg") == ["SUCCEEDED"]


def test_while_a_set_is_being_removed_nobody_else_works_on_the_key(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import storage
    from trigger import lease

    deliver(message(record(KEY, cloud.upload(KEY))))
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
    seen = []
    monkeypatch.setattr(storage, "delete", lambda *_: seen.extend(cloud.records(KEY)))
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    held = [item for item in seen if item["item"] == "lease"]
    assert len(held) == 2
    assert all(item["held_until"] > time.time() + lease.LEASE_SECONDS - 5 for item in held)


def test_no_key_is_removed_that_no_bucket_can_hold(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 refuses it, for ever: where the manifest's key is just short enough, that of a rendition may not be."""
    from pipeline import storage

    removed: list[str] = []
    monkeypatch.setattr(storage, "delete", lambda _, keys: removed.extend(keys))
    key = "raw/" + "x" * (1024 - len("processed//manifest.json"))
    cloud.upload(key)
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=key)["VersionId"]
    assert deliver(message(record(key, marker, "ObjectRemoved:DeleteMarkerCreated"))) == []
    assert "large.avif" in {name.rpartition("/")[2] for name in removed}
    assert max(len(name) for name in removed) <= 1024


def test_a_restore_brings_the_set_back(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    marker = cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)["VersionId"]
    deliver(message(record(KEY, marker, "ObjectRemoved:DeleteMarkerCreated")))
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=marker)
    assert deliver(message(record(KEY, marker, "ObjectRemoved:Delete"))) == []
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["round"]) == ("SUCCEEDED", 2)


def test_deleting_the_newest_version_brings_back_the_one_before(cloud: Any, workflow: Workflow) -> None:
    first = cloud.upload(KEY, b"1")
    deliver(message(record(KEY, first)))
    second = cloud.upload(KEY, b"2")
    deliver(message(record(KEY, second)))
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=second)
    assert deliver(message(record(KEY, second, "ObjectRemoved:Delete"))) == []
    body = cloud.s3.get_object(Bucket="darkroom-output", Key=f"{FOLDER}/large.jpg")["Body"].read()
    assert body.decode() == f"set of {first}"


def test_deleting_a_noncurrent_version_removes_nothing(cloud: Any, workflow: Workflow) -> None:
    first, second = cloud.upload(KEY, b"1"), cloud.upload(KEY, b"2")
    deliver(message(record(KEY, second)))
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=first)
    assert deliver(message(record(KEY, first, "ObjectRemoved:Delete"))) == []
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert len(workflow.started) == 1


def test_an_original_that_expired_keeps_its_set(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)  # a lifecycle rule tells nobody
    assert deliver(message(record(KEY, version))) == []  # a late duplicate resurrects and removes nothing
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert statuses(cloud) == ["SUCCEEDED"]


def test_a_source_that_was_gone_before_it_was_seen_is_deleted(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)
    assert deliver(message(record(KEY, version))) == []
    assert statuses(cloud) == ["DELETED"]
    assert workflow.started == []


def test_a_source_that_vanishes_while_it_is_read_never_fails(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)

    def vanish(job: dict[str, Any]) -> None:
        cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY, VersionId=version)
        workflow.fail(job | {"attempt": 3}, "SourceGoneError")

    workflow.script = [vanish]
    assert deliver(message(record(KEY, version))) == []
    assert statuses(cloud) == ["DELETED"]
    assert cloud.told() == []


def test_a_refused_upload_keeps_the_old_set(cloud: Any, workflow: Workflow) -> None:
    deliver(message(record(KEY, cloud.upload(KEY, b"1"))))
    workflow.script = [workflow.reject]
    event = record(KEY, cloud.upload(KEY, b"2"))
    assert deliver(message(event)) == []
    assert deliver(message(event)) == []
    assert statuses(cloud) == ["REJECTED", "SUCCEEDED"]
    assert cloud.exists(f"{FOLDER}/manifest.json")
    assert len(workflow.started) == 2


def test_a_transient_fault_comes_back_later_each_time_and_heals(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail, workflow.fail]
    event = record(KEY, cloud.upload(KEY))
    assert [len(deliver(message(event))) for _ in range(3)] == [1, 1, 0]
    assert [seconds for seconds in workflow.hidden if seconds != 60] == [30, 120]
    assert statuses(cloud) == ["SUCCEEDED"]
    assert [job["attempt"] for job in workflow.started] == [1, 2, 3]
    assert cloud.told() == []


def test_a_fault_that_stays_is_told_once_and_parked(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail] * 3
    event = record(KEY, cloud.upload(KEY))
    sent = time.time() - 5
    assert [len(deliver(message(event, sent_at=sent))) for _ in range(3)] == [1, 1, 0]
    (told,) = cloud.told()
    assert (told["body"]["status"], told["body"]["state"]) == ("FAILED", "OptimizeImage")
    (letter,) = cloud.dead_letters()
    assert json.loads(letter["Body"]) == {"Records": [event]}
    assert "it broke" in letter["MessageAttributes"]["reason"]["StringValue"]
    # a duplicate that was sent before it failed is parked beside it, and starts nothing
    assert deliver(message(event, sent_at=sent)) == []
    assert (len(workflow.started), cloud.told()) == (3, [])


def test_a_message_sent_after_the_failure_opens_a_new_round(cloud: Any, workflow: Workflow) -> None:
    workflow.script = [workflow.fail] * 3
    version = cloud.upload(KEY)
    for _ in range(3):
        deliver(message(record(KEY, version), sent_at=time.time() - 5))
    assert deliver(message(record(KEY, version), sent_at=time.time() + 5)) == []
    assert (job_records(cloud)[version]["status"], job_records(cloud)[version]["round"]) == ("SUCCEEDED", 2)


def test_a_changed_recipe_is_worth_a_new_round_and_nothing_else_is(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import recipes

    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    deliver(message(record(KEY, version)))
    assert len(workflow.started) == 1
    route = recipes.route
    monkeypatch.setattr(recipes, "route", lambda document, key: route(document, key) | {"hash": "another"})
    deliver(message(record(KEY, version)))
    assert [job["round"] for job in workflow.started] == [1, 2]


def test_a_set_that_somebody_removed_is_made_again(cloud: Any, workflow: Workflow) -> None:
    version = cloud.upload(KEY)
    deliver(message(record(KEY, version)))
    cloud.s3.delete_object(Bucket="darkroom-output", Key=f"{FOLDER}/manifest.json")
    deliver(message(record(KEY, version)))
    assert cloud.exists(f"{FOLDER}/manifest.json")


def test_a_run_that_was_cut_off_counts_as_an_attempt(cloud: Any, workflow: Workflow) -> None:
    from trigger.executions import CutOffError

    def cut_off(job: dict[str, Any]) -> None:
        raise CutOffError("EXECUTION_ABORTED", "somebody stopped it", started=True)

    workflow.script = [cut_off]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    found = job_records(cloud)[version]
    assert (found["status"], found["last_failure"]["code"]) == ("QUEUED", "EXECUTION_ABORTED")
    lease = next(item for item in cloud.records(KEY) if item["item"] == "lease")
    assert lease["held_until"] > time.time() + 3  # its functions may still be writing


def test_a_run_of_unknown_end_keeps_its_lease_and_is_lost_at_last(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trigger import lease
    from trigger.executions import UnknownError

    def unknown(job: dict[str, Any]) -> None:
        raise UnknownError("no answer")

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
    assert [told["body"]["code"] for told in cloud.told()] == ["RUN_LOST"]
    assert len(cloud.dead_letters()) == 1


def test_a_fault_while_waiting_keeps_the_lease_of_what_may_be_running(cloud: Any, workflow: Workflow) -> None:
    def throttled(job: dict[str, Any]) -> None:
        raise RuntimeError("DynamoDB is throttling")

    workflow.script = [throttled]
    version = cloud.upload(KEY)
    assert len(deliver(message(record(KEY, version)))) == 1
    lease = next(item for item in cloud.records(KEY) if item["item"] == "lease")
    assert lease["execution_name"] == workflow.started[0]["execution_name"]
    assert lease["held_until"] > time.time() + 20


def test_a_run_of_unknown_end_gets_no_successor(cloud: Any, workflow: Workflow) -> None:
    from trigger.executions import UnknownError

    def overwritten(job: dict[str, Any]) -> None:
        cloud.upload(KEY, b"2")
        raise UnknownError("no answer")

    workflow.script = [overwritten]
    assert len(deliver(message(record(KEY, cloud.upload(KEY, b"1"))))) == 1
    assert len(workflow.started) == 1


def test_a_dead_holder_whose_run_was_closed_is_taken_over_at_once(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trigger import lease

    monkeypatch.setattr(lease, "GRACE_SECONDS", 0.2)
    version = cloud.upload(KEY)

    def die(job: dict[str, Any]) -> None:
        workflow.succeed(job)
        raise KeyboardInterrupt  # the invocation ends here: nothing after it runs

    workflow.script = [die]
    monkeypatch.setattr(lease.Lease, "release", lambda self: None)
    with pytest.raises(KeyboardInterrupt):
        deliver(message(record(KEY, version)))
    began = time.monotonic()
    assert deliver(message(record(KEY, version))) == []
    assert time.monotonic() - began < 5  # not the lease's 30 s
    assert len(workflow.started) == 1


def test_while_somebody_works_on_the_key_messages_come_back_later(cloud: Any, workflow: Workflow) -> None:
    from trigger import lease

    version = cloud.upload(KEY)
    with lease.hold(KEY, time.time()) as held:
        held.renew(version, "somebody-1-1")
        with pytest.raises(lease.BusyError), lease.hold(KEY, time.time() + 1):
            pass
    assert deliver(message(record(KEY, version))) == []


def test_who_lost_the_lease_starts_nothing(cloud: Any, workflow: Workflow) -> None:
    from trigger import lease

    with lease.hold(KEY, time.time()) as held:
        held.settle(-1)
        with lease.hold(KEY, time.time()), pytest.raises(lease.LostError):
            held.renew("v1", "late-1-1")


def test_an_unreadable_message_alone_is_parked(cloud: Any, workflow: Workflow) -> None:
    poison = message() | {"body": "not json"}
    assert deliver(poison, message(record(KEY, cloud.upload(KEY)))) == []
    assert [letter["Body"] for letter in cloud.dead_letters()] == ["not json"]
    assert statuses(cloud) == ["SUCCEEDED"]


def test_the_reason_why_a_message_is_parked_can_be_sent(cloud: Any, workflow: Workflow) -> None:
    forged = record(KEY, "v1")
    forged["s3"]["bucket"]["name"] = "a\ud800\n\uffff\u202eb"
    assert deliver(message(forged)) == []
    (letter,) = cloud.dead_letters()
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "about the bucket a b, not darkroom-source"


def test_a_fault_with_one_key_is_its_own(cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import storage

    head = storage.head

    def unavailable(bucket: str, key: str) -> dict[str, Any] | None:
        if key == KEY:
            raise RuntimeError("503 Slow Down")
        return head(bucket, key)

    monkeypatch.setattr(storage, "head", unavailable)
    bad, good = message(record(KEY, cloud.upload(KEY)), receives=2), message(record("raw/b", cloud.upload("raw/b")))
    assert deliver(bad, good) == [bad["messageId"]]
    assert workflow.hidden[-1] == 120


def test_a_bare_event_is_reconciled_or_says_why_not(cloud: Any, workflow: Workflow) -> None:
    from trigger import app

    bare = {"Records": [record(KEY, cloud.upload(KEY)) | {"eventSource": "aws:s3"}]}
    workflow.script = [workflow.fail]
    with pytest.raises(app.NotReconciledError, match="it broke"):
        app.lambda_handler(bare, CONTEXT)
    assert app.lambda_handler(bare, CONTEXT) == {"batchItemFailures": []}
    assert statuses(cloud) == ["SUCCEEDED"]


def test_no_run_is_started_that_could_outlast_the_invocation(
    cloud: Any, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trigger import executions

    monkeypatch.setattr(executions, "WAIT_SECONDS", 55.0)
    assert len(deliver(message(record(KEY, cloud.upload(KEY))))) == 1
    assert workflow.started == []
