"""Job records in JobsTable: one item per source key and version, with what became of it.

Every change is a conditional write. A run can change its record only while the record's execution_name is its own: so
neither a forgotten run nor an SDK retry after a lost answer can change a record that has moved on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

from pipeline import clock, keys, metrics

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_dynamodb import DynamoDBClient

    from contracts import Decision, Job, Record, Result, Source, SourceVersion, Status

TABLE = os.environ["JOBS_TABLE"]
SCHEMA_VERSION = 1
OPEN = {"QUEUED", "PROCESSING"}
# Records of versions without a set, and of sets that were replaced, are history only: the table's TTL removes them.
KEEP_SECONDS = 90 * 86400

# Short timeouts: LEASE_SECONDS assumes that these calls end soon.
_config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
dynamodb: DynamoDBClient = metrics.client("dynamodb", config=_config)
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


def of(record: Record, max_attempts: int) -> Job:
    """The job of a record's last attempt, to tell how that ended."""
    source = cast("Source", {**record["source"]})
    source["size"] = int(source["size"])  # DynamoDB's numbers are Decimal
    job: Job = {
        "job_id": record["job_id"],
        "execution_name": record["execution_name"],
        "round": int(record["round"]),
        "attempt": int(record["attempt"]),
        "max_attempts": max_attempts,
        "deadline": 0,
        "source": source,
        "recipe": record["recipe"],
    }
    return {**job, "asked_at": record["asked_at"]} if "asked_at" in record else job


def check_owner(job: Job) -> None:
    """Raises NotOwnerError unless this attempt is the one that the trigger waits for. Call it before a set is written.

    A run that is brought back from the console, or began too late, is not: its successor may be writing.
    """
    record = get(job["source"]["key"], job["source"]["version_id"])
    owner = record and record["status"] == "PROCESSING" and record["execution_name"] == job["execution_name"]
    if not owner or time.time() > job["deadline"]:
        raise NotOwnerError(f"{job['execution_name']} may not write: another attempt may have taken over")


def begin(job: Job, previous: Record | None) -> None:
    """Record that an attempt is about to start. Raises NotOwnerError if the record has changed since `previous`."""
    _replace(job, previous, {"status": "PROCESSING", "attention": "PROCESSING"})


def adopt(job: Job, previous: Record | None, result: Result) -> None:
    """Record a version as SUCCEEDED without a run: the standing set was made from the same bytes by the same recipe.

    Raises NotOwnerError if the record has changed since `previous`.
    """
    _replace(job, previous, {"status": "SUCCEEDED", "result": result, "finished_at": clock.now(), **_expiring()})


def _replace(job: Job, previous: Record | None, facts: Mapping[str, Any]) -> None:
    started = clock.now()
    record: dict[str, Any] = {
        "source_key": job["source"]["key"],
        "item": keys.record(job["source"]["version_id"]),
        "schema_version": SCHEMA_VERSION,
        **{name: value for name, value in job.items() if name not in ("max_attempts", "deadline")},
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


def decide(job: Job, decision: Decision) -> Decision:
    """Record what is about to be told about an attempt; returns what was decided first, if anything was.

    Raises NotOwnerError if the attempt is closed, or another has taken over.
    """
    try:
        answer = dynamodb.update_item(
            TableName=TABLE,
            Key=_key(job["source"]["key"], job["source"]["version_id"]),
            UpdateExpression="SET decision = if_not_exists(decision, :decision)",
            ConditionExpression="execution_name = :owner AND #status IN (:processing, :queued)",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=marshal(
                {
                    ":decision": decision,
                    ":owner": job["execution_name"],
                    ":processing": "PROCESSING",
                    ":queued": "QUEUED",
                }
            ),
            ReturnValues="ALL_NEW",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        raise NotOwnerError(job["execution_name"]) from error
    return cast("Decision", unmarshal(answer["Attributes"])["decision"])


def close(job: Job, status: Status, **facts: Any) -> None:
    """Record how the attempt ended: a final status, or QUEUED to try again. A repeated call does no harm.

    `facts` are further fields of the record. Raises NotOwnerError if another attempt has taken over, or if something
    else was decided.
    """
    moment = clock.now()
    changes = {"status": status, "updated_at": moment, **facts}
    if status not in OPEN:
        changes["finished_at"] = moment
    if status == "REJECTED":
        changes |= _expiring()
    if status != "SUCCEEDED":
        changes["attention"] = status
    condition = "execution_name = :owner AND #status IN (:processing, :queued)"
    if status == "QUEUED":
        condition += " AND attribute_not_exists(decision)"
    try:
        _update(
            job["source"],
            changes,
            condition=condition,
            values={":owner": job["execution_name"], ":processing": "PROCESSING", ":queued": "QUEUED"},
            remove=["decision", *(["attention"] if status == "SUCCEEDED" else [])],
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        standing = _standing(error)
        if (standing.get("execution_name"), standing.get("status")) != (job["execution_name"], status):
            raise NotOwnerError(job["execution_name"]) from error


def retire(version: SourceVersion, status: Status, *, finished: bool = False) -> bool:
    """Record that a version is SUPERSEDED (it did not succeed, and is no longer the newest) or DELETED.

    Writes a record if the version never had one, so that each upload can be accounted for. FAILED records are retired
    too: redrive then leaves them alone. REJECTED records stay unchanged; so do SUCCEEDED ones, unless `finished`.
    Returns whether the record is closed now: one that is PROCESSING, or being told, is not ours to close.
    """
    moment = clock.now()
    replaceable = ["QUEUED", "FAILED", *(["SUCCEEDED"] if finished else [])]
    placeholders = {f":s{index}": value for index, value in enumerate(replaceable)}
    changes = {"status": status, "attention": status, "updated_at": moment, "finished_at": moment, **_expiring()}
    try:
        _update(
            version,
            changes,
            condition="attribute_not_exists(decision) AND "
            f"(attribute_not_exists(#status) OR #status IN ({', '.join(placeholders)}))",
            values=placeholders,
            defaults={"schema_version": SCHEMA_VERSION, "job_id": keys.job_id(version), "source": version},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        return _standing(error)["status"] not in OPEN
    return True


def skip(version: SourceVersion, below: str) -> None:
    """Record for a REJECTED version that all between it and `below` are refused too: the next look need not ask."""
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        _update(version, {"below": below}, condition="#status = :rejected", values={":rejected": "REJECTED"})


def expire(version: SourceVersion) -> None:
    """Let the record of a version whose set was replaced expire."""
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        _update(version, _expiring(), condition="#status = :succeeded", values={":succeeded": "SUCCEEDED"})


def _expiring() -> dict[str, int]:
    return {"expires_at": int(time.time()) + KEEP_SECONDS}


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
    remove: Sequence[str] = (),
) -> None:
    """One conditional UpdateItem: set `changes`, set those `defaults` that are absent, remove the fields `remove`."""
    written = {**changes, **(defaults or {})}
    sets = [f"#{name} = :{name}" for name in changes]
    sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in defaults or {}]
    dynamodb.update_item(
        TableName=TABLE,
        Key=_key(version["key"], version["version_id"]),
        UpdateExpression="SET " + ", ".join(sets) + (" REMOVE #" + ", #".join(remove) if remove else ""),
        ConditionExpression=condition,
        ExpressionAttributeNames={f"#{name}": name for name in ["status", *written, *remove]},
        ExpressionAttributeValues=marshal({**{f":{name}": value for name, value in written.items()}, **values}),
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
