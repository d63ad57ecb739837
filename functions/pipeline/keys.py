"""Keys and names that follow from a source's: outputs, work objects, records, executions."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts import Job, SourceVersion

# What comes before the <path> of every source key. It ends in a slash.
SOURCE_PREFIX = os.environ.get("SOURCE_PREFIX", "raw/")
EXTENSIONS = {"avif": "avif", "webp": "webp", "jpeg": "jpg", "png": "png"}
# Files that desktops leave in every folder: no photos, and no reason for a message.
LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
LEASE = "lease"  # the sort key of a source key's lease in JobsTable
LONGEST = 1024  # bytes of UTF-8 that S3 allows
MANIFEST = "manifest.json"
_RENDITION = re.compile(rf"[a-z0-9_-]{{1,40}}\.({'|'.join(EXTENSIONS.values())})")


def output(source_key: str, rendition: str, format_: str) -> str:
    """processed/<path>/<rendition>.<extension> for <SourcePrefix><path>."""
    return f"{folder(source_key)}{rendition}.{EXTENSIONS[format_]}"


def manifest(source_key: str) -> str:
    """processed/<path>/manifest.json for <SourcePrefix><path>."""
    return folder(source_key) + MANIFEST


def folder(source_key: str) -> str:
    """processed/<path>/ for <SourcePrefix><path>. What lies in it, but not in folders below, is this source's alone."""
    if not source_key.startswith(SOURCE_PREFIX):
        raise ValueError(f"not a source key: {source_key!r}")
    return f"processed/{source_key.removeprefix(SOURCE_PREFIX)}/"


def source(path: str) -> str:
    """The source key of a path, which may be written with SourcePrefix or without it."""
    return SOURCE_PREFIX + path.removeprefix(SOURCE_PREFIX)


def is_source(key: str) -> bool:
    """Whether a key can be a source: under SourcePrefix, and neither a folder marker nor desktop litter."""
    name = key.rsplit("/", 1)[-1]
    litter = name.lower() in LITTER or name.startswith("._")
    return key.startswith(SOURCE_PREFIX) and bool(name) and not litter


def is_rendition(key: str) -> bool:
    """Whether a file in a source's folder has a name that a rendition can have."""
    return bool(_RENDITION.fullmatch(key.rpartition("/")[2]))


def work(job: Job, name: str) -> str:
    """Where one state leaves `name` for another: no two attempts share it."""
    return f"work/{job['job_id']}/{job['round']}-{job['attempt']}/{name}"


def fits(key: str) -> bool:
    """Whether S3 can hold an object of this key."""
    return len(key.encode()) <= LONGEST


def job_id(source: SourceVersion) -> str:
    """The job's id: 24 hex digits, the same for the same source version."""
    named = f"{source['bucket']}\n{source['key']}\n{source['version_id']}"
    return hashlib.sha256(named.encode()).hexdigest()[:24]


def execution(job_id: str, round_: int, attempt: int) -> str:
    """The name of an attempt's execution: at most 80 characters, letters, digits and hyphens."""
    return f"{job_id}-{round_}-{attempt}"


def record(version_id: str) -> str:
    """The sort key of a source version's record in JobsTable."""
    return f"job#{version_id}"
