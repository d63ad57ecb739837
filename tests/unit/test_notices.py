"""What the trigger reads in messages, whatever they contain."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.unit import triggering
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
    assert notices.messages({"Records": [record]}) == [notices.Message(body, "m1", "r1", 2, 1.5)]
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
