"""The messages that redrive sends and leaves, on queues, bucket and table in moto."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from moto import mock_aws

from darkroom import intake, records
from darkroom.commands import redrive
from darkroom.project import CommandError
from darkroom.stack import Stack
from pipeline import keys
from tests.unit import triggering
from tests.unit.fake_pipeline import OUTPUTS, create

KEY = "raw/summer 100% fun + größe.jpg"


class Cloud:
    """A stack's bucket, table and queues."""

    def __init__(self) -> None:
        names = ("s3", "dynamodb", "sqs")
        clients: dict[str, Any] = {name: boto3.client(name, "us-east-1") for name in names}
        self.s3, self.table, self.sqs = clients.values()
        urls = [self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("uploads", "dead-letters")]
        self.uploads, self.dead = urls
        outputs = {"UploadQueueUrl": self.uploads, "UploadDeadLetterQueueUrl": self.dead}
        self.stack = Stack("darkroom", OUTPUTS | outputs, "us-east-1")
        object.__setattr__(self.stack, "client", clients.__getitem__)
        create(self.stack)

    def upload(self, key: str = KEY) -> str:
        return str(self.s3.put_object(Bucket="darkroom-source", Key=key, Body=b"photo")["VersionId"])

    def record(self, version: str, status: str, key: str = KEY, *, hours: float = 0, **facts: str) -> None:
        moment = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
        item = {"source_key": key, "item": records.record_item(version), "status": status, "attention": status}
        item |= {"updated_at": moment.replace("+00:00", "Z"), **facts}
        self.table.put_item(TableName="jobs", Item={n: TypeSerializer().serialize(v) for n, v in item.items()})

    def fail(self, key: str = KEY, code: str = "Broken", *, letter: bool = True, at: str = "2026-01-31T12") -> str:
        """Upload a photo whose job FAILED, and park its message. Returns the version."""
        version = self.upload(key)
        self.record(version, "FAILED", key, code=code, reason="it broke", finished_at=at)
        if letter:
            self.park(notification(key, version))
        return version

    def park(self, body: str, reason: str = "job FAILED") -> None:
        attributes = {"reason": {"DataType": "String", "StringValue": reason}}
        self.sqs.send_message(QueueUrl=self.dead, MessageBody=body, MessageAttributes=attributes)

    def taken(self, url: str) -> Iterator[dict[str, Any]]:
        """Take all visible messages from a queue."""
        request = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        while batch := self.sqs.receive_message(**request).get("Messages"):
            for message in batch:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield message

    def take(self, url: str) -> list[str]:
        """Take all visible messages from a queue; returns their bodies."""
        return [message["Body"] for message in self.taken(url)]

    def failures(self) -> dict[str, str | None]:
        """Take all messages from the upload queue; returns the `failed_at` of each by the key that it names."""
        return {
            key: message.get("MessageAttributes", {}).get("failed_at", {}).get("StringValue")
            for message in self.taken(self.uploads)
            for key, _ in subjects(message["Body"])
        }

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Take all messages from the upload queue; returns their events with the objects, sorted."""
        parsed = [json.loads(body)["Records"][0] for body in self.take(self.uploads)]
        return sorted((record["eventName"], record["s3"]["object"]) for record in parsed)

    def sent(self) -> list[str]:
        """Take all messages from the upload queue; returns the keys that they name, sorted."""
        return sorted(key for body in self.take(self.uploads) for key, _ in subjects(body))


def notification(key: str, version: str, event: str = "ObjectCreated:Put", bucket: str = "darkroom-source") -> str:
    item = {"key": quote_plus(key, safe="/"), "versionId": version}
    return json.dumps({"Records": [{"eventName": event, "s3": {"bucket": {"name": bucket}, "object": item}}]})


def subjects(body: str) -> set[tuple[str, str | None]]:
    """The key versions that the trigger reads from a message."""
    from trigger import notices

    return {(notice.key, notice.version_id) for notice in notices.read(notices.Message(body), "darkroom-source")}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(redrive, "POLL_SECONDS", 0)
    monkeypatch.setattr(intake, "is_paused", lambda _: False)
    with mock_aws():
        cloud = Cloud()
        monkeypatch.setattr(Stack, "open", lambda *_args, **_options: cloud.stack)
        yield cloud


def command(**options: Any) -> int:
    defaults = {"stack": "darkroom", "aws": False, "key": None, "code": None, "stuck": 1.0}
    switches = dict.fromkeys(("unreadable", "delete", "force", "dry_run", "json"), False)
    return redrive.run(argparse.Namespace(**(defaults | switches | options)))


def test_dead_letters_go_back_as_they_are(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [notification(f"raw/{number}.jpg", cloud.fail(f"raw/{number}.jpg")) for number in range(12)]
    assert command() == 0
    assert sorted(cloud.take(cloud.uploads)) == sorted(bodies)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = cloud.sqs.get_queue_attributes(QueueUrl=cloud.dead, AttributeNames=names)["Attributes"]
    assert set(left.values()) == {"0"}, "deleted, not only hidden"
    assert "Sent to the upload queue: 12 dead letters." in capsys.readouterr().out


def test_a_failed_job_without_a_dead_letter_is_sent_once_too(cloud: Cloud) -> None:
    cloud.fail("raw/with letter.jpg")
    version = cloud.fail(KEY, letter=False)
    assert command() == 0
    bodies = cloud.take(cloud.uploads)
    assert len(bodies) == 2
    assert (KEY, version) in [subject for body in bodies for subject in subjects(body)]


def test_copies_of_a_dead_letter_are_sent_once(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    version = cloud.fail()
    cloud.park(notification(KEY, version))
    cloud.park(notification(KEY, version, "ObjectRemoved:DeleteMarkerCreated"))  # other events
    cloud.park(notification(KEY, version, "ObjectCreated:Force"))
    assert command() == 0
    assert cloud.sent() == [KEY, KEY, KEY]
    assert cloud.take(cloud.dead) == []
    assert "3 dead letters (and 1 copy: not sent, but removed)" in capsys.readouterr().out


def test_by_code_only_jobs_that_failed_with_it_are_sent(cloud: Cloud) -> None:
    cloud.fail("raw/a.jpg", "Broken")
    cloud.fail("raw/b.jpg", "Jammed")
    cloud.fail("raw/c.jpg", "Jammed", letter=False)
    cloud.fail("raw/d.jpg", "Broken", letter=False)
    cloud.record(cloud.upload("raw/e.jpg"), "QUEUED", "raw/e.jpg", hours=2)
    assert command(code="Jammed") == 0
    assert cloud.sent() == ["raw/b.jpg", "raw/c.jpg"]
    assert [subjects(body).pop()[0] for body in cloud.take(cloud.dead)] == ["raw/a.jpg"], "visible again, at once"


def test_by_key_its_dead_letter_is_sent(cloud: Cloud) -> None:
    cloud.fail("raw/a.jpg")
    cloud.fail()
    assert command(key=KEY.removeprefix("raw/")) == 0
    assert cloud.sent() == [KEY]
    assert len(cloud.take(cloud.dead)) == 1


def test_by_key_a_source_is_sent_whatever_its_status(cloud: Cloud) -> None:
    cloud.fail("raw/a.jpg")
    cloud.upload()  # its event was lost, so there is not even a record
    assert command(key=KEY) == 0
    assert cloud.sent() == [KEY]
    assert cloud.events() == []


def test_a_message_about_a_failed_job_says_which_failure_it_knows(cloud: Cloud) -> None:
    cloud.fail("raw/letter.jpg", at="2026-01-31T12:00:00.001Z")
    cloud.fail("raw/none.jpg", letter=False, at="2026-01-31T12:00:00.002Z")
    cloud.record(cloud.upload("raw/stuck.jpg"), "QUEUED", "raw/stuck.jpg", hours=2, finished_at="of an earlier round")
    cloud.record(version := cloud.upload("raw/mended.jpg"), "SUCCEEDED", "raw/mended.jpg", finished_at="2026")
    cloud.park(notification("raw/mended.jpg", version))
    assert command() == 0
    assert cloud.failures() == {
        "raw/letter.jpg": "2026-01-31T12:00:00.001Z",
        "raw/none.jpg": "2026-01-31T12:00:00.002Z",
        "raw/stuck.jpg": None,
        "raw/mended.jpg": None,
    }
    for key in ("raw/letter.jpg", "raw/mended.jpg"):
        assert command(key=key) == 0
    assert cloud.failures() == {"raw/letter.jpg": "2026-01-31T12:00:00.001Z", "raw/mended.jpg": None}
    assert command(key="raw/letter.jpg", force=True) == 0
    assert cloud.failures() == {"raw/letter.jpg": "2026-01-31T12:00:00.001Z"}


def test_a_letter_about_several_jobs_knows_the_last_failure(cloud: Cloud) -> None:
    moments = {"raw/a.jpg": "2026-01-31T12:00:00.001Z", "raw/b.jpg": "2026-01-31T12:00:00.002Z"}
    versions = {key: cloud.fail(key, letter=False, at=at) for key, at in moments.items()}
    cloud.record(newest := cloud.upload("raw/c.jpg"), "SUCCEEDED", "raw/c.jpg", finished_at="2026-01-31T12:00:00.003Z")
    bodies = [json.loads(notification(*each))["Records"] for each in [*versions.items(), ("raw/c.jpg", newest)]]
    cloud.park(json.dumps({"Records": [record for body in bodies for record in body]}))
    assert command() == 0
    assert set(cloud.failures().values()) == {"2026-01-31T12:00:00.002Z"}


def test_by_force_a_set_is_made_again_whatever_stands(cloud: Cloud) -> None:
    for status in ("SUCCEEDED", "REJECTED", "PROCESSING"):
        cloud.record(version := cloud.upload(), status)
        assert command(key=KEY, force=True) == 0
        item = {"key": quote_plus(KEY, safe="/"), "versionId": version}
        assert cloud.events() == [("ObjectCreated:Force", item)]
    cloud.park(letter := notification(KEY, version))
    cloud.park(notification("raw/other.jpg", "v"))
    assert command(key=KEY, force=True) == 0
    first, second = sorted(cloud.take(cloud.uploads), key=len)
    assert (first, "ObjectCreated:Force" in second) == (letter, True)
    with pytest.raises(CommandError, match="with KEY only"):
        command(force=True)
    with pytest.raises(CommandError, match=r"no source raw/absent\.jpg to make a set from"):
        command(key="absent.jpg", force=True)
    assert cloud.events() == []


def test_the_set_of_a_source_that_is_gone_is_removed(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    removal = ("ObjectRemoved:Redrive", {"key": quote_plus(KEY, safe="/")})
    cloud.record(version := cloud.upload(), "SUCCEEDED")
    cloud.s3.delete_object(Bucket="darkroom-source", Key=KEY)
    assert command(key=KEY, dry_run=True) == 0
    assert "deleted or expired by a lifecycle rule: either way, its set would be removed." in capsys.readouterr().out
    assert cloud.events() == []
    with pytest.raises(CommandError, match="to make a set from"):
        command(key=KEY, force=True)
    assert command(key=KEY) == 0
    text = capsys.readouterr().out
    assert "Sent to the upload queue: 1 source that is gone." in text
    assert "either way, its set is removed." in text
    assert KEY in text
    assert cloud.events() == [removal]
    cloud.park(letter := notification(KEY, version))
    assert command(key=KEY) == 0
    assert cloud.take(cloud.dead) == []
    assert len(bodies := cloud.take(cloud.uploads)) == 2
    assert letter in bodies, "as it is"
    assert "ObjectRemoved:Redrive" in "".join(bodies)


def test_a_dead_letter_of_eventbridge_goes_back_as_it_is(cloud: Cloud) -> None:
    version = cloud.fail(letter=False)
    cloud.park(letter := json.dumps(triggering.eventbridge(triggering.record(KEY, version))))
    assert command() == 0
    assert (cloud.take(cloud.dead), cloud.take(cloud.uploads)) == ([], [letter])


def test_a_key_of_which_only_a_dead_letter_is_left_is_removed(cloud: Cloud) -> None:
    cloud.park(notification("raw/lost.jpg", "v"))
    assert command(key="lost.jpg") == 0
    assert [event for event, _ in cloud.events()] == ["ObjectCreated:Put", "ObjectRemoved:Redrive"]


def test_a_key_without_a_trace_is_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    query = cloud.table.query

    def as_dynamodb_does(**request: Any) -> Any:
        if any(len(value["S"].encode()) > 2048 for value in request["ExpressionAttributeValues"].values()):
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "2048 bytes"}}, "Query")
        return query(**request)

    monkeypatch.setattr(cloud.table, "query", as_dynamodb_does)
    cloud.fail("raw/absent.jpg.jpg")
    for key in ("absent.jpg", "x" * 3000):
        with pytest.raises(CommandError, match=r"no source raw/\S+, no job and no dead letter about it: check the key"):
            command(key=key)
    assert cloud.events() == []
    assert len(cloud.take(cloud.dead)) == 1


def test_the_trigger_reads_what_redrive_sends(cloud: Cloud) -> None:
    from trigger import notices

    for event, version in ((redrive.AGAIN, "v"), (redrive.FORCE, "v"), (redrive.REMOVED, None)):
        body = redrive._body(cloud.stack, event, KEY, version)
        (notice,) = notices.read(notices.Message(body), "darkroom-source")
        assert (notice.key, notice.version_id, notice.removed) == (KEY, version, event == redrive.REMOVED)


def test_a_dry_run_changes_nothing(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.fail("raw/a.jpg", "Broken")
    cloud.fail("raw/b.jpg", "Jammed", letter=False)
    assert command(dry_run=True) == 0
    text = capsys.readouterr().out
    assert "Would be sent to the upload queue: 1 dead letter, 1 FAILED job without a dead letter." in text
    assert "raw/a.jpg  FAILED  Broken" in text
    assert "raw/b.jpg  FAILED  Jammed" in text
    assert cloud.sent() == []
    assert len(cloud.take(cloud.dead)) == 1


def test_an_unreadable_dead_letter_stays_until_it_is_deleted(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    poison = [
        "no notification",
        json.dumps({"Records": [{"s3": {}}]}),
        json.dumps([1]),
        "[",
        notification("raw/a.jpg", "v", bucket="another-bucket"),
        notification("raw/%FF", "v").replace("%25FF", "%FF"),
    ]
    assert command(unreadable=True, delete=True) == 0
    assert capsys.readouterr().out == "0 unreadable dead letters.\n"
    for body in poison:
        cloud.park(body, "not an S3 notification")
    version = cloud.fail()
    assert command() == 0
    assert "6 unreadable" in capsys.readouterr().out
    assert [subjects(body) for body in cloud.take(cloud.uploads)] == [{(KEY, version)}]
    assert command(unreadable=True) == 0
    text = capsys.readouterr().out
    assert all(body in text for body in poison)
    cloud.fail("raw/a.jpg")
    assert command(unreadable=True, delete=True, dry_run=True) == 0
    assert "deleted" not in capsys.readouterr().out
    assert command(unreadable=True, delete=True) == 0
    assert "6 unreadable dead letters.\nThey were deleted." in capsys.readouterr().out
    assert [subjects(body).pop()[0] for body in cloud.take(cloud.dead)] == ["raw/a.jpg"]
    with pytest.raises(CommandError, match="with --unreadable only"):
        command(delete=True)


def test_redrive_reads_exactly_the_messages_that_the_trigger_reads() -> None:
    from trigger import notices

    bodies = [
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
        notification("raw/folder/", "v"),
        "{}",
        "null",
        '{"Records": null}',
        '{"Records": []}',
        notification(KEY, "v", bucket="another"),
        notification(KEY, "v", "s3:ObjectRemoved:Delete"),
        notification("raw/.DS_Store", "v"),
        notification("raw/" + "x" * 2000, "v"),
        notification("raw/\x00\u202e\u0085.jpg", "v"),
        half_a_character("raw/a.jpg"),
        notification("raw/%FF", "v").replace("%25FF", "%FF"),
        notification(KEY, "v").replace('"v"', "null"),
        notification(KEY, "v").replace('"ObjectCreated:Put"', "1"),
        *(json.dumps(event) for event in events_of_eventbridge()),
        *(json.dumps({"Records": [{"s3": s3, "eventName": "x"}]}) for s3 in hostile_descriptions()),
        *(json.dumps({"Records": records}) for records in ({}, "", "x", 1, [None], [[]], [{}], {"s3": 1})),
        json.dumps({"Records": [json.loads(notification(KEY, "v"))["Records"][0], {}]}),
        '{"Event": ["s3:TestEvent"]}',
        '{"Records": [NaN]}',
        "\ud83d",
        "",
        "[" * 100_000,
    ]
    for body in bodies:
        try:
            expected = notices.read(notices.Message(body), "darkroom-source")
        except notices.UnreadableError:
            assert redrive._notices(body, "darkroom-source") is None, body
        else:
            read = redrive._notices(body, "darkroom-source")
            assert read is not None, body
            sources = {notice for notice in read if keys.is_source(notice[0])}
            assert {(notice.key, notice.version_id, notice.removed) for notice in expected} == sources


def events_of_eventbridge() -> Iterator[object]:
    """Events about an existing bucket, and some that nobody can read."""
    for name in ("ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"):
        event = triggering.eventbridge(triggering.record("raw/100%25 + größe.jpg", "v", name))
        yield event
        yield event | {"detail": event["detail"] | {"reason": "Lifecycle Expiration"}}
        for key in ("", "other/a", "raw/\ud83d", None, 1, []):
            yield event | {"detail": event["detail"] | {"object": {"key": key}}}
        yield event | {"detail": event["detail"] | {"bucket": {"name": "another"}}}
        yield event | {"source": "aws.glue"}
        yield from (event | {"detail-type": kind} for kind in ("Object Tags Added", None, []))
        yield from (event | {"detail": detail} for detail in ({}, None, [], {"bucket": None}))


def half_a_character(key: str) -> str:
    return notification(key, "v").replace("a.jpg", "\\ud83d.jpg")


def hostile_descriptions() -> Iterator[object]:
    """Values of a notification's `s3` that S3 never sends."""
    bucket = {"name": "darkroom-source"}
    yield from (None, "x", [], {}, {"bucket": bucket}, {"bucket": None}, {"bucket": {"name": None}, "object": {}})
    for key in (None, 1, [], {}, True):
        yield {"bucket": bucket, "object": {"key": key}}
    for item in (None, [], "x", {"key": "%F0%9F"}, {"key": ""}, {"key": "raw/%ED%A0%BD"}):
        yield {"bucket": bucket, "object": item}


def test_a_letter_with_an_impossible_key_stops_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    look = cloud.s3.head_object

    def as_s3_does(**request: Any) -> Any:
        if len(request["Key"].encode()) > 1024:
            raise ClientError({"Error": {"Code": "400", "Message": "Bad Request"}}, "HeadObject")
        return look(**request)

    monkeypatch.setattr(cloud.s3, "head_object", as_s3_does)
    long = notification("raw/" + "ß" * 600, "v")
    for body in (half_a_character("raw/a.jpg"), long):
        cloud.park(body)
    version = cloud.fail()
    assert command() == 0
    assert sorted(cloud.take(cloud.uploads)) == sorted([long, notification(KEY, version)])
    assert cloud.take(cloud.dead) == [half_a_character("raw/a.jpg")]


def test_stuck_jobs_are_brought_back(cloud: Cloud) -> None:
    versions = {key: cloud.upload(key) for key in ("raw/old.jpg", "raw/crashed.jpg", "raw/young.jpg")}
    cloud.record(versions["raw/old.jpg"], "QUEUED", "raw/old.jpg", hours=2)
    cloud.record(versions["raw/crashed.jpg"], "PROCESSING", "raw/crashed.jpg", hours=2)
    cloud.record(versions["raw/young.jpg"], "PROCESSING", "raw/young.jpg", hours=0.5)
    assert command() == 0
    assert cloud.sent() == ["raw/crashed.jpg", "raw/old.jpg"]
    assert command(stuck=0.1) == 0
    assert cloud.sent() == ["raw/crashed.jpg", "raw/old.jpg", "raw/young.jpg"]


def test_the_message_for_a_stuck_job_names_its_version(cloud: Cloud) -> None:
    old, new = cloud.upload(), cloud.upload()
    cloud.record(old, "PROCESSING", hours=2)
    cloud.record(new, "SUCCEEDED")
    assert command() == 0
    assert [subjects(body) for body in cloud.take(cloud.uploads)] == [{(KEY, old)}]


def test_failed_jobs_of_overwritten_or_deleted_versions_are_left(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.fail(KEY, letter=False)
    cloud.record(cloud.upload(), "SUCCEEDED")
    cloud.fail("raw/gone.jpg", letter=False)
    cloud.s3.delete_object(Bucket="darkroom-source", Key="raw/gone.jpg")
    assert command() == 0
    assert cloud.sent() == []
    assert "Left alone: 2 FAILED jobs" in capsys.readouterr().out


def test_a_job_that_has_moved_on_since_the_index_saw_it_is_left(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    version = cloud.upload()
    cloud.record(version, "SUCCEEDED")
    monkeypatch.setattr(records, "listed", lambda *_args, **_options: [(KEY, records.record_item(version))])
    assert command() == 0
    assert cloud.sent() == []
    cloud.record(version, "PROCESSING")
    assert command() == 0
    assert cloud.sent() == []


def test_a_dead_letter_that_cannot_be_sent_stays_and_is_reported(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.fail("raw/a.jpg")
    cloud.fail("raw/b.jpg")
    send = cloud.sqs.send_message

    def sometimes(**request: Any) -> Any:
        if "b.jpg" in request["MessageBody"]:
            raise ClientError({"Error": {"Code": "Throttled", "Message": "too fast"}}, "SendMessage")
        return send(**request)

    monkeypatch.setattr(cloud.sqs, "send_message", sometimes)
    assert command() == 1
    text = capsys.readouterr().out
    assert "Sent to the upload queue: 1 dead letter." in text
    assert "too fast" in text
    assert cloud.sent() == ["raw/a.jpg"]
    assert len(cloud.take(cloud.dead)) == 1


def test_an_interrupted_redrive_makes_dead_letters_visible_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.fail()

    def interrupted(*_args: Any, **_options: Any) -> None:
        assert cloud.take(cloud.dead) == [], "hidden until the end"
        raise KeyboardInterrupt

    monkeypatch.setattr(redrive, "plan", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command()
    assert len(cloud.take(cloud.dead)) == 1


def test_it_says_when_intake_is_paused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(intake, "is_paused", lambda _: True)
    assert command() == 0
    assert capsys.readouterr().out == "Nothing to bring back.\n"
    cloud.fail()
    assert command() == 0
    assert "resume" in capsys.readouterr().out
