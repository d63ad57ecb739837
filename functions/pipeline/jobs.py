"""Job records in JobsTable: one item a source key and version, with what became of it.

Every change is one conditional write that names its owner, the execution of the current attempt, so that neither a
forgotten run nor an SDK retry after a lost response can change what is no longer its own.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

from pipeline import clock, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.exceptions import ClientError
    from types_boto3_dynamodb import DynamoDBClient

TABLE = os.environ["JOBS_TABLE"]
SCHEMA_VERSION = 1
OPEN = {"QUEUED", "PROCESSING"}
KEEP_RETIRED_SECONDS = 90 * 86400  # a SUPERSEDED or DELETED record is history only; the table's TTL removes it

# Impatient, as what the lease bounds must have begun by then: see LEASE_SECONDS.
_config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
dynamodb: DynamoDBClient = boto3.client("dynamodb", config=_config)
_serializer, _deserializer = TypeSerializer(), TypeDeserializer()


class NotOwnerError(Exception):
    """Another execution owns this record now: whoever gets this must write nothing more."""


def marshal(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values as DynamoDB attribute values."""
    return {name: _serializer.serialize(value) for name, value in values.items()}


def unmarshal(item: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB attribute values as plain values (numbers as Decimal)."""
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def get(key: str, version_id: str) -> dict[str, Any] | None:
    """The record of a source version as it is now (a consistent read), or None."""
    found = dynamodb.get_item(TableName=TABLE, Key=_key(key, version_id), ConsistentRead=True)
    return unmarshal(found["Item"]) if "Item" in found else None


def begin(job: dict[str, Any], previous: dict[str, Any] | None) -> None:
    """Record that an attempt is about to start, in place of the record that was seen when it was decided.

    Raises NotOwnerError if the record has changed since.
    """
    _replace(job, previous, {"status": "PROCESSING", "attention": "PROCESSING"})


def adopt(job: dict[str, Any], previous: dict[str, Any] | None, maker: str, result: dict[str, Any]) -> None:
    """Record a version as SUCCEEDED without a run: the set that stands was made of the same bytes by the same recipe.

    `maker`: the version whose set that is; its record remembers the heir, so that both end when the set is removed.
    Raises NotOwnerError if the record has changed since it was seen.
    """
    heir = job["source"]["version_id"]
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):  # where nothing is to end: it has no record
        dynamodb.update_item(
            TableName=TABLE,
            Key=_key(job["source"]["key"], maker),
            UpdateExpression="ADD heirs :heir",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":heir": {"SS": [heir]}},
        )
    _replace(job, previous, {"status": "SUCCEEDED", "result": result, "finished_at": clock.now()})


def _replace(job: dict[str, Any], previous: dict[str, Any] | None, facts: dict[str, Any]) -> None:
    started = clock.now()
    record = {
        "source_key": job["source"]["key"],
        "item": keys.record(job["source"]["version_id"]),
        "schema_version": SCHEMA_VERSION,
        "job_id": job["job_id"],
        "source": job["source"],
        "recipe": job["recipe"],
        "round": job["round"],
        "attempt": job["attempt"],
        "execution_name": job["execution_name"],
        "queued_at": started,
        "started_at": started,
        "updated_at": started,
        **facts,
    }
    condition, seen = "attribute_not_exists(execution_name)", {}
    if previous:
        record |= {name: previous[name] for name in ("queued_at", "last_failure") if name in previous}
        if "execution_name" in previous:
            condition, seen = "execution_name = :seen", {":seen": previous["execution_name"]}
    standing = put_if(record, condition, seen)
    # Our own write whose answer was lost is met again by the SDK's retry.
    if standing is not None and standing.get("execution_name") != job["execution_name"]:
        raise NotOwnerError(job["execution_name"])


def put_if(record: dict[str, Any], condition: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """Write an item if the condition on what stands in its place holds: None if so, else what stands."""
    request: dict[str, Any] = {"ExpressionAttributeValues": marshal(values)} if values else {}
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item=marshal(record),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **request,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        return _standing(error)
    return None


def close(job: dict[str, Any], status: str, **facts: Any) -> None:
    """Record how the attempt ended: a final status, or QUEUED for a failed attempt that is to be tried again.

    `facts` are further attributes (result, code, reason, last_failure, recipe). Writing the same end twice is fine.
    Raises NotOwnerError if another attempt has taken over.
    """
    moment = clock.now()
    changes = {"status": status, "updated_at": moment, **facts}
    if status not in OPEN:
        changes["finished_at"] = moment
    if status != "SUCCEEDED":
        changes["attention"] = status
    try:
        _update(
            job["source"]["key"],
            job["source"]["version_id"],
            changes,
            condition="execution_name = :owner AND #status IN (:processing, :queued)",
            values={":owner": job["execution_name"], ":processing": "PROCESSING", ":queued": "QUEUED"},
            remove="attention" if status == "SUCCEEDED" else "",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        found = _standing(error)
        if (found.get("execution_name"), found.get("status")) != (job["execution_name"], status):
            raise NotOwnerError(job["execution_name"]) from error


def retire(source: dict[str, Any], status: str, *, finished: bool = False) -> None:
    """Record that a version is SUPERSEDED (never finished, and no longer the newest) or DELETED.

    Writes a record if the version never had one, so that each upload can be accounted for. One that was given up
    (FAILED) needs nobody's attention any more. One that was refused keeps its record; so does one that SUCCEEDED,
    unless its set was removed (`finished`).
    """
    moment = clock.now()
    replaceable = [*sorted(OPEN), "FAILED", *(["SUCCEEDED"] if finished else [])]
    placeholders = {f":s{index}": value for index, value in enumerate(replaceable)}
    try:
        _update(
            source["key"],
            source["version_id"],
            {
                "status": status,
                "attention": status,
                "updated_at": moment,
                "finished_at": moment,
                "expires_at": int(time.time()) + KEEP_RETIRED_SECONDS,
            },
            condition=f"attribute_not_exists(#status) OR #status IN ({', '.join(placeholders)})",
            values=placeholders,
            defaults={
                "schema_version": SCHEMA_VERSION,
                "job_id": keys.job_id(source),
                "source": source,
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return


def _standing(error: ClientError) -> dict[str, Any]:
    """The item that made a condition fail; empty if there is none."""
    response: Mapping[str, Any] = error.response
    return unmarshal(response.get("Item", {}))


def _key(key: str, version_id: str) -> dict[str, Any]:
    return marshal({"source_key": key, "item": keys.record(version_id)})


def _update(
    key: str,
    version_id: str,
    changes: dict[str, Any],
    *,
    condition: str,
    values: dict[str, Any],
    defaults: dict[str, Any] | None = None,
    remove: str = "",
) -> None:
    """One conditional UpdateItem: set `changes`, set `defaults` where nothing stands, drop the attribute `remove`."""
    written = changes | (defaults or {})
    sets = [f"#{name} = :{name}" for name in changes]
    sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in defaults or {}]
    dynamodb.update_item(
        TableName=TABLE,
        Key=_key(key, version_id),
        UpdateExpression="SET " + ", ".join(sets) + (f" REMOVE #{remove}" if remove else ""),
        ConditionExpression=condition,
        ExpressionAttributeNames={f"#{name}": name for name in [*written, *([remove] if remove else [])]},
        ExpressionAttributeValues=marshal({f":{name}": value for name, value in written.items()} | values),
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
