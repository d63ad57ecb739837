"""Bring back failed work: dead letters, FAILED jobs, and open jobs that have stopped moving.

The trigger only needs a message that names the key: it looks at the source as it is now, and a message sent after a job
FAILED opens a new round. So a dead letter goes back unchanged, and a job without one gets a new message. An extra
message does no harm.
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

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from darkroom import records
from darkroom.commands import intake
from darkroom.project import CommandError, command
from darkroom.records import OPEN, source_key, version_of
from darkroom.stack import Stack
from darkroom.terminal import ago, counted, printable, status_text, table

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from contracts import Record

HOLD_SECONDS = 900  # how long a killed command would keep dead letters hidden
POLL_SECONDS = 1  # above 0, SQS asks all its servers before it answers that a queue is empty
THREADS = 8
STUCK_HOURS = 1.0
ROWS = 50
BODY_LIMIT = 2000

# The origins of a message; NAMED: the KEY on the command line.
LETTER, FAILED, STUCK, NAMED = "dead letter", "status", "age", "name"
NOUNS = {
    LETTER: ("dead letter", "dead letters"),
    FAILED: ("FAILED job without a dead letter", "FAILED jobs without a dead letter"),
    STUCK: ("stuck job", "stuck jobs"),
    NAMED: ("source by name", "sources by name"),
}

Version = tuple[str, str | None]  # source key, version id
Notice = tuple[str, str | None, bool]  # source key, version id, and whether that was removed
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Letter:
    """A dead letter; `notices` is None if the trigger cannot read it."""

    id: str
    receipt: str
    body: str
    sent_at: datetime
    reason: str
    notices: frozenset[Notice] | None
    deleted: bool = False

    @property
    def keys(self) -> set[str]:
        """The source keys that it names."""
        return {key for key, _, _ in self.notices or ()}


@dataclass
class Message:
    """A message to send, the dead letters that it replaces, and the job's record as it is now."""

    origin: str
    body: str
    record: Record | None
    letters: list[Letter] = field(default_factory=list)
    error: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "redrive",
        help="bring back dead letters, failed jobs and stuck ones",
        description="Bring back all dead letters, FAILED jobs and stuck jobs, or some of them.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("key", nargs="?", metavar="KEY", help="only this source, whatever its job's status")
    which.add_argument("--code", help="only jobs that FAILED with this code, such as Sandbox.Timedout")
    which.add_argument("--unreadable", action="store_true", help="only show the dead letters that cannot be read")
    parser.add_argument("--delete", action="store_true", help="with --unreadable: delete the dead letters shown")
    parser.add_argument("--dry-run", action="store_true", help="show what would be brought back, and change nothing")
    hours = f"a QUEUED or PROCESSING job is stuck after HOURS without a change (default {STUCK_HOURS:g})"
    parser.add_argument("--stuck", type=float, default=STUCK_HOURS, metavar="HOURS", help=hours)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send the messages and print a table of them; 1 if one could not be sent."""
    if args.delete and not args.unreadable:
        raise CommandError("--delete goes with --unreadable only: readable dead letters are brought back")
    stack = Stack.open(args.stack, aws=args.aws)
    program = command(args.stack, aws=args.aws)
    with dead_letters(stack) as letters:
        unreadable = [letter for letter in letters if letter.notices is None]
        if args.unreadable:
            _show_unreadable(unreadable)
            if args.delete and not args.dry_run:
                _delete(stack, unreadable)
                if unreadable:
                    print("They were deleted.")
            return 0
        messages, obsolete = plan(stack, letters, key=args.key, code=args.code, stuck_hours=args.stuck)
        if not args.dry_run:
            _parallel(lambda message: _send(stack, message), messages)
    _report(messages, dry_run=args.dry_run)
    if obsolete:
        print(f"Left alone: {counted(obsolete, 'FAILED job', 'FAILED jobs')} of versions that are overwritten or gone.")
    if unreadable:
        print(f"Left in the dead-letter queue: {len(unreadable)} unreadable. To see them:")
        print(f"  {program} redrive --unreadable")
    if messages and not args.dry_run and _is_paused(stack):
        print(f"Intake is paused: the messages wait until `{program} resume`.")
    return 1 if any(message.error for message in messages) else 0


def plan(
    stack: Stack, letters: Iterable[Letter], *, key: str | None, code: str | None, stuck_hours: float
) -> tuple[list[Message], int]:
    """The messages to send, one per job, and the number of FAILED jobs that no message would change."""
    key = source_key(key) if key else None
    readable = [letter for letter in letters if letter.notices is not None and (not key or key in letter.keys)]
    keys = sorted({name for letter in readable for name in letter.keys})
    newest = dict(zip(keys, _parallel(lambda name: records.newest(stack, name), keys), strict=True))
    messages: dict[object, Message] = {}
    accounted: set[Version] = set()  # versions that a letter names, and the newest version of each key in it
    for letter in readable:
        jobs = [record for name in sorted(letter.keys) if (record := newest[name])]
        if code and not any(_failed(record, code) for record in jobs):
            continue
        # Copies of one event are sent once. A letter that names no source has no copy.
        message = Message(LETTER, letter.body, jobs[0] if jobs else None)
        messages.setdefault(letter.notices or letter.id, message).letters.append(letter)
        accounted |= {(name, version) for name, version, _ in letter.notices or ()}
        accounted |= {_version(record) for record in jobs}
    if key and messages:
        return list(messages.values()), 0
    jobs_found, obsolete = _jobs(stack, key, code, stuck_hours)
    for origin, record in jobs_found:
        if (version := _version(record)) not in accounted:
            messages[version] = Message(origin, _body(stack, version), record)
    return list(messages.values()), obsolete


def _jobs(stack: Stack, key: str | None, code: str | None, stuck_hours: float) -> tuple[list[tuple[str, Record]], int]:
    """Jobs to bring back, as their records are now (the index may lag), and the number of FAILED jobs left alone."""
    if key:
        if record := records.newest(stack, key):
            return [(NAMED, record)], 0
        raise CommandError(f"there is no source {printable(key)} and no dead letter about it: check the key")
    listed = records.listed(stack, "FAILED")[::-1]
    newest = _parallel(lambda entry: records.newest(stack, entry[0]), listed)
    current = [record for (_, item), record in zip(listed, newest, strict=True) if record and record["item"] == item]
    failed = [(FAILED, record) for record in current if _failed(record, code)]
    if code:
        return failed, 0
    cutoff = (datetime.now(UTC) - timedelta(hours=stuck_hours)).isoformat(timespec="milliseconds")
    open_keys = [entry for status in OPEN for entry in records.listed(stack, status, before=cutoff)[::-1]]
    open_jobs = _parallel(lambda entry: records.read(stack, entry), open_keys)
    stuck = [(STUCK, record) for record in open_jobs if record.get("status") in OPEN and record["updated_at"] < cutoff]
    return [*failed, *stuck], len(listed) - len(current)


def _failed(record: Record, code: str | None) -> bool:
    return record.get("status") == "FAILED" and code in (None, record.get("code"))


def _version(record: Record) -> Version:
    return record["source_key"], version_of(record)


def _parallel(call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, items))


@contextmanager
def dead_letters(stack: Stack) -> Iterator[list[Letter]]:
    """All dead letters, hidden from other readers until the end of the block; those not deleted then reappear.

    All are received before any is sent, so one that fails again before the end is not sent twice.
    """
    sqs: SQSClient = stack.client("sqs")
    url = stack.outputs["UploadDeadLetterQueueUrl"]
    letters: dict[str, Letter] = {}
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
            batch = {message["MessageId"]: _letter(message, stack) for message in answer.get("Messages", [])}
            if batch.keys() <= letters.keys():
                break
            letters |= batch
        yield list(letters.values())
    finally:
        receipts = [letter.receipt for letter in letters.values() if not letter.deleted]
        for start in range(0, len(receipts), 10):
            sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(receipts[start : start + 10])
                ],
            )


def _letter(message: Any, stack: Stack) -> Letter:
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "received too often")
    notices = _notices(message["Body"], stack.outputs["SourceBucketName"])
    return Letter(message["MessageId"], message["ReceiptHandle"], message["Body"], sent_at, reason, notices)


def _notices(body: str, bucket: str) -> frozenset[Notice] | None:
    """What an S3 notification names; None if the trigger cannot read it either."""
    try:
        message = json.loads(body)
        if message.get("Event") == "s3:TestEvent":
            return frozenset()
        if any(record["s3"]["bucket"]["name"] != bucket for record in message["Records"]):
            return None
        return frozenset(_notice(record["eventName"], record["s3"]["object"]) for record in message["Records"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _notice(event: str, item: dict[str, Any]) -> Notice:
    removed = event.removeprefix("s3:").startswith("ObjectRemoved:")
    key = unquote_plus(item["key"], errors="strict")
    key.encode()  # the trigger refuses half a character (a lone surrogate)
    return key, item.get("versionId"), removed


def _body(stack: Stack, version: Version) -> str:
    """An S3 notification, as far as the trigger reads it."""
    item = {"key": quote_plus(version[0], safe="/"), "versionId": version[1]}
    s3 = {"bucket": {"name": stack.outputs["SourceBucketName"]}, "object": item}
    return json.dumps({"Records": [{"eventSource": "darkroom", "eventName": "ObjectCreated:Redrive", "s3": s3}]})


def _send(stack: Stack, message: Message) -> None:
    """Send, then delete: an interruption in between leaves two messages, never none."""
    sqs: SQSClient = stack.client("sqs")
    try:
        sqs.send_message(QueueUrl=stack.outputs["UploadQueueUrl"], MessageBody=message.body)
        _delete(stack, message.letters)
    except (ClientError, BotoCoreError) as error:
        message.error = str(error)


def _delete(stack: Stack, letters: Iterable[Letter]) -> None:
    sqs: SQSClient = stack.client("sqs")
    for letter in letters:
        sqs.delete_message(QueueUrl=stack.outputs["UploadDeadLetterQueueUrl"], ReceiptHandle=letter.receipt)
        letter.deleted = True


def _is_paused(stack: Stack) -> bool:
    try:
        return intake.is_paused(stack)
    except ClientError:  # an operator may be allowed to redrive, but not to look at the trigger
        return False


def _report(messages: list[Message], *, dry_run: bool) -> None:
    if not messages:
        print("Nothing to bring back.")
        return
    shown = table("Source", "Status", "Code", "Changed", "Found by")
    for message in messages[:ROWS]:
        record: Record = message.record or {"source_key": "-", "item": "-"}
        keys = sorted({key for letter in message.letters for key in letter.keys}) or [record["source_key"]]
        shown.add_row(
            Text(printable(" ".join(keys))),
            status_text(record.get("status", "no job")),
            Text(printable(_code(record))),
            ago(record.get("updated_at")),
            message.origin,
        )
    Console().print(shown)
    if len(messages) > ROWS:
        print(f"... and {len(messages) - ROWS} more")
    sent = [message for message in messages if not message.error]
    origins = Counter(message.origin for message in sent)
    nouns = ", ".join(counted(count, *NOUNS[origin]) for origin, count in origins.items()) or "nothing"
    copies = sum(len(message.letters[1:]) for message in sent)
    copied = f" (and {counted(copies, 'copy', 'copies')}: not sent, but removed)" if copies else ""
    print(f"{'Would be sent' if dry_run else 'Sent'} to the upload queue: {nouns}{copied}.")
    if errors := [message.error for message in messages if message.error]:
        print(f"Not sent, or not removed from the dead-letter queue: {len(errors)}. The first: {printable(errors[0])}")


def _code(record: Record) -> str:
    """The code that a job ended with, or that of an open job's last failure."""
    if record.get("status") == "SUCCEEDED":
        return ""
    failure = record.get("last_failure")
    return record.get("code") or (failure["code"] if failure else "")


def _show_unreadable(letters: list[Letter]) -> None:
    for letter in letters:
        print(f"{letter.id}, sent {letter.sent_at:%Y-%m-%d %H:%M:%S} UTC: {printable(letter.reason)}")
        print(f"  {printable(letter.body[:BODY_LIMIT])}")
    print(f"{counted(len(letters), 'unreadable dead letter', 'unreadable dead letters')}.")
