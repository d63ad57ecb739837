"""Job records: what became of each upload, read by key, by version, or by status."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom.stack import Stack

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

OPEN = ("QUEUED", "PROCESSING")
FINAL = ("SUCCEEDED", "REJECTED", "FAILED", "SUPERSEDED", "DELETED")
# What the sparse index by_status holds: everything but SUCCEEDED.
INDEXED = (*OPEN, *(status for status in FINAL if status != "SUCCEEDED"))

Record = dict[str, Any]
RecordKey = tuple[str, str]
"""(source_key, item), the primary key of JobsTable."""

_deserialize = TypeDeserializer().deserialize


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom jobs`."""
    parser = subparsers.add_parser("jobs", help="show jobs: those that need attention, or all of a source")
    parser.add_argument("key", nargs="?", metavar="KEY", help="a source; shows every version's job")
    parser.add_argument(
        "--status", choices=INDEXED, help="only jobs with this status (succeeded ones are found by KEY)"
    )
    parser.add_argument("--limit", type=int, default=50, help="newest jobs to show per status (default 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table of jobs; succeeded ones only by their key, for the index holds what did not succeed."""
    stack = Stack.open(args.stack, aws=args.aws)
    if args.key:
        records = of_source(stack, source_key(args.key))
        records = [record for record in records if args.status in (None, record["status"])]
        nothing = f"No job for {printable(source_key(args.key))}: was it uploaded under this very key?"
    else:
        statuses = [args.status] if args.status else INDEXED
        records = [record for status in statuses for record in with_status(stack, status, args.limit)]
        nothing = f"No job is {args.status}." if args.status else "Nothing needs attention: no job is open or failed."
    if records:
        Console().print(table(records))
    else:
        print(nothing)
    return 0


def source_key(name: str) -> str:
    """The source key that a person means by `name`, with or without raw/ before it."""
    return name if name.startswith("raw/") else f"raw/{name}"


def fetch(stack: Stack, keys: Iterable[RecordKey]) -> dict[RecordKey, Record]:
    """The records under these keys that exist, by BatchGetItem (eventually consistent)."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    name = stack.outputs["JobsTableName"]
    pending: list[Any] = [{"source_key": {"S": key}, "item": {"S": item}} for key, item in keys]
    found: dict[RecordKey, Record] = {}
    while pending:
        answer = dynamodb.batch_get_item(RequestItems={name: {"Keys": pending[:100]}})
        for item in answer["Responses"].get(name, []):
            record = _record(item)
            found[record["source_key"], record["item"]] = record
        left = answer.get("UnprocessedKeys", {})
        unprocessed = left[name]["Keys"] if name in left else []
        pending = [*unprocessed, *pending[100:]]
        if unprocessed:
            time.sleep(0.2)
    return found


def with_status(stack: Stack, status: str, limit: int) -> list[Record]:
    """The `limit` newest jobs of one status, newest first, from the index by_status."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        IndexName="by_status",
        KeyConditionExpression="attention = :status",
        ExpressionAttributeValues={":status": {"S": status}},
        ScanIndexForward=False,
        PaginationConfig={"MaxItems": limit},
    )
    keys = [(item["source_key"]["S"], item["item"]["S"]) for page in pages for item in page["Items"]]
    # The index lags: a job that has moved on since is not of this status any more.
    records = fetch(stack, keys)
    return [records[key] for key in keys if key in records and records[key]["status"] == status]


def of_source(stack: Stack, key: str) -> list[Record]:
    """Every job of one source, oldest change first, one a version."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        KeyConditionExpression="source_key = :key AND begins_with(#item, :job)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":key": {"S": key}, ":job": {"S": "job#"}},
        ConsistentRead=True,
    )
    return sorted(
        (_record(item) for page in pages for item in page["Items"]),
        key=lambda record: str(record.get("updated_at")),
    )


def table(records: Iterable[Record]) -> Table:
    """Records as a table for people."""
    shown = Table("Source", "Status", "Attempt", "Changed", "What happened", box=None, pad_edge=False)
    shown.columns[0].overflow = "fold"
    for record in records:
        shown.add_row(
            Text(printable(record["source_key"])),
            status_text(record["status"]),
            str(record.get("attempt", "")),
            ago(record.get("updated_at")),
            Text(printable(story(record))),
        )
    return shown


def story(record: Record) -> str:
    """What happened to a job, in a sentence."""
    failure = record.get("last_failure") or {}
    if record["status"] == "SUCCEEDED":
        result = record.get("result") or {}
        return (
            f"{result.get('renditions', '?')} renditions, {size(result.get('bytes_in', 0))} in, "
            f"{size(result.get('bytes_out', 0))} out"
        )
    if record.get("reason"):
        return f"{record.get('code', '')}: {record['reason']}"
    if failure:
        what = f"{failure.get('code')}: {failure.get('reason')}"
        return f"last attempt failed in {failure.get('state', '?')}: {what}"
    return ""


STYLES = {
    "SUCCEEDED": "green",
    "REJECTED": "yellow",
    "FAILED": "bold red",
    "UNACCOUNTED": "bold red",
    "PROCESSING": "cyan",
}


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=STYLES.get(status, "dim"))


def ago(moment: str | None) -> str:
    """A record's moment as the time since, as people say it."""
    if not moment:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def size(count: int) -> str:
    """Bytes in decimal units with three digits, as people read them: 640 B, 41.3 kB, 2.98 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    if unit == "B":
        return f"{count} B"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def printable(text: str) -> str:
    """Text from outside that is safe to print: what could steer a terminal is replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _record(item: dict[str, Any]) -> Record:
    return {name: _deserialize(value) for name, value in item.items()}
