"""Objects in the two buckets: the only module that talks to S3."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline import clock, given, metrics

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from contracts import Source

s3: S3Client = metrics.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))

# Error codes for a key or a version that does not exist, or that is a delete marker (405).
ABSENT = {"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"}
# A write or a read on condition met another object than expected, or none.
_CONDITION_FAILED = {"412", "PreconditionFailed", "ConditionalRequestConflict", "404", "NoSuchKey"}

# Characters that XML, the language of DeleteObjects, cannot carry unchanged.
_NOT_FOR_XML = re.compile(r"[\x00-\x1f\ufffe\uffff]")

# The outputs of an overwritten source keep their keys: a cache asks by ETag before it uses what it has.
CACHE_CONTROL = "no-cache"


class SourceGoneError(Exception):
    """The source version of a job is gone, or has other bytes. Nothing is retried: the trigger looks again."""


class ChangedError(Exception):
    """The object is no longer the one that the caller read: nothing was written."""


def head(bucket: str, key: str, version_id: str | None = None) -> Source | None:
    """A version of a source, the newest by default, as it is now; None if there is none."""
    which: Any = {"VersionId": version_id} if version_id else {}
    try:
        answer = s3.head_object(Bucket=bucket, Key=key, **which)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    source: Source = {
        "bucket": bucket,
        "key": key,
        "version_id": answer.get("VersionId", "null"),
        "etag": answer["ETag"].strip('"'),
        "size": answer["ContentLength"],
        "modified": clock.moment(answer["LastModified"]),
    }
    found = given.read(answer["Metadata"])
    return {**source, "given": found} if found else source


def older(source: Source) -> Source | None:
    """The version just below one of a source; None if there is none, or if a delete marker lies between.

    Raises ChangedError if that version goes meanwhile.
    """
    # One entry a page: the answer has versions and delete markers in separate lists, without their common order.
    answer = s3.list_object_versions(
        Bucket=source["bucket"],
        Prefix=source["key"],
        KeyMarker=source["key"],
        VersionIdMarker=source["version_id"],
        MaxKeys=1,
    )
    # MiniStack answers with the version itself in a bucket that never had any: whoever goes down would never arrive.
    below = [each for each in answer.get("Versions", []) if each["VersionId"] != source["version_id"]]
    if not below or below[0]["Key"] != source["key"]:
        return None
    found = head(source["bucket"], source["key"], below[0]["VersionId"])  # a listing has no metadata
    if found is None:
        raise ChangedError(f"version {below[0]['VersionId']} of {source['key']} has just gone")
    return found


@dataclass(frozen=True)
class DeleteMarker:
    """The delete marker that hides a source."""

    version_id: str
    made_at: float  # epoch seconds
    hides: str | None  # the version id just beneath, if that is no marker too
    stacked: bool  # another marker lies just beneath


def delete_marker(bucket: str, key: str) -> DeleteMarker | None:
    """What hides a source that `head` does not find, or None if nothing is left of it.

    Raises ChangedError if the source has come back since.
    """
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=2)
    beneath = [each["VersionId"] for each in listed.get("Versions", []) if each["Key"] == key]
    if any(each["IsLatest"] and each["Key"] == key for each in listed.get("Versions", [])):
        raise ChangedError(f"{key} has come back")
    markers = [each for each in listed.get("DeleteMarkers", []) if each["Key"] == key]
    if not markers:
        return None
    top, made_at = markers[0]["VersionId"], markers[0]["LastModified"].timestamp()
    return DeleteMarker(top, made_at, next(iter(beneath), None), len(markers) == 2)


def is_lowest(bucket: str, key: str) -> bool:
    """Whether the newest version of a source is all that the bucket has of it."""
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key, MaxKeys=2)
    return [each["Key"] for each in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]].count(key) == 1


def read_source(source: Source, limit: int) -> bytes:
    """At most `limit` + 1 bytes of this very version of the source. Raises SourceGoneError if it is gone or changed."""
    # In a bucket without versions, an overwrite has the same version id ("null"): its ETag tells.
    etag = f'"{source["etag"]}"'
    try:
        answer = s3.get_object(Bucket=source["bucket"], Key=source["key"], VersionId=source["version_id"], IfMatch=etag)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT | _CONDITION_FAILED:
            raise SourceGoneError(f"version {source['version_id']} is no longer in the bucket") from error
        raise
    return answer["Body"].read(limit + 1)


def download(bucket: str, key: str, folder: Path) -> Path:
    """Download an object that must be there into `folder`, and return its path: for what is too large for memory."""
    file = folder / key.rpartition("/")[2]
    with file.open("wb") as written:
        shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], written)
    return file


def get(bucket: str, key: str) -> tuple[bytes, str] | None:
    """An object's bytes and its ETag, or None if there is none."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return answer["Body"].read(), answer["ETag"]


def put(bucket: str, key: str, body: bytes | IO[bytes], content_type: str, metadata: Mapping[str, str]) -> None:
    """Write an object; `body` may be an open file. `metadata`: its x-amz-meta- headers."""
    s3.put_object(
        Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=CACHE_CONTROL, Metadata=metadata
    )


def replace(bucket: str, key: str, body: bytes, etag: str | None, content_type: str) -> None:
    """Write an object in place of the one that has this ETag, or of none. Raises ChangedError if another is there."""
    condition: Any = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=CACHE_CONTROL, **condition
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _CONDITION_FAILED:
            raise
        there = get(bucket, key)
        if there is None or there[0] != body:  # else our own write: only its answer was lost
            raise ChangedError(f"{key} was changed by somebody else") from error


def files(bucket: str, folder: str) -> dict[str, int]:
    """The sizes in bytes of the objects in a folder, by key, without those in folders below it."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder, Delimiter="/")
    return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}


def delete(bucket: str, keys: Iterable[str]) -> None:
    """Remove objects; absent ones count as removed. Raises RuntimeError about a key that S3 refused to remove."""
    named = set(keys)
    for key in filter(_NOT_FOR_XML.search, named):
        s3.delete_object(Bucket=bucket, Key=key)
    pending = sorted(key for key in named if not _NOT_FOR_XML.search(key))
    for start in range(0, len(pending), 1000):  # DeleteObjects takes 1,000 keys
        answer = s3.delete_objects(
            Bucket=bucket,
            Delete={"Objects": [{"Key": key} for key in pending[start : start + 1000]], "Quiet": True},
        )
        if errors := answer.get("Errors"):
            raise RuntimeError(f"could not remove {len(errors)} objects, the first of them: {errors[0]}")
