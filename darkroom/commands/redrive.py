"""Bring back what was given up: dead letters, FAILED jobs, and open jobs that nobody works on any more.

All that is needed is a message that names the key: the trigger looks at the source as it is now, and a message that
was sent after a job FAILED opens a new round. So a dead letter is sent back as it is, and a job whose dead letter is
gone gets a message made for it. One message too many does no harm.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote_plus, unquote_plus

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom.commands import intake
from darkroom.project import CommandError, command
from darkroom.records import OPEN, Record, RecordKey, source_key
from darkroom.stack import Stack
from darkroom.terminal import ago, printable, status_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

# Dead letters that were looked at are ours for so long at most, should we be killed before we let go of them.
HOLD_SECONDS = 900
POLL_SECONDS = 1  # above 0, SQS asks all its servers before it says that a queue is empty
THREADS = 8
STUCK_HOURS = 1.0
ROWS = 50
BODY_LIMIT = 2000

Subject = tuple[str, str | None]
"""(source key, version): what a message is about."""

_deserialize = TypeDeserializer().deserialize
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Letter:
    """A message in the dead-letter queue, with what it is about; `notices` is None if nobody can read it."""

    id: str
    receipt: str
    body: str
    sent_at: datetime
    reason: str
    notices: frozenset[tuple[Subject, bool]] | None
    deleted: bool = False

    @property
    def subjects(self) -> set[Subject]:
        """The key versions that it names."""
        return {subject for subject, _ in self.notices or ()}


@dataclass
class Return:
    """One thing to bring back: the message to send, the dead letters that it stands for, the job as it is now."""

    origin: str
    body: str
    record: Record
    letters: list[Letter] = field(default_factory=list)
    error: str = ""


LETTER, FAILED, STUCK, NAMED = "dead letter", "status", "age", "name"
COUNTED = {
    LETTER: ("dead letter", "dead letters"),
    FAILED: ("FAILED job without a dead letter", "FAILED jobs without a dead letter"),
    STUCK: ("stuck job", "stuck jobs"),
    NAMED: ("source by its name", "sources by their names"),
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom redrive`."""
    parser = subparsers.add_parser(
        "redrive",
        help="bring back dead letters, failed jobs and stuck ones",
        description="Bring back all dead letters, all FAILED jobs, and jobs that are open but stuck; or some of them.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("key", nargs="?", metavar="KEY", help="only this source, whatever its job's status")
    which.add_argument("--code", help="only jobs that FAILED with this code, as Sandbox.Timedout")
    which.add_argument("--unreadable", action="store_true", help="only show the dead letters that nobody can read")
    parser.add_argument("--delete", action="store_true", help="with --unreadable: delete those that it shows")
    parser.add_argument("--dry-run", action="store_true", help="show what would be brought back, and change nothing")
    parser.add_argument(
        "--stuck",
        type=float,
        default=STUCK_HOURS,
        metavar="HOURS",
        help=f"QUEUED or PROCESSING without a change for so long counts as stuck (default {STUCK_HOURS:g})",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Bring back, and print what was; 1 if something could not be sent."""
    if args.delete and not args.unreadable:
        raise CommandError("--delete goes with --unreadable only: what can be read is brought back, not deleted")
    stack = Stack.open(args.stack, aws=args.aws)
    with dead_letters(stack) as letters:
        unreadable = [letter for letter in letters if letter.notices is None]
        if args.unreadable:
            _show_unreadable(unreadable)
            if args.delete and not args.dry_run:
                _delete(stack, unreadable)
                print("They were deleted.")
            return 0
        returns, passed = plan(stack, letters, key=args.key, code=args.code, stuck_hours=args.stuck)
        if not args.dry_run:
            _parallel(lambda item: _send(stack, item), returns)
    _report(returns, dry_run=args.dry_run)
    if passed:
        print(
            f"Left alone: {_count(passed, 'FAILED job', 'FAILED jobs')} of versions that are not the newest, or gone."
        )
    if unreadable:
        print(f"Left in the dead-letter queue: {len(unreadable)} that nobody can read. To see them:")
        print(f"  {command(args.stack, aws=args.aws)} redrive --unreadable")
    if returns and not args.dry_run and _paused(stack):
        print(f"Intake is paused: all this waits until `{command(args.stack, aws=args.aws)} resume`.")
    return 1 if any(item.error for item in returns) else 0


def plan(
    stack: Stack,
    letters: Iterable[Letter],
    *,
    key: str | None = None,
    code: str | None = None,
    stuck_hours: float = STUCK_HOURS,
) -> tuple[list[Return], int]:
    """What is to be sent, each job once, and the number of FAILED jobs for which that would change nothing.

    All of it, or only what concerns `key`, or only jobs that FAILED with `code`. Raises CommandError if there is
    nothing by the name of `key`.
    """
    key = source_key(key) if key else None
    readable = [letter for letter in letters if letter.notices is not None]
    if key:
        readable = [letter for letter in readable if key in {name for name, _ in letter.subjects}]
    keys = sorted({name for letter in readable for name, _ in letter.subjects})
    newest = dict(zip(keys, _parallel(lambda name: _newest(stack, name), keys), strict=True))
    returns: dict[object, Return] = {}
    for letter in readable:
        about = [newest[name] for name, _ in sorted(letter.subjects, key=str)]
        if code and not any(_failed(record, code) for record in about):
            continue
        # Copies of one event are sent once. A letter that concerns no source is like no other.
        known = returns.setdefault(letter.notices or letter.id, Return(LETTER, letter.body, _first(about)))
        known.letters.append(letter)
    # A message accounts for the versions that it names and for the newest of each key.
    sent = [letter for item in returns.values() for letter in item.letters]
    accounted = {subject for letter in sent for subject in letter.subjects}
    accounted |= {_subject(record) for letter in sent for name, _ in letter.subjects if (record := newest[name])}
    if key and sent:
        return list(returns.values()), 0
    records, passed = _records(stack, key, code, stuck_hours)
    for origin, record in records:
        if (subject := _subject(record)) not in accounted:
            returns[subject] = Return(origin, _message(stack, subject), record)
    return list(returns.values()), passed


def _records(
    stack: Stack, key: str | None, code: str | None, stuck_hours: float
) -> tuple[list[tuple[str, Record]], int]:
    """Jobs to bring back by their records, with the reason why, and the number of FAILED ones that are history.

    The index lags, so it only says where to look: what counts is the record itself, read consistently.
    """
    if key:
        if record := _newest(stack, key):
            return [(NAMED, record)], 0
        raise CommandError(f"there is no source {printable(key)}, nor a dead letter about it: was it uploaded so?")
    listed = _listed(stack, "FAILED")
    newest = _parallel(lambda found: _newest(stack, found[0]), listed)
    failed: list[tuple[str, Record]] = []
    passed = 0
    for (_, item), record in zip(listed, newest, strict=True):
        if record is None or record["item"] != item:
            passed += 1
        elif _failed(record, code):
            failed.append((FAILED, record))
    if code:
        return failed, 0
    cutoff = (datetime.now(UTC) - timedelta(hours=stuck_hours)).isoformat(timespec="milliseconds")
    open_jobs = [found for status in OPEN for found in _listed(stack, status, before=cutoff)]
    stuck = [
        (STUCK, record)
        for record in _parallel(lambda found: _record(stack, *found), open_jobs)
        if record.get("status") in OPEN and record["updated_at"] < cutoff
    ]
    return [*failed, *stuck], passed


def _failed(record: Record | None, code: str | None) -> bool:
    return record is not None and record.get("status") == "FAILED" and code in (None, record.get("code"))


def _first(records: list[Record | None]) -> Record:
    return next((record for record in records if record), {})


def _subject(record: Record) -> Subject:
    return record["source_key"], record["item"].removeprefix("job#")


# -- S3 and JobsTable ---------------------------------------------------------------------------------


def _newest(stack: Stack, key: str) -> Record | None:
    """The record of a source's newest version (only its key, if it has none), or None if there is no source."""
    s3: S3Client = stack.client("s3")
    try:
        version = s3.head_object(Bucket=stack.outputs["SourceBucketName"], Key=key).get("VersionId", "null")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
    return _record(stack, key, f"job#{version}")


def _record(stack: Stack, key: str, item: str) -> Record:
    """A record as it is now; only its key, if there is none."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    found = dynamodb.get_item(
        TableName=stack.outputs["JobsTableName"],
        Key={"source_key": {"S": key}, "item": {"S": item}},
        ConsistentRead=True,
    )
    values = {name: _deserialize(value) for name, value in found.get("Item", {}).items()}
    return {"source_key": key, "item": item, **values}


def _listed(stack: Stack, status: str, before: str = "9") -> list[RecordKey]:
    """The records that the index lists under `status` and that did not change since `before`."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        IndexName="by_status",
        KeyConditionExpression="attention = :status AND updated_at < :before",
        ExpressionAttributeValues={":status": {"S": status}, ":before": {"S": before}},
    )
    return [(item["source_key"]["S"], item["item"]["S"]) for page in pages for item in page["Items"]]


# -- queues -------------------------------------------------------------------------------------------


@contextmanager
def dead_letters(stack: Stack) -> Iterator[list[Letter]]:
    """All dead letters, held until the end of the block, when those that were not deleted are visible again.

    They are collected first, so that one which comes back while we send is not sent once more.
    """
    sqs: SQSClient = stack.client("sqs")
    url = stack.outputs["UploadDeadLetterQueueUrl"]
    held: dict[str, Letter] = {}
    try:
        while True:
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=POLL_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["reason"],
            )
            batch = {found["MessageId"]: _letter(found, stack) for found in answer.get("Messages", [])}
            if batch.keys() <= held.keys():
                break
            held |= batch
        yield list(held.values())
    finally:
        receipts = [letter.receipt for letter in held.values() if not letter.deleted]
        for start in range(0, len(receipts), 10):
            sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(receipts[start : start + 10])
                ],
            )


def _letter(found: Any, stack: Stack) -> Letter:
    body = found["Body"]
    sent_at = datetime.fromtimestamp(int(found["Attributes"]["SentTimestamp"]) / 1000, UTC)
    reason = found.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "received too often")
    notices = _read(body, stack.outputs["SourceBucketName"])
    return Letter(found["MessageId"], found["ReceiptHandle"], body, sent_at, reason, notices)


def _read(body: str, bucket: str) -> frozenset[tuple[Subject, bool]] | None:
    """What an S3 notification is about, and whether that was removed; None if the trigger cannot read it either."""
    try:
        message = json.loads(body)
        if message.get("Event") == "s3:TestEvent":
            return frozenset()
        found = [(record["s3"], record["eventName"]) for record in message["Records"]]
        if any(about["bucket"]["name"] != bucket for about, _ in found):
            return None
        return frozenset(
            (
                (unquote_plus(about["object"]["key"], errors="strict"), about["object"].get("versionId")),
                name.removeprefix("s3:").startswith("ObjectRemoved:"),
            )
            for about, name in found
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _message(stack: Stack, subject: Subject) -> str:
    """An S3 notification as far as the trigger reads it."""
    key, version = subject
    about = {"key": quote_plus(key, safe="/"), "versionId": version}
    bucket = {"name": stack.outputs["SourceBucketName"]}
    event = {"eventSource": "darkroom", "eventName": "ObjectCreated:Redrive"}
    return json.dumps({"Records": [event | {"s3": {"bucket": bucket, "object": about}}]})


def _send(stack: Stack, item: Return) -> None:
    """Send, then delete: what is cut off in between is there twice, and never missing."""
    sqs: SQSClient = stack.client("sqs")
    try:
        sqs.send_message(QueueUrl=stack.outputs["UploadQueueUrl"], MessageBody=item.body)
        _delete(stack, item.letters)
    except (ClientError, BotoCoreError) as error:
        item.error = str(error)


def _delete(stack: Stack, letters: Iterable[Letter]) -> None:
    sqs: SQSClient = stack.client("sqs")
    for letter in letters:
        sqs.delete_message(QueueUrl=stack.outputs["UploadDeadLetterQueueUrl"], ReceiptHandle=letter.receipt)
        letter.deleted = True


def _paused(stack: Stack) -> bool:
    try:
        return intake.is_paused(stack)
    except ClientError:  # who may redrive need not be allowed to look at the trigger
        return False


def _parallel(call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, items))


# -- words --------------------------------------------------------------------------------------------


def _report(returns: list[Return], *, dry_run: bool) -> None:
    if not returns:
        print("Nothing to bring back.")
        return
    Console().print(_table(returns[:ROWS]))
    if len(returns) > ROWS:
        print(f"... and {len(returns) - ROWS} more")
    sent = [item for item in returns if not item.error]
    counts = Counter(item.origin for item in sent)
    what = ", ".join(_count(count, *COUNTED[origin]) for origin, count in counts.items()) or "nothing"
    copies = sum(len(item.letters[1:]) for item in sent)
    print(
        f"{'Would be sent' if dry_run else 'Sent'} to the upload queue: {what}"
        + (f" (and {_count(copies, 'copy', 'copies')}: not sent, but removed)" if copies else "")
        + "."
    )
    if errors := [item.error for item in returns if item.error]:
        print(f"Not sent, or not removed from the dead-letter queue: {len(errors)}. The first: {printable(errors[0])}")


def _table(returns: list[Return]) -> Table:
    shown = Table("Source", "Status", "Code", "Changed", "Found by", box=None, pad_edge=False)
    shown.columns[0].overflow = "fold"
    for item in returns:
        record = item.record
        keys = sorted({key for letter in item.letters for key, _ in letter.subjects}) or [record.get("source_key", "-")]
        shown.add_row(
            Text(printable(" ".join(keys))),
            status_text(record.get("status", "no job")),
            Text(printable(_code(record))),
            ago(record.get("updated_at")),
            item.origin,
        )
    return shown


def _code(record: Record) -> str:
    """Why it is as it is: the code of the end, or of the last attempt while it is open."""
    why = record if "code" in record else record.get("last_failure", {})
    return "" if record.get("status") == "SUCCEEDED" else str(why.get("code", ""))


def _show_unreadable(letters: list[Letter]) -> None:
    for letter in letters:
        print(f"{letter.id}, sent {letter.sent_at:%Y-%m-%d %H:%M:%S} UTC: {printable(letter.reason)}")
        print(f"  {printable(letter.body[:BODY_LIMIT])}")
    print(f"{_count(len(letters), *COUNTED[LETTER])} that nobody can read.")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
