"""Objects in the two buckets: the only place that talks to S3."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from types_boto3_s3 import S3Client

s3: S3Client = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))

# What S3 answers for a key, a version or a delete marker that is no longer there.
ABSENT = {"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"}

# What XML, which DeleteObjects speaks, cannot carry, or not unchanged.
_NOT_FOR_XML = re.compile(r"[\x00-\x1f\ufffe\uffff]")

# Keys are predictable and an overwrite keeps them: caches ask again after five minutes.
CACHE_CONTROL = "public, max-age=300"


class SourceGoneError(Exception):
    """The source version of a job no longer exists. The trigger looks again and decides; nothing is retried."""


def head(bucket: str, key: str) -> dict[str, Any] | None:
    """The newest version of a source as it is now: bucket, key, version_id, etag, size in bytes. None if gone.

    An object in a bucket that was never versioned has the version "null", as S3 calls it.
    """
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return {
        "bucket": bucket,
        "key": key,
        "version_id": found.get("VersionId", "null"),
        "etag": found["ETag"].strip('"'),
        "size": found["ContentLength"],
    }


def read_source(source: dict[str, Any], limit: int) -> bytes:
    """The bytes of exactly the version that the job is about, at most `limit` + 1 of them.

    Raises SourceGoneError if that version is no longer there.
    """
    try:
        found = s3.get_object(Bucket=source["bucket"], Key=source["key"], VersionId=source["version_id"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            raise SourceGoneError(f"version {source['version_id']} is no longer in the bucket") from error
        raise
    return found["Body"].read(limit + 1)


def download(bucket: str, key: str, folder: Path) -> Path:
    """An object that must be there, as a file of its own in `folder`: for what is too large to be held in memory."""
    file = folder / key.rpartition("/")[2]
    with file.open("wb") as written:
        shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], written)
    return file


def get_json(bucket: str, key: str) -> dict[str, Any] | None:
    """A JSON object, or None if there is none under this key."""
    try:
        document: dict[str, Any] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return document


def put(bucket: str, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
    """Write an object. The same key and body again changes nothing that a reader sees."""
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=CACHE_CONTROL)


def put_json(bucket: str, key: str, document: dict[str, Any]) -> None:
    """Write a JSON object, readable and in UTF-8."""
    put(bucket, key, json.dumps(document, ensure_ascii=False, indent=2).encode(), "application/json")


def delete(bucket: str, keys: Iterable[str]) -> None:
    """Remove objects; those that are not there count as removed.

    Raises RuntimeError that names the first key that S3 refused to remove: DeleteObjects answers 200 all the same.
    """
    named = set(keys)
    for key in filter(_NOT_FOR_XML.search, named):
        s3.delete_object(Bucket=bucket, Key=key)
    pending = sorted(key for key in named if not _NOT_FOR_XML.search(key))
    for start in range(0, len(pending), 1000):  # DeleteObjects takes 1,000 keys
        answer = s3.delete_objects(
            Bucket=bucket,
            Delete={"Objects": [{"Key": key} for key in pending[start : start + 1000]], "Quiet": True},
        )
        for error in answer.get("Errors", []):
            raise RuntimeError(f"could not remove {error.get('Key')}: {error.get('Code')} {error.get('Message')}")
