"""Bring back failed work: dead letters, FAILED jobs, and open jobs that have stopped moving.

The trigger only needs a message that names the key: it looks at the source as it is now. So a dead letter's body goes
back unchanged, and a job without one gets a new message. A message about a FAILED job says in its attribute `failed_at`
which failure it knows of, which opens a new round. An extra message does no harm.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote_plus, unquote_plus

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from darkroom import intake, records
from darkroom.progress import counting
from darkroom.project import CommandError, command
from darkroom.records import OPEN, source_key, version_of
from darkroom.stack import Stack
from darkroom.terminal import ago, counted, print_json, printable, status_text, table

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

    from contracts import Record

HOLD_SECONDS = 900  # how long a killed command would keep dead letters hidden
POLL_SECONDS = 1  # above 0, SQS asks all its servers before it answers that a queue is empty
THREADS = 8
STUCK_HOURS = 1.0
ROWS = 50
BODY_LIMIT = 2000

# Events that only this command sends, beside those of S3: look at the source again; make its set again, whatever
# stands; the source is gone.
AGAIN, FORCE, REMOVED = "ObjectCreated:Redrive", "ObjectCreated:Force", "ObjectRemoved:Redrive"

EXPIRED = "Lifecycle Expiration"  # EventBridge's reason for what a lifecycle rule has removed

# The origins of a message; NAMED: the KEY on the command line; GONE: the same, without a source.
LETTER, FAILED, STUCK, NAMED, GONE = "dead letter", "status", "age", "name", "absence"
NOUNS = {
    LETTER: ("dead letter", "dead letters"),
    FAILED: ("FAILED job without a dead letter", "FAILED jobs without a dead letter"),
    STUCK: ("stuck job", "stuck jobs"),
    NAMED: ("source by name", "sources by name"),
    GONE: ("source that is gone", "sources that are gone"),
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
    """A message to send, the records that it is about, as they are now, and the dead letters that it replaces."""

    origin: str
    body: str
    jobs: list[Record]
    letters: list[Letter] = field(default_factory=list)
    error: str = ""

    @property
    def failed_at(self) -> str:
        """When the last of its FAILED jobs failed; empty if none is FAILED."""
        return max((record.get("finished_at", "") for record in self.jobs if _failed(record)), default="")


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
    parser.add_argument("--force", action="store_true", help="with KEY: make its set again, whatever stands")
    parser.add_argument("--delete", action="store_true", help="with --unreadable: delete the dead letters shown")
    parser.add_argument("--dry-run", action="store_true", help="show what would be brought back, and change nothing")
    hours = f"a QUEUED or PROCESSING job is stuck after HOURS without a change (default {STUCK_HOURS:g})"
    parser.add_argument("--stuck", type=float, default=STUCK_HOURS, metavar="HOURS", help=hours)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send the messages and print a table of them; 1 if one could not be sent."""
    if args.delete and not args.unreadable:
        raise CommandError("--delete goes with --unreadable only: readable dead letters are brought back")
    if args.force and not args.key:
        raise CommandError("--force goes with KEY only: it makes the set of one source again")
    stack = Stack.open(args.stack, aws=args.aws)
    program = command(args.stack, aws=args.aws)
    with dead_letters(stack) as letters:
        unreadable = [letter for letter in letters if letter.notices is None]
        if args.unreadable:
            if args.delete and not args.dry_run:
                _delete(stack, unreadable)
            if args.json:
                print_json([_plain(letter) for letter in unreadable])
            else:
                _show_unreadable(unreadable)
            return 0
        if args.key:
            messages, obsolete = plan_one(stack, letters, source_key(stack, args.key), force=args.force), 0
        else:
            messages, obsolete = plan(stack, letters, code=args.code, stuck_hours=args.stuck)
        if not args.dry_run:
            _parallel(lambda message: _send(stack, message), messages, "Sending")
    code = 1 if any(message.error for message in messages) else 0
    if args.json:
        print_json(_document(messages, obsolete, unreadable, dry_run=args.dry_run))
        return code
    _report(messages, dry_run=args.dry_run)
    if any(message.origin == GONE for message in messages):
        verb = "would be" if args.dry_run else "is"
        print(f"The source is gone, deleted or expired by a lifecycle rule: either way, its set {verb} removed.")
    if obsolete:
        print(f"Left alone: {counted(obsolete, 'FAILED job', 'FAILED jobs')} of versions that are overwritten or gone.")
    if unreadable:
        print(f"Left in the dead-letter queue: {len(unreadable)} unreadable. To see them:")
        print(f"  {program} redrive --unreadable")
    if messages and not args.dry_run and _is_paused(stack):
        print(f"Intake is paused: the messages wait until `{program} resume`.")
    return code


def plan(stack: Stack, letters: Iterable[Letter], *, code: str | None, stuck_hours: float) -> tuple[list[Message], int]:
    """The messages to send, one per job, and the number of FAILED jobs that no message would change."""
    returned = _returned(stack, [letter for letter in letters if letter.notices is not None], code)
    # Versions that a letter names, and the newest version of each key in it.
    notices = {notice for message in returned for letter in message.letters for notice in letter.notices or ()}
    accounted = {(name, version) for name, version, _ in notices}
    accounted |= {_version(record) for message in returned for record in message.jobs}
    found, obsolete = _jobs(stack, code, stuck_hours)
    new = {_version(record): (origin, record) for origin, record in found}
    messages = [
        Message(origin, _body(stack, AGAIN, *version), [record])
        for version, (origin, record) in new.items()
        if version not in accounted
    ]
    return [*returned, *messages], obsolete


def plan_one(stack: Stack, letters: Iterable[Letter], key: str, *, force: bool) -> list[Message]:
    """The messages to send about one source. Raises CommandError if there is nothing to bring back."""
    returned = _returned(stack, [letter for letter in letters if key in letter.keys], None)
    record = records.newest(stack, key)
    if record is None:
        if force:
            raise CommandError(f"there is no source {printable(key)} to make a set from")
        if not returned and not records.known(stack, key):
            raise CommandError(
                f"there is no source {printable(key)}, no job and no dead letter about it: check the key"
            )
        return [*returned, Message(GONE, _body(stack, REMOVED, key), [{"source_key": key, "item": ""}])]
    if returned and not force:
        return returned
    event = FORCE if force else AGAIN
    return [*returned, Message(NAMED, _body(stack, event, *_version(record)), [record])]


def _returned(stack: Stack, letters: list[Letter], code: str | None) -> list[Message]:
    """The messages that take readable dead letters back. Copies of one event are sent once."""
    keys = sorted({name for letter in letters for name in letter.keys})
    newest = dict(
        zip(keys, _parallel(lambda name: records.newest(stack, name), keys, "Looking at sources"), strict=True)
    )
    messages: dict[object, Message] = {}
    for letter in letters:
        jobs = [record for name in sorted(letter.keys) if (record := newest[name])]
        if code and not any(_failed(record, code) for record in jobs):
            continue
        # A letter that names no source has no copy, and one that forces a set is no copy of one that does not.
        event = (letter.notices, FORCE in letter.body) if letter.notices else letter.id
        messages.setdefault(event, Message(LETTER, letter.body, jobs)).letters.append(letter)
    return list(messages.values())


def _jobs(stack: Stack, code: str | None, stuck_hours: float) -> tuple[list[tuple[str, Record]], int]:
    """Jobs to bring back, as their records are now (the index may lag), and the number of FAILED jobs left alone."""
    listed = records.listed(stack, "FAILED")[::-1]
    newest = _parallel(lambda entry: records.newest(stack, entry[0]), listed, "Looking at FAILED jobs")
    current = [record for (_, item), record in zip(listed, newest, strict=True) if record and record["item"] == item]
    failed = [(FAILED, record) for record in current if _failed(record, code)]
    if code:
        return failed, 0
    cutoff = (datetime.now(UTC) - timedelta(hours=stuck_hours)).isoformat(timespec="milliseconds")
    open_keys = [entry for status in OPEN for entry in records.listed(stack, status, before=cutoff)[::-1]]
    open_jobs = _parallel(lambda entry: records.read(stack, entry), open_keys, "Looking at open jobs")
    stuck = [(STUCK, record) for record in open_jobs if record.get("status") in OPEN and record["updated_at"] < cutoff]
    return [*failed, *stuck], len(listed) - len(current)


def _failed(record: Record, code: str | None = None) -> bool:
    return record.get("status") == "FAILED" and code in (None, record.get("code"))


def _version(record: Record) -> Version:
    return record["source_key"], version_of(record)


def _parallel(call: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result]:
    """The results of all calls, in order. `what` is being done, for the progress."""
    results = []
    with ThreadPoolExecutor(THREADS) as pool, counting(what, len(items)) as tick:
        for result in pool.map(call, items):
            results.append(result)
            tick(1)
    return results


@contextmanager
def dead_letters(stack: Stack) -> Iterator[list[Letter]]:
    """All dead letters, hidden from other readers until the end of the block; those not deleted then reappear.

    All are received before any is sent, so one that fails again before the end is not sent twice.
    """
    sqs: SQSClient = stack.client("sqs")
    url = stack.outputs["UploadDeadLetterQueueUrl"]
    letters: dict[str, Letter] = {}
    try:
        with counting("Reading dead letters") as tick:
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
                tick(len(batch))
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
    """What S3 or, about an existing bucket, EventBridge says; None if the trigger cannot read it either."""
    try:
        message = json.loads(body)
        if message.get("Event") == "s3:TestEvent":
            return frozenset()
        if "detail-type" in message:
            return frozenset([_event(message)]) if message["detail"]["bucket"]["name"] == bucket else None
        if any(record["s3"]["bucket"]["name"] != bucket for record in message["Records"]):
            return None
        return frozenset(_notice(record["eventName"], record["s3"]["object"]) for record in message["Records"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _notice(event: str, item: dict[str, Any]) -> Notice:
    removed = event.removeprefix("s3:").startswith("ObjectRemoved:")
    return _whole(unquote_plus(item["key"], errors="strict")), item.get("versionId"), removed


def _event(event: dict[str, Any]) -> Notice:
    if event["source"] != "aws.s3":
        raise ValueError("the trigger reads S3's events only")
    removed = {"Object Created": False, "Object Deleted": True}[event["detail-type"]]
    item = event["detail"]["object"]
    return _whole(item["key"]), item.get("version-id"), removed and event["detail"].get("reason") != EXPIRED


def _whole(key: str) -> str:
    key.encode()  # the trigger refuses half a character (a lone surrogate)
    return key


def _body(stack: Stack, event: str, key: str, version: str | None = None) -> str:
    """An S3 notification, as far as the trigger reads it."""
    item = {"key": quote_plus(key, safe="/")} | ({"versionId": version} if version else {})
    s3 = {"bucket": {"name": stack.outputs["SourceBucketName"]}, "object": item}
    return json.dumps({"Records": [{"eventSource": "darkroom", "eventName": event, "s3": s3}]})


def _send(stack: Stack, message: Message) -> None:
    """Send, then delete: an interruption in between leaves two messages, never none."""
    sqs: SQSClient = stack.client("sqs")
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    if message.failed_at:
        attributes["failed_at"] = {"DataType": "String", "StringValue": message.failed_at}
    try:
        url = stack.outputs["UploadQueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=message.body, MessageAttributes=attributes)
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
        record: Record = message.jobs[0] if message.jobs else {"source_key": "-", "item": "-"}
        keys = sorted({key for letter in message.letters for key in letter.keys}) or [record["source_key"]]
        shown.add_row(
            Text(printable(" ".join(keys))),
            status_text(record.get("status", "gone" if message.origin == GONE else "no job")),
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


def _document(messages: list[Message], obsolete: int, unreadable: list[Letter], *, dry_run: bool) -> dict[str, Any]:
    """What was, or would be, brought back, for scripts."""
    return {
        "dry_run": dry_run,
        "messages": [
            {
                "source_keys": sorted(
                    {key for letter in message.letters for key in letter.keys}
                    or {record["source_key"] for record in message.jobs}
                ),
                "found_by": message.origin,
                "statuses": [record.get("status") for record in message.jobs],
                "codes": [_code(record) for record in message.jobs],
                "dead_letters": len(message.letters),
                "error": message.error or None,
            }
            for message in messages
        ],
        "left_alone": obsolete,
        "unreadable": len(unreadable),
    }


def _plain(letter: Letter) -> dict[str, Any]:
    """An unreadable dead letter, for scripts."""
    names = ("id", "sent_at", "reason", "body", "deleted")
    return {name: getattr(letter, name) for name in names}


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
    if any(letter.deleted for letter in letters):
        print("They were deleted.")
