"""A bucket's notification configuration, changed by its one EventBridge switch, and who hears of a bucket's events.

S3 replaces a configuration as a whole, and has no conditional write for it. The rest of the configuration belongs to
others, so `switch` reads it again just before it writes, compares what boto3 is about to send with what S3 has sent,
element by element, and reads back what stands.

One window remains: the milliseconds between the last reading and the writing. What somebody else writes within them is
overwritten, and nobody is told. A write that comes after ours is found by reading back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from botocore.exceptions import ClientError

from darkroom.project import CommandError
from darkroom.stack import Stack, is_denied, is_gone

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

EVENTBRIDGE = "EventBridgeConfiguration"
PATIENCE_SECONDS = 20.0  # S3 may go on answering with the earlier configuration for a while
POLL_SECONDS = 0.5

# All that S3 tells EventBridge of.
DETAIL_TYPES = (
    "Object Created",
    "Object Deleted",
    "Object Restore Initiated",
    "Object Restore Completed",
    "Object Restore Expired",
    "Object Tags Added",
    "Object Tags Deleted",
    "Object ACL Updated",
    "Object Storage Class Changed",
    "Object Access Tier Changed",
)

# An element of XML: its name, its text if it has no elements, and its elements in no order.
Element = tuple[str, str, tuple[Any, ...]]
SWITCH: Element = (EVENTBRIDGE, "", ())


class BucketGoneError(CommandError):
    """The bucket does not exist."""


@dataclass(frozen=True)
class Configuration:
    """What a bucket tells of its events: two are equal if S3 sent the same elements, in whatever order."""

    elements: Element
    document: Mapping[str, Any] = field(compare=False)  # the same, as boto3 takes it

    @property
    def has_eventbridge(self) -> bool:
        """Whether EventBridge gets the bucket's events."""
        return EVENTBRIDGE in self.document

    def switched(self, *, on: bool) -> Configuration:
        """The same, with EventBridge switched on or off."""
        name, text, children = self.elements
        others = tuple(child for child in children if child[0] != EVENTBRIDGE)
        document = {key: value for key, value in self.document.items() if key != EVENTBRIDGE}
        if on:
            others, document = tuple(sorted((*others, SWITCH))), document | {EVENTBRIDGE: {}}
        return Configuration((name, text, others), document)

    def others(self) -> Iterator[str]:
        """A line for each destination beside EventBridge."""
        kinds = {"Topic": "TopicArn", "Queue": "QueueArn", "LambdaFunction": "LambdaFunctionArn"}
        for kind, arn in kinds.items():
            for each in self.document.get(f"{kind}Configurations", []):
                rules = each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                only = "".join(f", {rule['Name'].lower()} {rule['Value']}" for rule in rules)
                yield f"{each[arn]} ({each['Id']}): {' '.join(each['Events'])}{only}"


def read(stack: Stack, bucket: str) -> Configuration:
    """A bucket's configuration. Raises BucketGoneError, or CommandError if it may not be read."""
    s3: S3Client = stack.client("s3")
    name = "before-parse.s3.GetBucketNotificationConfiguration"
    with _hooked(s3, name, _keep_body), _explained("s3:GetBucketNotification", bucket):
        answer: dict[str, Any] = dict(
            s3.get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=stack.account)
        )
    del answer["ResponseMetadata"]
    return Configuration(_elements(answer.pop("Body")), answer)


def check_region(stack: Stack, bucket: str) -> None:
    """Raises CommandError for a bucket of another region: its events go to the EventBridge there."""
    s3: S3Client = stack.client("s3")
    with _explained("s3:ListBucket", bucket):
        region = s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=stack.account).get("BucketRegion", stack.region)
    if region != stack.region:
        raise CommandError(f"the bucket {bucket} is in {region}, where its events stay: deploy the stack to {region}")


def check_unchanged(stack: Stack, bucket: str, before: Configuration) -> None:
    """Raises CommandError if a bucket's configuration is no longer what it was."""
    if read(stack, bucket) != before:
        raise CommandError(f"somebody has just changed the notifications of {bucket}: nothing was written, try again")


def switch(stack: Stack, bucket: str, before: Configuration, *, on: bool) -> None:
    """Write `before` with EventBridge switched on or off. Raises CommandError, and then has written nothing."""
    s3: S3Client = stack.client("s3")
    wanted = before.switched(on=on)

    def compare(params: dict[str, Any], **_: Any) -> None:
        if _elements(params["body"]) != wanted.elements:
            raise CommandError(
                f"the notification configuration of {bucket} holds something that this version of boto3 would lose, "
                f"so nothing was written: switch Amazon EventBridge {'on' if on else 'off'} in the S3 console"
            )

    check_unchanged(stack, bucket, before)
    name = "before-call.s3.PutBucketNotificationConfiguration"
    with _hooked(s3, name, compare), _explained("s3:PutBucketNotification", bucket):
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            ExpectedBucketOwner=stack.account,
            NotificationConfiguration=wanted.document,  # type: ignore[arg-type]
            # Every destination is somebody else's. S3 would send each one a test event, and refuse the configuration
            # for one that is gone.
            SkipDestinationValidation=True,
        )


def confirm(stack: Stack, bucket: str, wanted: Configuration) -> None:
    """Wait until `wanted` can be read. Raises CommandError if something else stands."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while read(stack, bucket) != wanted:
        if time.monotonic() > deadline:
            raise CommandError(
                f"the notifications of {bucket} were written, but are not what was written: somebody else has changed "
                "them at the same time; compare what stands with what is shown above"
            )
        time.sleep(POLL_SECONDS)


def listeners(stack: Stack, bucket: str, *, but: str = "") -> list[str]:
    """The rules on the default event bus that take events of a bucket, of whatever key and kind, without `but`.

    Disabled rules too: somebody may enable them again.
    """
    events: Any = stack.client("events")
    pages = events.get_paginator("list_rules").paginate()
    rules = (rule for page in pages for rule in page["Rules"] if rule["Name"] != but)
    return [rule["Name"] for rule in rules if "EventPattern" in rule and _listens(stack, rule["EventPattern"], bucket)]


def _listens(stack: Stack, text: str, bucket: str) -> bool:
    """Whether a pattern matches any event of a bucket.

    EventBridge tests a pattern with one event. So all that a bucket's events differ in is left out of the pattern.
    That makes it match more, never less.
    """
    pattern = json.loads(text)
    broad = {name: pattern[name] for name in ("source", "account", "region", "resources") if name in pattern}
    if "bucket" in pattern.get("detail", {}):
        broad["detail"] = {"bucket": pattern["detail"]["bucket"]}
    if broad and not matches(stack, json.dumps(broad), bucket):
        return False
    types = json.dumps({"detail-type": pattern["detail-type"]}) if "detail-type" in pattern else ""
    return not types or any(matches(stack, types, bucket, detail_type=each) for each in DETAIL_TYPES)


def matches(
    stack: Stack, pattern: str, bucket: str, *, key: str = "sample.jpg", detail_type: str = DETAIL_TYPES[0]
) -> bool:
    """Whether an EventBridge pattern, as JSON, matches the event of a bucket about a key."""
    event = {
        "id": "1",
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": stack.account,  # EventBridge gets the events in the bucket's account: it must be this one
        "time": "2026-01-01T00:00:00Z",
        "region": stack.region,
        "resources": [f"arn:{stack.partition}:s3:::{bucket}"],
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}, "reason": "PutObject"},
    }
    return bool(stack.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])


@contextmanager
def _hooked(s3: S3Client, event: str, hook: Any) -> Iterator[None]:
    s3.meta.events.register(event, hook)
    try:
        yield
    finally:
        s3.meta.events.unregister(event, hook)


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    customized_response_dict["Body"] = response_dict["body"]


def _elements(xml: bytes) -> Element:
    return _element(ElementTree.fromstring(xml))  # noqa: S314 - S3's own


def _element(element: ElementTree.Element) -> Element:
    children = tuple(sorted(_element(child) for child in element))
    return element.tag.rpartition("}")[2], "" if children else element.text or "", children


@contextmanager
def _explained(action: str, bucket: str) -> Iterator[None]:
    """Turns the answers that an operator has to act on into CommandErrors."""
    try:
        yield
    except ClientError as error:
        if is_gone(error):
            raise BucketGoneError(f"there is no bucket {bucket}: deploy the stack with one that exists") from None
        if is_denied(error):
            raise CommandError(
                f"S3 denied {action} on the bucket {bucket}: it must be a bucket of the stack's account, and you need "
                "that right"
            ) from None
        raise
