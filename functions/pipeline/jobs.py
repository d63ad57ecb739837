"""Job records in JobsTable: one item per source key and version, with what became of it.

Every change is a conditional write. A run can change its record only while the record's execution_name is its own: so
neither a forgotten run nor an SDK retry after a lost answer can change a record that has moved on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

from pipeline import clock, keys

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_dynamodb import DynamoDBClient

    from contracts import Job, Record, Result, SourceVersion, Status

TABLE = os.environ["JOBS_TABLE"]
SCHEMA_VERSION = 1
OPEN = {"QUEUED", "PROCESSING"}
# SUPERSEDED and DELETED records are history only: the table's TTL removes them.
KEEP_RETIRED_SECONDS = 90 * 86400

# Short timeouts: LEASE_SECONDS assumes that these calls end soon.
_config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
dynamodb: DynamoDBClient = boto3.client("dynamodb", config=_config)
_serializer, _deserializer = TypeSerializer(), TypeDeserializer()


class NotOwnerError(Exception):
    """Another execution owns this record now: the caller must write nothing more."""


def marshal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as DynamoDB attribute values."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def unmarshal(item: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB attribute values as plain values; numbers become Decimal."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def get(key: str, version_id: str) -> Record | None:
    """The record of a source version as it is now (a consistent read), or None."""
    answer = dynamodb.get_item(TableName=TABLE, Key=_key(key, version_id), ConsistentRead=True)
    return cast("Record", unmarshal(answer["Item"])) if "Item" in answer else None


def begin(job: Job, previous: Record | None) -> None:
    """Record that an attempt is about to start. Raises NotOwnerError if the record has changed since `previous`."""
    _replace(job, previous, {"status": "PROCESSING", "attention": "PROCESSING"})


def adopt(job: Job, previous: Record | None, maker: str, result: Result) -> None:
    """Record a version as SUCCEEDED without a run: the standing set was made from the same bytes by the same recipe.

    `maker` is the version that the set was made from. Its record keeps this one as an heir: both retire with the set.
    Raises NotOwnerError if the record has changed since `previous`.
    """
    heir = job["source"]["version_id"]
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):  # the maker has no record: nothing to end
        dynamodb.update_item(
            TableName=TABLE,
            Key=_key(job["source"]["key"], maker),
            UpdateExpression="ADD heirs :heir",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":heir": {"SS": [heir]}},
        )
    _replace(job, previous, {"status": "SUCCEEDED", "result": result, "finished_at": clock.now()})


def _replace(job: Job, previous: Record | None, facts: Mapping[str, Any]) -> None:
    started = clock.now()
    record: dict[str, Any] = {
        "source_key": job["source"]["key"],
        "item": keys.record(job["source"]["version_id"]),
        "schema_version": SCHEMA_VERSION,
        **{name: value for name, value in job.items() if name != "max_attempts"},
        "queued_at": started,
        "started_at": started,
        "updated_at": started,
        **facts,
    }
    condition, seen = "attribute_not_exists(execution_name)", {}
    if previous:
        record |= {name: value for name, value in previous.items() if name in ("queued_at", "last_failure")}
        if "execution_name" in previous:
            condition, seen = "execution_name = :seen", {":seen": previous["execution_name"]}
    standing = put_if(record, condition, seen)
    # An SDK retry after a lost answer meets our own write.
    if standing is not None and standing.get("execution_name") != job["execution_name"]:
        raise NotOwnerError(job["execution_name"])


def put_if(item: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write an item if `condition` holds for the one in its place. Returns None then, else the one in its place."""
    request: dict[str, Any] = {"ExpressionAttributeValues": marshal(values)} if values else {}
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item=marshal(item),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **request,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        return _standing(error)
    return None


def close(job: Job, status: Status, **facts: Any) -> None:
    """Record how the attempt ended: a final status, or QUEUED to try again. A repeated call does no harm.

    `facts` are further fields of the record. Raises NotOwnerError if another attempt has taken over.
    """
    moment = clock.now()
    changes = {"status": status, "updated_at": moment, **facts}
    if status not in OPEN:
        changes["finished_at"] = moment
    if status != "SUCCEEDED":
        changes["attention"] = status
    try:
        _update(
            job["source"],
            changes,
            condition="execution_name = :owner AND #status IN (:processing, :queued)",
            values={":owner": job["execution_name"], ":processing": "PROCESSING", ":queued": "QUEUED"},
            remove="attention" if status == "SUCCEEDED" else "",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        standing = _standing(error)
        if (standing.get("execution_name"), standing.get("status")) != (job["execution_name"], status):
            raise NotOwnerError(job["execution_name"]) from error


def retire(version: SourceVersion, status: Status, *, finished: bool = False) -> None:
    """Record that a version is SUPERSEDED (it did not succeed, and is no longer the newest) or DELETED.

    Writes a record if the version never had one, so that each upload can be accounted for. FAILED records are retired
    too: redrive then leaves them alone. REJECTED records stay unchanged; so do SUCCEEDED ones, unless `finished`.
    """
    moment = clock.now()
    replaceable = [*sorted(OPEN), "FAILED", *(["SUCCEEDED"] if finished else [])]
    placeholders = {f":s{index}": value for index, value in enumerate(replaceable)}
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        _update(
            version,
            {
                "status": status,
                "attention": status,
                "updated_at": moment,
                "finished_at": moment,
                "expires_at": int(time.time()) + KEEP_RETIRED_SECONDS,
            },
            condition=f"attribute_not_exists(#status) OR #status IN ({', '.join(placeholders)})",
            values=placeholders,
            defaults={"schema_version": SCHEMA_VERSION, "job_id": keys.job_id(version), "source": version},
        )


def _standing(error: ClientError) -> dict[str, Any]:
    """The item that made a condition fail; empty if there is none."""
    response: Mapping[str, Any] = error.response
    return unmarshal(response.get("Item", {}))


def _key(key: str, version_id: str) -> dict[str, Any]:
    return marshal({"source_key": key, "item": keys.record(version_id)})


def _update(
    version: SourceVersion,
    changes: Mapping[str, Any],
    *,
    condition: str,
    values: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    remove: str = "",
) -> None:
    """One conditional UpdateItem: set `changes`, set those `defaults` that are absent, remove the field `remove`."""
    written = {**changes, **(defaults or {})}
    sets = [f"#{name} = :{name}" for name in changes]
    sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in defaults or {}]
    dynamodb.update_item(
        TableName=TABLE,
        Key=_key(version["key"], version["version_id"]),
        UpdateExpression="SET " + ", ".join(sets) + (f" REMOVE #{remove}" if remove else ""),
        ConditionExpression=condition,
        ExpressionAttributeNames={f"#{name}": name for name in [*written, *([remove] if remove else [])]},
        ExpressionAttributeValues=marshal({**{f":{name}": value for name, value in written.items()}, **values}),
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
