"""What the trigger reads in messages, whatever they contain."""

from __future__ import annotations

import json
import random
import time
from typing import Any
from urllib.parse import quote_plus

import pytest

from pipeline import clock, keys
from tests.unit import hostile_keys, triggering
from trigger import notices


def message(body: Any) -> notices.Message:
    return notices.Message(body if isinstance(body, str) else json.dumps(body))


def notification(key: str, name: str = "ObjectCreated:Put", bucket: str = "darkroom-source") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": name,
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {"key": quote_plus(key, safe="/"), "versionId": "v1", "sequencer": "0A"},
                },
            }
        ]
    }


@pytest.mark.parametrize(
    "key",
    [
        "raw/a.jpg",
        "raw/summer 100% fun + größe/写真.jpg",
        "raw/%2B.jpg",
        "raw/a+b.jpg",
        "raw/😀/'\"<&>.png",
        "raw/ .jpg",
    ],
)
def test_keys_come_through_exactly(key: str) -> None:
    assert [notice.key for notice in notices.read(message(notification(key)), "darkroom-source")] == [key]


def drawn(chance: random.Random) -> dict[str, Any]:
    """An S3 notification of one change."""
    name = chance.choice(["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"])
    name = chance.choice([name, "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"])
    letters = "".join(chance.choices(["a", "/", "+", "%", "%20", "%2B", "%zz", " ", "ü", "😀", "&", "\n"], k=9))
    body = notification(chance.choice(["raw/", "raw/raw/", "rawer/", ""]) + letters, name)
    about = body["Records"][0]["s3"]["object"]
    about |= {"versionId": chance.choice(["null", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"]), "size": 1, "eTag": "0" * 32}
    for field in ("versionId", "sequencer"):
        if chance.random() < 0.3:
            del about[field]
    return body


def test_eventbridge_says_what_s3_says() -> None:
    sources = 0
    for seed in range(1000):
        body = drawn(random.Random(seed))
        twin = triggering.eventbridge(body["Records"][0])
        read, same = (
            notices.read(notices.Message(json.dumps(each), sent_at=1.0), "darkroom-source") for each in (body, twin)
        )
        assert read == same, seed
        sources += len(read)
    assert 300 < sources < 900


@pytest.mark.parametrize("key", hostile_keys.keys())
def test_keys_of_eventbridge_come_through_exactly(key: str) -> None:
    event = triggering.eventbridge(triggering.record(key, "v1"))
    assert event["detail"]["object"]["key"] == key
    (notice,) = notices.read(message(event), "darkroom-source")
    assert (notice.key, notice.removed, notice.asked, notice.version_id) == (key, False, None, "v1")


def changed(**changes: Any) -> dict[str, Any]:
    return triggering.eventbridge(triggering.record("raw/a.jpg", "v1", "ObjectRemoved:Delete")) | changes


@pytest.mark.parametrize("reason", ["DeleteObject", None])
def test_a_removal_that_eventbridge_tells_is_one_and_an_expiry_is_none(reason: str | None) -> None:
    for said, removed in ((reason, True), ("Lifecycle Expiration", False)):
        event = changed()
        event["detail"]["reason"] = said
        (notice,) = notices.read(message(event), "darkroom-source")
        assert notice.removed is removed


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (changed(source="aws.glue"), "Object Deleted of aws.glue says nothing about a source"),
        (changed(**{"detail-type": "Object Tags Added"}), "Object Tags Added of aws.s3 says nothing"),
        (changed(detail={"bucket": {"name": "elsewhere"}, "object": {"key": "raw/a"}}), "about the bucket elsewhere"),
        (changed(detail={}), "not an S3 notification .KeyError"),
        (changed(detail=None), "not an S3 notification .TypeError"),
        (changed(**{"detail-type": []}), "not an S3 notification .TypeError"),
        ({"detail-type": "Object Created"}, "not an S3 notification .KeyError"),
        (
            changed(detail={"bucket": {"name": "darkroom-source"}, "object": {"key": "raw/\ud83d"}}),
            "UnicodeEncodeError",
        ),
        (changed(detail={"bucket": {"name": "darkroom-source"}, "object": {"key": 7}}), "AttributeError"),
    ],
)
def test_what_eventbridge_says_of_something_else_is_unreadable(event: dict[str, Any], problem: str) -> None:
    with pytest.raises(notices.UnreadableError, match=problem):
        notices.read(message(event), "darkroom-source")


def test_a_key_outside_of_another_prefix_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SOURCE_PREFIX", "photos/2024/")
    for key, found in (("photos/2024/a", ["photos/2024/a"]), ("photos/2024/", []), ("photos/a", []), ("raw/a", [])):
        for body in (notification(key), triggering.eventbridge(triggering.record(key, "v1"))):
            assert [notice.key for notice in notices.read(message(body), "darkroom-source")] == found


@pytest.mark.parametrize(
    "key",
    ["raw/", "raw/cats/", "raw/.DS_Store", "raw/cats/Thumbs.db", "raw/desktop.ini", "raw/._tom.jpg", "other/a.jpg"],
)
def test_folder_markers_and_litter_are_no_sources(key: str) -> None:
    assert notices.read(message(notification(key)), "darkroom-source") == []


def test_a_test_event_is_acknowledged() -> None:
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "darkroom-source"}
    assert notices.read(message(body), "darkroom-source") == []


def test_removals_are_recognised() -> None:
    removed = notices.read(message(notification("raw/a", "ObjectRemoved:DeleteMarkerCreated")), "darkroom-source")
    created = notices.read(message(notification("raw/a", "s3:ObjectCreated:Copy")), "darkroom-source")
    assert (removed[0].removed, created[0].removed) == (True, False)
    assert (created[0].version_id, created[0].sequencer) == ("v1", "0A")


@pytest.mark.parametrize(
    ("event", "asked", "removed"),
    [
        ("ObjectCreated:Redrive", "redrive", False),
        ("ObjectCreated:Force", "force", False),
        ("ObjectRemoved:Redrive", "redrive", True),
        ("ObjectCreated:Put", None, False),
        ("ObjectRemoved:Delete", None, True),
        ("ObjectCreated", None, False),
    ],
)
def test_what_an_operator_asks_for_is_told_from_what_s3_says(event: str, asked: str | None, removed: bool) -> None:
    (notice,) = notices.read(message(notification("raw/a", event)), "darkroom-source")
    assert (notice.asked, notice.removed) == (asked, removed)


@pytest.mark.parametrize(("failed_at", "sent_at"), [("2026-01-31T12:00:00.000Z", 1769860800), (None, 1.5)])
def test_a_dead_letter_that_was_moved_back_counts_as_sent_after_the_failure(
    failed_at: str | None, sent_at: float
) -> None:
    attributes = {"failed_at": {"stringValue": failed_at, "dataType": "String"}} if failed_at else {}
    record = {
        "eventSource": "aws:sqs",
        "messageId": "m1",
        "receiptHandle": "r1",
        "body": json.dumps(notification("raw/a")),
        "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1500"},
        "messageAttributes": attributes,
    }
    (read,) = notices.messages({"Records": [record]})
    assert notices.read(read, "darkroom-source")[0].sent_at == sent_at


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "{}",
        "null",
        '{"Records": 1}',
        '{"Records": [{}]}',
        '{"Records": [{"s3": null}]}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_notification_is_unreadable(body: str) -> None:
    with pytest.raises(notices.UnreadableError, match="not an S3 notification"):
        notices.read(message(body), "darkroom-source")


def test_a_notification_about_another_bucket_is_unreadable() -> None:
    with pytest.raises(notices.UnreadableError, match="about the bucket elsewhere"):
        notices.read(message(notification("raw/a.jpg", bucket="elsewhere")), "darkroom-source")


def test_a_key_that_is_not_utf8_is_unreadable() -> None:
    body = notification("raw/a.jpg")
    body["Records"][0]["s3"]["object"]["key"] = "raw/%FF.jpg"
    with pytest.raises(notices.UnreadableError, match="UnicodeDecodeError"):
        notices.read(message(body), "darkroom-source")
    body["Records"][0]["s3"]["object"]["key"] = "raw/\ud83d.jpg"
    with pytest.raises(notices.UnreadableError, match="UnicodeEncodeError"):
        notices.read(message(body), "darkroom-source")


def test_an_sqs_batch_and_a_bare_event_become_messages() -> None:
    body = json.dumps(notification("raw/a.jpg"))
    record = {
        "eventSource": "aws:sqs",
        "messageId": "m1",
        "receiptHandle": "r1",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1500"},
    }
    assert notices.messages({"Records": [record]}) == [notices.Message(body, "m1", "r1", 2, 1.5, 1.5)]
    bare = notices.messages(notification("raw/a.jpg"))
    assert (len(bare), bare[0].receipt) == (1, "")
    assert notices.read(bare[0], "darkroom-source")[0].key == "raw/a.jpg"


@pytest.mark.parametrize("name", ["sent_at", "failed_at"])
@pytest.mark.parametrize("value", [{"stringValue": "yesterday"}, {"stringValue": "nan"}, {"binaryValue": "AA=="}, None])
def test_an_attribute_that_nobody_can_read_does_not_count(name: str, value: Any) -> None:
    sent = triggering.message(sent_at=1_000_000_000) | {"messageAttributes": {name: value}}
    (read,) = notices.messages({"Records": [sent]})
    assert read.sent_at == 1_000_000_000


def test_no_attribute_makes_a_message_younger_than_now() -> None:
    sent = triggering.message(sent_at=1_000_000_000) | {
        "messageAttributes": {
            "sent_at": {"stringValue": "9e12"},
            "failed_at": {"stringValue": "2999-01-01T00:00:00.000Z"},
        }
    }
    (read,) = notices.messages({"Records": [sent]})
    assert read.sent_at < time.time() + 100


# -------------------------------------------------------- since when a set is wanted


def queued(body: dict[str, Any], **attributes: str) -> notices.Message:
    """A message that the queue took 40 s after the event, at 12:00:40."""
    record = triggering.message(sent_at=clock.epoch("2026-01-31T12:00:40.000Z")) | {"body": json.dumps(body)}
    record["messageAttributes"] = {name: {"stringValue": value} for name, value in attributes.items()}
    return notices.messages({"Records": [record]})[0]


def asked_at(message: notices.Message) -> str:
    (notice,) = notices.read(message, "darkroom-source")
    assert notice.asked_at is not None
    return clock.of_epoch(notice.asked_at)


def test_a_set_is_asked_for_when_the_event_happened() -> None:
    body = notification("raw/a.jpg")
    assert asked_at(queued(body)) == "2026-01-31T12:00:40.000Z"
    body["Records"][0]["eventTime"] = "2026-01-31T12:00:00.250Z"
    assert asked_at(queued(body)) == "2026-01-31T12:00:00.250Z"
    assert asked_at(queued(triggering.eventbridge(body["Records"][0]))) == "2026-01-31T12:00:00.000Z"


def test_what_is_brought_back_is_asked_for_anew() -> None:
    body = notification("raw/a.jpg")
    body["Records"][0]["eventTime"] = "2026-01-30T12:00:00.000Z"
    assert asked_at(queued(body, failed_at="2026-01-30T12:10:00.000Z")) == "2026-01-31T12:00:40.000Z"


@pytest.mark.parametrize(
    "moment", ["", "soon", 7, None, "0001-01-01T00:00:00", "9999-12-31T23:59:59", [], "2027-01-01"]
)
def test_a_moment_that_cannot_be_is_none(moment: Any) -> None:
    body = notification("raw/a.jpg")
    body["Records"][0]["eventTime"] = moment
    assert asked_at(queued(body)) == "2026-01-31T12:00:40.000Z"
