"""Attaching to a bucket whose notifications are other people's, and detaching, with a bucket that keeps raw XML."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.events.models import EventPattern as EventPattern_

from darkroom import notifications, records
from darkroom.commands import attach
from darkroom.project import CommandError
from darkroom.stack import Stack

BUCKET, RULE, ACCOUNT = "holiday-photos", "darkroom-SourceEventsRule", "123456789012"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
START = f'<?xml version="1.0" encoding="UTF-8"?>\n<NotificationConfiguration xmlns="{NAMESPACE}"'
EMPTY = f"{START}/>"
QUEUES = "".join(
    f"""<QueueConfiguration><Id>{name}</Id><Queue>arn:aws:sqs:eu-west-1:{ACCOUNT}:thumbs</Queue>\
<Event>s3:ObjectRemoved:Delete</Event><Event>s3:ObjectCreated:*</Event><Filter><S3Key>\
<FilterRule><Name>Prefix</Name><Value>{prefix}</Value></FilterRule>\
<FilterRule><Name>Suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter></QueueConfiguration>"""
    for name, prefix in (("the second", "thumbs &amp; größe/ "), ("a first", "other/"))
)
OTHERS = f"""<TopicConfiguration><Id>tf-s3-topic-2026</Id><Topic>arn:aws:sns:eu-west-1:{ACCOUNT}:told</Topic>\
<Event>s3:ReducedRedundancyLostObject</Event></TopicConfiguration>{QUEUES}<CloudFunctionConfiguration>\
<Id>YjVkM2Y0YmUtNGI3NC00</Id><CloudFunction>arn:aws:lambda:eu-west-1:{ACCOUNT}:function:index:live</CloudFunction>\
<Event>s3:ObjectCreated:Put</Event><Filter><S3Key><FilterRule><Name>Prefix</Name><Value></Value></FilterRule>\
</S3Key></Filter></CloudFunctionConfiguration>"""
SWITCH = "<EventBridgeConfiguration></EventBridgeConfiguration>"
FULL, END = f"{START}>{OTHERS}", "</NotificationConfiguration>"


class Bucket:
    """An S3 that keeps a notification configuration byte for byte. `before` and `after` run at the nth request."""

    def __init__(self, events: Any, xml: str) -> None:
        self.xml, self.requests, self.headers = xml, list[str](), dict[str, str]()
        self.refused: dict[str, tuple[int, str]] = {}
        self.before: dict[int, Callable[[], object]] = {}
        self.after: dict[int, Callable[[], object]] = {}
        self.region = "eu-west-1"
        for operation in ("GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", "HeadBucket"):
            events.register_first(f"before-send.s3.{operation}", self.answer)

    def answer(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2].removesuffix("BucketNotificationConfiguration")
        self.requests.append(operation)
        self.before.get(len(self.requests), int)()
        self.headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        status, content = 200, ""
        if operation in self.refused:
            status, code = self.refused[operation]
            content = f"<Error><Code>{code}</Code><Message>No.</Message></Error>" if operation != "HeadBucket" else ""
        elif operation == "Put":
            self.xml = request.body.decode()
        elif operation == "Get":
            content = self.xml
        self.after.get(len(self.requests), int)()
        headers = {"x-amz-bucket-region": self.region}
        return AWSResponse(request.url, status, headers, _Raw(content.encode()))

    @property
    def entries(self) -> list[str]:
        """What stands in the configuration, entry by entry."""
        return [ElementTree.canonicalize(ElementTree.tostring(each)) for each in ElementTree.fromstring(self.xml)]


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Cloud:
    """A stack with an existing bucket, its table, and the account's event bus."""

    def __init__(self, xml: str) -> None:
        clients: dict[str, Any] = {name: boto3.client(name, "eu-west-1") for name in ("s3", "dynamodb", "events")}
        self.bus = clients["events"]
        self.bus.test_event_pattern = self.test_event_pattern  # moto's is empty
        self.bucket = Bucket(clients["s3"].meta.events, xml)
        outputs = {
            "SourceBucketName": BUCKET,
            "SourcePrefix": "photos/",
            "SourceEventsRuleName": RULE,
            "JobsTableName": "jobs",
            "StateMachineArn": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:x",
        }
        self.stack = Stack("darkroom", outputs, "eu-west-1")
        object.__setattr__(self.stack, "client", clients.__getitem__)
        keys = {"source_key": "HASH", "item": "RANGE"}
        clients["dynamodb"].create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        )
        self.rule(RULE, {"source": ["aws.s3"], "detail": {"bucket": {"name": [BUCKET]}}})

    def rule(self, name: str, pattern: dict[str, Any], state: str = "ENABLED") -> None:
        self.bus.put_rule(Name=name, EventPattern=json.dumps(pattern), State=state)

    @staticmethod
    def test_event_pattern(EventPattern: str, Event: str) -> dict[str, bool]:  # noqa: N803
        return {"Result": EventPattern_.load(EventPattern).matches_event(json.loads(Event))}

    @property
    def noted(self) -> bool:
        return records.attached(self.stack) == [BUCKET]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    yield from _cloud(monkeypatch, FULL + END)


def _cloud(monkeypatch: pytest.MonkeyPatch, xml: str) -> Iterator[Cloud]:
    monkeypatch.setattr(notifications, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "POLL_SECONDS", 0)
    with mock_aws(config={"core": {"passthrough": {"services": ["s3"]}}}):  # Bucket answers for it
        cloud = Cloud(xml)
        monkeypatch.setattr(Stack, "open", lambda *_args, **_options: cloud.stack)
        yield cloud


def attached(*, yes: bool = True) -> None:
    assert attach._attach(argparse.Namespace(stack="darkroom", aws=True, yes=yes)) == 0


def detached(*, yes: bool = True, force: bool = False) -> None:
    assert attach._detach(argparse.Namespace(stack="darkroom", aws=True, yes=yes, force=force)) == 0


@pytest.mark.parametrize("xml", [EMPTY, f"{START}></NotificationConfiguration>", FULL + END])
def test_what_others_have_stays_and_goes_back_to_what_it_was(monkeypatch: pytest.MonkeyPatch, xml: str) -> None:
    for cloud in _cloud(monkeypatch, xml):
        before = cloud.bucket.entries
        attached()
        assert sorted(cloud.bucket.entries) == sorted([*before, *_switch()])
        assert cloud.bucket.headers["x-amz-expected-bucket-owner"] == ACCOUNT
        assert cloud.noted
        detached()
        assert cloud.bucket.entries == before, "in the same order, too"
        assert not cloud.noted
        assert cloud.bucket.requests.count("Put") == 2


def _switch() -> list[str]:
    return [f'<ns0:EventBridgeConfiguration xmlns:ns0="{NAMESPACE}"></ns0:EventBridgeConfiguration>']


def test_the_destinations_of_others_get_no_test_event(cloud: Cloud) -> None:
    written: dict[str, str] = {}
    cloud.bucket.after[5] = lambda: written.update(cloud.bucket.headers)
    attached()
    assert cloud.bucket.requests[4] == "Put"
    assert written["x-amz-skip-destination-validation"] == "true"
    assert written["x-amz-expected-bucket-owner"] == ACCOUNT


def test_what_is_on_already_is_neither_written_nor_taken_away(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.bucket.xml = xml = FULL + SWITCH + END
    attached()
    assert "on already" in capsys.readouterr().out
    detached()
    assert "stays on" in capsys.readouterr().out
    assert cloud.bucket.xml == xml
    assert not cloud.noted


def test_what_others_add_later_stays(cloud: Cloud) -> None:
    attached()
    later = QUEUES.replace("the second", "a third").replace("a first", "a fourth")
    cloud.bucket.xml = cloud.bucket.xml.replace("<QueueConfiguration>", f"{later}<QueueConfiguration>", 1)
    before = cloud.bucket.entries
    detached()
    assert cloud.bucket.entries == [each for each in before if "EventBridge" not in each]
    assert len(cloud.bucket.entries) == 6


def test_attaching_twice_writes_once(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    attached()
    attached()
    assert "attached already" in capsys.readouterr().out
    assert cloud.bucket.requests.count("Put") == 1
    detached()
    detached()
    assert "EventBridge is off" in capsys.readouterr().out
    assert cloud.bucket.requests.count("Put") == 2


def test_it_shows_what_is_there_and_asks(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="add --yes"):
        attached(yes=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "")
    with pytest.raises(CommandError, match="nothing was written"):
        attached(yes=False)
    text = capsys.readouterr().out
    assert f"arn:aws:sqs:eu-west-1:{ACCOUNT}:thumbs (the second): s3:ObjectRemoved:Delete s3:ObjectCreated:*" in text
    assert "prefix thumbs & größe/ , suffix .jpg" in text
    assert ":told (tf-s3-topic-2026)" in text
    assert ":index:live (YjVkM2Y0YmUtNGI3NC00)" in text
    assert f"{RULE} hands those about keys under photos/" in text
    assert (cloud.bucket.requests.count("Put"), cloud.noted) == (0, False)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    attached(yes=False)
    assert cloud.bucket.requests.count("Put") == 1


OTHERS_CHANGE = f"{START}>{QUEUES}{END}"
OTHERS_SWITCH_ON = FULL + SWITCH + END


@pytest.mark.parametrize("xml", [OTHERS_CHANGE, OTHERS_SWITCH_ON])
def test_a_change_while_it_asks_is_noticed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, xml: str) -> None:
    def answer(_: str) -> str:
        cloud.bucket.xml = xml
        return "y"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    with pytest.raises(CommandError, match="nothing was written"):
        attached(yes=False)
    assert (cloud.bucket.xml, cloud.noted) == (xml, False), "what is on is not ours, so detach must not know of it"


def test_a_change_just_before_it_writes_is_noticed(cloud: Cloud) -> None:
    cloud.bucket.before[4] = lambda: setattr(cloud.bucket, "xml", OTHERS_CHANGE)
    with pytest.raises(CommandError, match="nothing was written"):
        attached()
    assert cloud.bucket.requests == ["HeadBucket", "Get", "Get", "Get", "Get"], "the last one: is it on?"
    assert (cloud.bucket.xml, cloud.noted) == (OTHERS_CHANGE, False)


def test_a_change_before_detaching_writes_is_noticed(cloud: Cloud) -> None:
    attached()
    cloud.bucket.before[len(cloud.bucket.requests) + 2] = lambda: setattr(cloud.bucket, "xml", OTHERS_CHANGE)
    with pytest.raises(CommandError, match="nothing was written"):
        detached()
    assert (cloud.bucket.xml, cloud.noted) == (OTHERS_CHANGE, True)


def test_a_write_of_others_just_after_ours_is_found_by_reading_back(cloud: Cloud) -> None:
    cloud.bucket.after[5] = lambda: setattr(cloud.bucket, "xml", FULL + END)
    with pytest.raises(CommandError, match="somebody else has changed them at the same time"):
        attached()
    attached()
    assert "EventBridge" in cloud.bucket.xml


def test_reading_back_waits_for_an_answer_that_lags(cloud: Cloud) -> None:
    old, new = cloud.bucket.xml, list[str]()

    def lag() -> None:
        new.append(cloud.bucket.xml)
        cloud.bucket.xml = old

    cloud.bucket.after[5] = lag
    cloud.bucket.before[7] = lambda: setattr(cloud.bucket, "xml", new[0])
    attached()
    assert cloud.bucket.requests[5:] == ["Get", "Get"]


def test_what_boto3_does_not_know_is_not_lost(cloud: Cloud) -> None:
    unknown = "<PigeonConfiguration><Id>1</Id><Pigeon>coo</Pigeon></PigeonConfiguration>"
    cloud.bucket.xml = xml = FULL + unknown + END
    with pytest.raises(CommandError, match="this version of boto3 would lose"):
        attached()
    assert (cloud.bucket.xml, cloud.noted) == (xml, False)


@pytest.mark.parametrize("character", ["\r", "\n"])
def test_a_filter_that_xml_would_change_is_not_written(cloud: Cloud, character: str) -> None:
    """boto3 writes a carriage return as it is, and XML reads it as a line break."""
    cloud.bucket.xml = xml = (FULL + END).replace("other/", f"other&#{ord(character)};/")
    if character == "\r":
        with pytest.raises(CommandError, match="would lose"):
            attached()
        assert cloud.bucket.xml == xml
    else:
        attached()


class CutError(Exception):
    """The process dies."""


def _cut() -> None:
    raise CutError


def cut(cloud: Cloud, number: int, *, before: bool, command: Callable[[], None]) -> None:
    """Run a command that dies at its nth request to S3."""
    moments = cloud.bucket.before if before else cloud.bucket.after
    moments[len(cloud.bucket.requests) + number] = _cut
    with pytest.raises(CutError):
        command()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("before", [True, False])
def test_wherever_attaching_was_cut_off_it_can_be_done_again_and_undone(
    cloud: Cloud, number: int, before: bool
) -> None:
    entries = cloud.bucket.entries
    cut(cloud, number, before=before, command=attached)
    assert cloud.noted or "EventBridge" not in cloud.bucket.xml, "what was added is never forgotten"
    detached()
    assert (cloud.bucket.entries, cloud.noted) == (entries, False)
    attached()
    assert cloud.noted
    detached()
    assert (cloud.bucket.entries, cloud.noted) == (entries, False)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("before", [True, False])
def test_wherever_detaching_was_cut_off_it_can_be_done_again(cloud: Cloud, number: int, before: bool) -> None:
    entries = cloud.bucket.entries
    attached()
    cut(cloud, number, before=before, command=detached)
    assert cloud.noted
    detached()
    assert (cloud.bucket.entries, cloud.noted) == (entries, False)


@pytest.mark.parametrize(("number", "before"), [(3, False), (4, True), (4, False), (5, True)])
def test_what_others_switch_on_after_a_cut_is_not_taken_from_them(cloud: Cloud, number: int, before: bool) -> None:
    cut(cloud, number, before=before, command=attached)
    cloud.bucket.xml = xml = FULL + SWITCH + END
    cloud.rule("theirs", {"source": ["aws.s3"]})
    attached()
    if cloud.noted:
        with pytest.raises(CommandError, match="theirs"):
            detached()
    else:
        detached()
    assert cloud.bucket.xml == xml


SAMPLE_RULES: list[tuple[dict[str, Any], bool]] = [
    ({"source": ["aws.s3"]}, True),
    ({"account": [ACCOUNT]}, True),
    ({"source": [{"prefix": "aws."}]}, True),
    ({"resources": [f"arn:aws:s3:::{BUCKET}"]}, True),
    ({"detail-type": ["Object Tags Added"]}, True),
    ({"source": ["aws.s3"], "detail": {"bucket": {"name": [{"prefix": "holiday-"}]}}}, True),
    (
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Deleted"],
            "detail": {
                "bucket": {"name": [BUCKET]},
                "object": {"key": [{"prefix": "elsewhere/"}]},
                "reason": ["Lifecycle Expiration"],
            },
        },
        True,
    ),
    ({"source": ["aws.s3"], "detail": {"bucket": {"name": ["another"]}}}, False),
    ({"source": ["aws.s3"], "detail-type": ["AWS API Call via CloudTrail"]}, False),
    ({"source": ["aws.ec2"], "detail-type": ["Object Created"]}, False),
    ({"detail-type": ["EC2 Instance State-change Notification"]}, False),
    ({"account": ["999999999999"]}, False),
    ({"resources": ["arn:aws:s3:::another"]}, False),
]


@pytest.mark.parametrize(("pattern", "listens"), SAMPLE_RULES, ids=[json.dumps(each[0]) for each in SAMPLE_RULES])
def test_rules_of_others_that_listen_to_the_bucket_are_found(
    cloud: Cloud, pattern: dict[str, Any], listens: bool
) -> None:
    cloud.rule("theirs", pattern)
    assert notifications.listeners(cloud.stack, BUCKET, but=RULE) == ["theirs"] * listens


def test_detaching_deafens_others_by_force_only(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    attached()
    cloud.bus.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    cloud.rule("index", {"source": ["aws.s3"]})
    cloud.rule("archive", {"account": [ACCOUNT]}, state="DISABLED")
    xml = cloud.bucket.xml
    with pytest.raises(CommandError, match=r"\((archive, index|index, archive)\).* stays on: use --force"):
        detached()
    assert (cloud.bucket.xml, cloud.noted) == (xml, True)
    detached(force=True)
    assert "will hear nothing more" in capsys.readouterr().out
    assert ("EventBridge" in cloud.bucket.xml, cloud.noted) == (False, False)


def test_detaching_knows_of_a_bucket_that_the_stack_has_left(cloud: Cloud) -> None:
    attached()
    del cloud.stack.outputs["SourceEventsRuleName"]
    cloud.bus.delete_rule(Name=RULE)
    detached()
    assert ("EventBridge" in cloud.bucket.xml, cloud.noted) == (False, False)
    for command in (attached, detached):
        with pytest.raises(CommandError, match="ExistingSourceBucket"):
            command()


def test_a_bucket_of_another_region_is_refused(cloud: Cloud) -> None:
    cloud.bucket.region = "us-east-1"
    with pytest.raises(CommandError, match="is in us-east-1"):
        attached()
    assert cloud.bucket.requests == ["HeadBucket"]


@pytest.mark.parametrize(
    ("operation", "refusal", "message"),
    [
        ("HeadBucket", (404, ""), "there is no bucket holiday-photos"),
        ("HeadBucket", (403, ""), "s3:ListBucket"),
        ("Get", (404, "NoSuchBucket"), "there is no bucket holiday-photos"),
        ("Get", (403, "AccessDenied"), "s3:GetBucketNotification"),
        ("Put", (403, "AccessDenied"), "s3:PutBucketNotification"),
    ],
)
def test_a_refusal_says_what_is_missing_and_leaves_nothing(
    cloud: Cloud, operation: str, refusal: tuple[int, str], message: str
) -> None:
    cloud.bucket.refused[operation] = refusal
    with pytest.raises(CommandError, match=message):
        attached()
    assert (cloud.bucket.xml, cloud.noted) == (FULL + END, False)


def test_detaching_from_a_bucket_that_is_gone_forgets_it(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    attached()
    cloud.bucket.refused["Get"] = 404, "NoSuchBucket"
    detached()
    assert "is gone" in capsys.readouterr().out
    assert not cloud.noted


def test_there_is_nothing_to_detach_from_a_bucket_that_is_gone(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.bucket.refused["Get"] = 404, "NoSuchBucket"
    detached()
    assert capsys.readouterr().out == f"Nothing was attached to the bucket {BUCKET}: it is gone.\n"
