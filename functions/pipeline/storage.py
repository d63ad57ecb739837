"""Objects in the two buckets: the only module that talks to S3."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from contracts import Manifest, Source

s3: S3Client = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))

# Error codes for a key or a version that does not exist, or that is a delete marker (405).
ABSENT = {"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"}

# Characters that XML, the language of DeleteObjects, cannot carry unchanged.
_NOT_FOR_XML = re.compile(r"[\x00-\x1f\ufffe\uffff]")

# An overwritten source's outputs keep their keys, so caches must ask again after five minutes.
CACHE_CONTROL = "public, max-age=300"


class SourceGoneError(Exception):
    """The source version of a job no longer exists. Nothing is retried: the trigger looks again and decides."""


def head(bucket: str, key: str) -> Source | None:
    """The newest version of a source as it is now, or None if there is none."""
    try:
        answer = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return {
        "bucket": bucket,
        "key": key,
        "version_id": answer.get("VersionId", "null"),
        "etag": answer["ETag"].strip('"'),
        "size": answer["ContentLength"],
    }


def read_source(source: Source, limit: int) -> bytes:
    """At most `limit` + 1 bytes of this very version of the source. Raises SourceGoneError if it is gone."""
    try:
        answer = s3.get_object(Bucket=source["bucket"], Key=source["key"], VersionId=source["version_id"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            raise SourceGoneError(f"version {source['version_id']} is no longer in the bucket") from error
        raise
    return answer["Body"].read(limit + 1)


def download(bucket: str, key: str, folder: Path) -> Path:
    """Download an object that must be there into `folder`, and return its path: for what is too large for memory."""
    file = folder / key.rpartition("/")[2]
    with file.open("wb") as written:
        shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], written)
    return file


def get_manifest(bucket: str, key: str) -> Manifest | None:
    """The manifest under this key, or None if there is none."""
    try:
        document: Manifest = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return document


def put(bucket: str, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
    """Write an object."""
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, CacheControl=CACHE_CONTROL)


def put_manifest(bucket: str, key: str, manifest: Manifest) -> None:
    """Write a manifest as readable JSON in UTF-8."""
    put(bucket, key, json.dumps(manifest, ensure_ascii=False, indent=2).encode(), "application/json")


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
