"""Reads the trigger's event: an SQS batch of what S3 says about sources, or one such message bare.

S3 notifies the queue of the stack's own bucket itself. Of a bucket that was there before, EventBridge tells: one change
a message, in an envelope of its own.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_plus

from pipeline import clock, keys

# How `bin/darkroom redrive` names the cause of its messages.
_ASKED: dict[str, Literal["redrive", "force"]]
_ASKED = {"Redrive": "redrive", "Force": "force"}


# How EventBridge calls what happened, and whether that is a removal.
_DETAIL_TYPES = {"Object Created": False, "Object Deleted": True}
# The reason that it gives for what a lifecycle rule has removed. The rule keeps these out; they are no removals.
_EXPIRED = "Lifecycle Expiration"


class UnreadableError(Exception):
    """A message that is not about an object of our source bucket. Trying again does not help."""


@dataclass(frozen=True)
class Notice:
    """Says that something about `key` may have changed; the truth is in S3."""

    key: str
    removed: bool  # tells a source that was deleted from one that has expired
    asked: Literal["redrive", "force"] | None  # by an operator; None: by S3
    version_id: str | None
    sequencer: str | None
    sent_at: float  # epoch seconds, of the message: one sent after a job FAILED opens a new round
    asked_at: float | None  # epoch seconds, of the event; None: nobody waits for it. Nothing is decided by it


@dataclass(frozen=True)
class Message:
    """A queue message. One made from a bare S3 event has neither id nor receipt."""

    body: str
    id: str = ""
    receipt: str = ""
    receives: int = 1
    sent_at: float = field(default_factory=time.time)  # epoch seconds, see _sent_at
    brought_back: bool = False  # from the dead-letter queue
    queue: str = ""  # the name of the queue that it came from, which must hear what becomes of it


def messages(event: dict[str, Any]) -> list[Message]:
    """The messages of an SQS batch, or a bare S3 event as one message."""
    records = event.get("Records", [])
    if not records or records[0].get("eventSource") != "aws:sqs":
        return [Message(json.dumps(event))]
    return [
        Message(
            body=record["body"],
            id=record["messageId"],
            receipt=record["receiptHandle"],
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
            sent_at=_sent_at(record),
            brought_back="failed_at" in record.get("messageAttributes", {}),
            queue=record.get("eventSourceARN", "").rpartition(":")[2],
        )
        for record in records
    ]


def read(message: Message, bucket: str) -> list[Notice]:
    """The notices in a message that concern sources. Raises UnreadableError if it is no word of S3 on `bucket`."""
    try:
        body = json.loads(message.body)
        if body.get("Event") == "s3:TestEvent":
            return []
        if "detail-type" in body:
            notices = [_of_eventbridge(body, message, bucket)]
        else:
            notices = [_of_s3(record, message, bucket) for record in body["Records"]]
    except UnreadableError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"not an S3 notification ({type(error).__name__}: {error})") from error
    return [notice for notice in notices if keys.is_source(notice.key)]


def _sent_at(record: dict[str, Any]) -> float:
    """When a message was sent, in epoch seconds.

    A message that the trigger sent anew counts as sent when the first one was (`sent_at`). A dead letter that somebody
    brings back counts as sent when its job FAILED (`failed_at`), if that is later.
    """
    sent = int(record["attributes"]["SentTimestamp"]) / 1000
    first, failed = _moment(record, "sent_at", float), _moment(record, "failed_at", clock.epoch)
    return max(min(first or sent, sent), min(failed or 0.0, time.time() + 60))


def _moment(record: dict[str, Any], name: str, parse: Callable[[str], float]) -> float | None:
    """An attribute that the trigger or `bin/darkroom redrive` has written; one that nobody can read does not count."""
    try:
        moment = parse(record["messageAttributes"][name]["stringValue"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if math.isfinite(moment) else None


def _asked_at(message: Message, event_time: object) -> float:
    """When the event happened, in epoch seconds. One that was brought back was asked for anew by its message."""
    try:
        happened = clock.epoch(str(event_time))
    except (ValueError, OverflowError):
        return message.sent_at
    return message.sent_at if message.brought_back else min(happened, message.sent_at)


def _of_s3(record: dict[str, Any], message: Message, bucket: str) -> Notice:
    """The notice in a record of an S3 notification, or of a message of `bin/darkroom redrive`."""
    about = record["s3"]
    _check_bucket(about["bucket"]["name"], bucket)
    kind, _, cause = record["eventName"].removeprefix("s3:").partition(":")
    return Notice(
        key=_checked(unquote_plus(about["object"]["key"], errors="strict")),  # encoded once by S3, so decoded once
        removed=kind == "ObjectRemoved",
        asked=_ASKED.get(cause),
        version_id=about["object"].get("versionId"),
        sequencer=about["object"].get("sequencer"),
        sent_at=message.sent_at,
        asked_at=None if cause == "Backfill" else _asked_at(message, record.get("eventTime")),
    )


def _of_eventbridge(event: dict[str, Any], message: Message, bucket: str) -> Notice:
    """The notice in an event of EventBridge, whose keys are as they are."""
    if event["source"] != "aws.s3" or event["detail-type"] not in _DETAIL_TYPES:
        raise UnreadableError(f"{event['detail-type']} of {event['source']} says nothing about a source")
    detail = event["detail"]
    _check_bucket(detail["bucket"]["name"], bucket)
    return Notice(
        key=_checked(detail["object"]["key"]),
        removed=_DETAIL_TYPES[event["detail-type"]] and detail.get("reason") != _EXPIRED,
        asked=None,
        version_id=detail["object"].get("version-id"),
        sequencer=detail["object"].get("sequencer"),
        sent_at=message.sent_at,
        asked_at=_asked_at(message, event.get("time")),
    )


def _check_bucket(name: str, bucket: str) -> None:
    if name != bucket:
        raise UnreadableError(f"about the bucket {name}, not {bucket}")


def _checked(key: str) -> str:
    key.encode()  # JSON can hold half a character (a lone surrogate), a key cannot
    return key
