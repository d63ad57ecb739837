"""The set of a source as it stands in the output bucket: its manifest, and the files in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from aws_lambda_powertools import Logger

from pipeline import keys, manifest, storage

if TYPE_CHECKING:
    from contracts import Job, Manifest

BUCKET = os.environ["OUTPUT_BUCKET"]
logger = Logger()


@dataclass(frozen=True)
class Standing:
    """What stands under a manifest's key. `etag` is None if nothing does, `manifest` if it is none of ours."""

    manifest: Manifest | None = None
    etag: str | None = None


class SameBucketError(Exception):
    """The sources lie in the output bucket: what Darkroom writes or removes there could be somebody's original."""


def check_apart(source_bucket: str) -> None:
    """Raises SameBucketError if this bucket is the output bucket."""
    if source_bucket == BUCKET:
        raise SameBucketError(
            f"{BUCKET} is the source bucket and the output bucket: "
            "deploy the stack with another ExistingSourceBucket or RetainedOutputBucket"
        )


def put(
    job: Job,
    key: str,
    body: bytes | IO[bytes],
    content_type: str = "application/octet-stream",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write what a job makes: the only way into the output bucket, but for manifests. Raises SameBucketError."""
    check_apart(job["source"]["bucket"])
    storage.put(BUCKET, key, body, content_type, metadata or {})


def standing(source_key: str) -> Standing:
    """The manifest that stands for a source. One that is damaged, edited by hand or another key's does not count."""
    name = keys.manifest(source_key)
    stored = storage.get(BUCKET, name) if keys.fits(name) else None
    if stored is None:
        return Standing()
    body, etag = stored
    try:
        return Standing(manifest.read(body, source_key), etag)
    except manifest.ForeignError as error:
        logger.warning("the manifest does not count", key=name, reason=str(error))
        return Standing(None, etag)


def write(document: Manifest, instead_of: str | None) -> None:
    """Write a manifest in place of the one that has this ETag (None: of none). Raises storage.ChangedError."""
    body = json.dumps(document, ensure_ascii=False, indent=2).encode()
    storage.replace(BUCKET, keys.manifest(document["source"]["key"]), body, instead_of, "application/json")


def files(source_key: str) -> dict[str, int]:
    """The sizes in bytes of all files that any run has made of a source, by key."""
    folder = keys.folder(source_key)
    found = storage.files(BUCKET, folder) if keys.fits(folder) else {}
    return {key: size for key, size in found.items() if keys.is_rendition(key) or key == keys.manifest(source_key)}


def lists(document: Manifest) -> dict[str, int]:
    """The sizes in bytes of the files that a manifest lists, by key."""
    return {rendition["key"]: rendition["bytes"] for rendition in document["renditions"]}
