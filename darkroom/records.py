"""Job records in JobsTable, read by key, by version or by status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

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


def _record(item: dict[str, Any]) -> Record:
    return {name: _deserialize(value) for name, value in item.items()}
