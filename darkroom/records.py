"""Job records in JobsTable. No other module of the command line (de)serializes its items."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from darkroom.stack import Stack, is_gone

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

    from contracts import Job, Record, Status

DEFAULT_PREFIX = "raw/"  # of SourcePrefix: stacks from before it was a parameter have no such output
ITEM_PREFIX = "job#"
OPEN: tuple[Status, ...] = ("QUEUED", "PROCESSING")
FINAL: tuple[Status, ...] = ("SUCCEEDED", "REJECTED", "FAILED", "SUPERSEDED", "DELETED")
# What the sparse index by_status lists.
INDEXED = (*OPEN, *(status for status in FINAL if status != "SUCCEEDED"))

# In place of a source key, none of which begins with #: what attach has changed; attempts by day; backfills.
ATTACHED, COUNTS, BACKFILL = "#attached", "#limit", "#backfill"
LATEST = "latest"  # the item that names the last backfill; the others have a backfill's figures each
BACKFILL_DAYS = 90  # for which these are kept

LONGEST_KEY = 1024  # bytes: S3 has no longer ones, and answers 400 about them

RecordKey = tuple[str, str]  # (source_key, item), the primary key of JobsTable


def source_prefix(stack: Stack) -> str:
    """What the keys of a stack's sources begin with; it ends in a slash."""
    return stack.outputs.get("SourcePrefix", DEFAULT_PREFIX)


def source_key(stack: Stack, name: str) -> str:
    """The source key for a name typed with or without the stack's prefix."""
    prefix = source_prefix(stack)
    return prefix + name.removeprefix(prefix)


def record_item(version_id: str) -> str:
    """The sort key of a source version's record."""
    return ITEM_PREFIX + version_id


def version_of(record: Record) -> str:
    """The version id of the source that a record is about."""
    return record["item"].removeprefix(ITEM_PREFIX)


def read(stack: Stack, key: RecordKey) -> Record:
    """A record by a consistent read; only its key if there is none."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    answer = dynamodb.get_item(TableName=stack.outputs["JobsTableName"], Key=_marshal_key(key), ConsistentRead=True)
    return _unmarshal({**_marshal_key(key), **answer.get("Item", {})})


def newest(stack: Stack, key: str) -> Record | None:
    """The record of a source's newest version, as `read` returns it; None if there is no source."""
    s3: S3Client = stack.client("s3")
    if len(key.encode()) > LONGEST_KEY:
        return None
    try:
        version = s3.head_object(Bucket=stack.outputs["SourceBucketName"], Key=key).get("VersionId", "null")
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return read(stack, (key, record_item(version)))


def known(stack: Stack, key: str) -> bool:
    """Whether JobsTable has any item of a source key, or a set of it stands: records expire, sets do not."""
    if len(key.encode()) > LONGEST_KEY:
        return False
    if _has_set(stack, key):
        return True
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    answer = dynamodb.query(
        TableName=stack.outputs["JobsTableName"],
        KeyConditionExpression="source_key = :key",
        ExpressionAttributeValues={":key": {"S": key}},
        Limit=1,
        ConsistentRead=True,
    )
    return bool(answer["Items"])


def _has_set(stack: Stack, key: str) -> bool:
    s3: S3Client = stack.client("s3")
    name = f"processed/{key.removeprefix(source_prefix(stack))}/manifest.json"
    if len(name.encode()) > LONGEST_KEY:
        return False
    try:
        s3.head_object(Bucket=stack.outputs["OutputBucketName"], Key=name)
    except ClientError as error:
        if is_gone(error):
            return False
        raise
    return True


def fetch(stack: Stack, keys: Iterable[RecordKey]) -> dict[RecordKey, Record]:
    """The records under these keys that exist, by BatchGetItem (eventually consistent)."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    name = stack.outputs["JobsTableName"]
    pending: list[Any] = [_marshal_key(key) for key in keys]
    records: dict[RecordKey, Record] = {}
    while pending:
        answer = dynamodb.batch_get_item(RequestItems={name: {"Keys": pending[:100]}})
        for item in answer["Responses"].get(name, []):
            record = _unmarshal(item)
            records[record["source_key"], record["item"]] = record
        pending = pending[100:]
        if name in (left := answer.get("UnprocessedKeys", {})):
            pending += left[name]["Keys"]
            time.sleep(0.2)
    return records


def listed(stack: Stack, status: str, *, before: str = "9", limit: int | None = None) -> list[RecordKey]:
    """Keys in the index by_status, newest first, unchanged since `before`. The index lags behind the records.

    With `limit`, no more than that is read either: REJECTED jobs never leave the index, and a page holds 1 MB of them.
    """
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        IndexName="by_status",
        KeyConditionExpression="attention = :status AND updated_at < :before",
        ExpressionAttributeValues={":status": {"S": status}, ":before": {"S": before}},
        ScanIndexForward=False,
        PaginationConfig={"MaxItems": limit, "PageSize": limit} if limit else {},
    )
    return [(item["source_key"]["S"], item["item"]["S"]) for page in pages for item in page["Items"]]


def with_status(stack: Stack, status: str, limit: int) -> list[Record]:
    """The newest jobs of one status, newest first, without those that have left it since."""
    keys = listed(stack, status, limit=limit)
    records = fetch(stack, keys)
    return [records[key] for key in keys if key in records and records[key]["status"] == status]


def of_source(stack: Stack, key: str) -> list[Record]:
    """Every job of a source, one per version, the last changed last."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        KeyConditionExpression="source_key = :key AND begins_with(#item, :prefix)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":key": {"S": key}, ":prefix": {"S": ITEM_PREFIX}},
        ConsistentRead=True,
    )
    records = [_unmarshal(item) for page in pages for item in page["Items"]]
    return sorted(records, key=lambda record: str(record.get("updated_at")))


def started_today(stack: Stack) -> int:
    """The attempts that DailyImageLimit has counted on this day (UTC)."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    day: RecordKey = (COUNTS, datetime.now(UTC).date().isoformat())
    answer = dynamodb.get_item(TableName=stack.outputs["JobsTableName"], Key=_marshal_key(day), ConsistentRead=True)
    return int(answer.get("Item", {}).get("images", {}).get("N", "0"))


def put_open(stack: Stack, job: Job, *, expires_at: int | None = None) -> None:
    """Write a job's record as PROCESSING, owned by the job's execution, in place of any other.

    DynamoDB removes it some time after `expires_at` (epoch seconds).
    """
    record: dict[str, Any] = {
        "source_key": job["source"]["key"],
        "item": record_item(job["source"]["version_id"]),
        "status": "PROCESSING",
        "attention": "PROCESSING",
        "schema_version": 1,
        "updated_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **{name: value for name, value in job.items() if name not in ("max_attempts", "deadline")},
        **({"expires_at": expires_at} if expires_at else {}),
    }
    item = {name: TypeSerializer().serialize(value) for name, value in record.items()}
    stack.client("dynamodb").put_item(TableName=stack.outputs["JobsTableName"], Item=item)


def remove(stack: Stack, key: RecordKey) -> None:
    """Remove a record."""
    stack.client("dynamodb").delete_item(TableName=stack.outputs["JobsTableName"], Key=_marshal_key(key))


def attached(stack: Stack) -> list[str]:
    """The buckets for which attach has switched EventBridge on, or was about to."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        KeyConditionExpression="source_key = :key",
        ExpressionAttributeValues={":key": {"S": ATTACHED}},
        ConsistentRead=True,
    )
    return [item["item"]["S"] for page in pages for item in page["Items"]]


def note_attached(stack: Stack, bucket: str) -> bool:
    """Note that attach is about to switch EventBridge on; False if that is noted already."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    item = _marshal_key((ATTACHED, bucket))
    answer = dynamodb.put_item(TableName=stack.outputs["JobsTableName"], Item=item, ReturnValues="ALL_OLD")
    return "Attributes" not in answer


def forget_attached(stack: Stack, bucket: str) -> None:
    """Remove the note of `note_attached`."""
    remove(stack, (ATTACHED, bucket))


def failed_since(stack: Stack, moment: str, prefix: str, limit: int) -> int:
    """How many jobs of sources below a prefix became FAILED after a moment; `limit` + 1 if more than `limit` did."""
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    pages = dynamodb.get_paginator("query").paginate(
        TableName=stack.outputs["JobsTableName"],
        IndexName="by_status",
        KeyConditionExpression="attention = :status AND updated_at > :moment",
        ExpressionAttributeValues={":status": {"S": "FAILED"}, ":moment": {"S": moment}},
    )
    found = (item for page in pages for item in page["Items"] if item["source_key"]["S"].startswith(prefix))
    return sum(1 for _ in itertools.islice(found, limit + 1))


def put_backfill(stack: Stack, name: str, facts: Mapping[str, Any]) -> None:
    """Write the item of a backfill, to which BackfillFunction adds."""
    expires = int(time.time()) + BACKFILL_DAYS * 86400
    _put_backfill(stack, name, {**facts, "expires_at": expires}, "attribute_not_exists(source_key)", {})


def claim_backfill(stack: Stack, name: str, before: str) -> bool:
    """Note that a backfill is the last one; False if it is no longer the one named `before` ("": none)."""
    condition, seen = ("run = :before", {":before": before}) if before else ("attribute_not_exists(source_key)", {})
    return _put_backfill(stack, LATEST, {"run": name}, condition, seen)


def backfill(stack: Stack, name: str) -> dict[str, Any]:
    """The item of a backfill, or LATEST, by a consistent read; empty if there is none. Numbers are int."""
    found: dict[str, Any] = {**read(stack, (BACKFILL, name))}
    del found["source_key"], found["item"]
    return {key: int(value) if isinstance(value, Decimal) else value for key, value in found.items()}


def stop_backfill(stack: Stack, name: str) -> None:
    """Mark a backfill: from now on BackfillFunction asks for nothing more."""
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["JobsTableName"],
        Key=_marshal_key((BACKFILL, name)),
        UpdateExpression="SET stopped = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )


def _put_backfill(stack: Stack, name: str, facts: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> bool:
    item = {key: TypeSerializer().serialize(value) for key, value in facts.items()} | _marshal_key((BACKFILL, name))
    given: dict[str, Any] = {"ExpressionAttributeNames": {}, "ExpressionAttributeValues": {}}
    if values:
        given["ExpressionAttributeValues"] = {key: TypeSerializer().serialize(value) for key, value in values.items()}
    dynamodb: DynamoDBClient = stack.client("dynamodb")
    try:
        dynamodb.put_item(
            TableName=stack.outputs["JobsTableName"],
            Item=item,
            ConditionExpression=condition,
            **{key: value for key, value in given.items() if value},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _marshal_key(key: RecordKey) -> dict[str, Any]:
    return {"source_key": {"S": key[0]}, "item": {"S": key[1]}}


def _unmarshal(item: dict[str, Any]) -> Record:
    deserialize = TypeDeserializer().deserialize
    return cast("Record", {name: deserialize(value) for name, value in item.items()})
