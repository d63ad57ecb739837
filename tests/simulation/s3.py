"""S3 as the functions know it: versions, delete markers, conditional writes, listings, events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

from tests.simulation.refusals import Refusal

Params = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """A version of an object; a delete marker has no body. `expired`: a lifecycle rule has made the marker."""

    id: str
    body: bytes | None
    moment: float  # epoch seconds
    expired: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def modified(self) -> datetime:
        """S3 gives whole seconds."""
        return datetime.fromtimestamp(int(self.moment), UTC)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body or b"", usedforsecurity=False).hexdigest()


class Bucket:
    """Objects by key, and their versions, newest first. `report(event, key, version)` hears of each change."""

    def __init__(
        self,
        versioning: Literal["", "Enabled", "Suspended"],
        report: Callable[..., None] = lambda *_: None,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.versioning = versioning
        self.objects: dict[str, list[Version]] = {}
        self.expired: set[str] = set()  # keys that a lifecycle rule has removed without a trace
        self._report, self._now = report, now
        self._made = 0
        self._order: dict[tuple[str, str], int] = {}  # when the newest version of this key and id was made

    def newest(self, key: str) -> Version | None:
        """The object that a GET without version sees."""
        versions = self.objects.get(key)
        return versions[0] if versions and versions[0].body is not None else None

    def put(self, key: str, body: bytes, metadata: dict[str, str] | None = None, how: str = "Put") -> Version:
        version = Version(self._place(key), body, self._now(), metadata=metadata or {})
        self.expired.discard(key)
        self.objects.setdefault(key, []).insert(0, version)
        self._report(f"ObjectCreated:{how}", key, version.id)
        return version

    def give(self, key: str, metadata: dict[str, str]) -> None:
        """Copy an object onto itself, with these metadata instead of its own."""
        if (newest := self.newest(key)) and newest.body is not None:
            self.put(key, newest.body, metadata, "Copy")

    def delete(self, key: str, *, expired: bool = False) -> Version | None:
        """Delete the object: with versioning that adds a marker. A lifecycle rule (`expired`) reports nothing."""
        if not self.versioning:
            existed = self.objects.pop(key, None)
            if expired:
                self.expired.add(key)
            elif existed:
                self._report("ObjectRemoved:Delete", key, "null")
            return None
        marker = Version(self._place(key), None, self._now(), expired)
        self.objects.setdefault(key, []).insert(0, marker)
        if not expired:
            self._report("ObjectRemoved:DeleteMarkerCreated", key, marker.id)
        return marker

    def erase(self, key: str, version_id: str, *, silent: bool = False) -> None:
        """Delete a version for good, or a marker, which brings the object back."""
        versions = self.objects.get(key, [])
        kept = [version for version in versions if version.id != version_id]
        if len(kept) < len(versions):
            self.objects[key] = kept
            if not kept:
                del self.objects[key]
            if not silent:
                self._report("ObjectRemoved:Delete", key, version_id)

    def beneath(self, key: str, version_id: str) -> list[Version]:
        """The versions that are older than this one, which may be gone itself."""
        order = self._order.get((key, version_id), 0)
        return [version for version in self.objects.get(key, []) if self._order[key, version.id] < order]

    def _place(self, key: str) -> str:
        """The id of a new version. Without versioning it is "null", and replaces the version of that id."""
        self._made += 1
        versions = self.objects.get(key, [])
        version_id = f"v{self._made}" if self.versioning == "Enabled" else "null"
        versions[:] = [version for version in versions if version.id != version_id]
        self._order[key, version_id] = self._made
        return version_id


class S3:
    """The API's side of the buckets."""

    def __init__(self, **buckets: Bucket) -> None:
        self.buckets = buckets

    def call(self, operation: str, params: Params) -> Params:
        bucket = self.buckets[params["Bucket"]]
        handler: Callable[[Bucket, Params], Params] | None = getattr(self, f"_{operation}", None)
        if handler is None:
            raise NotImplementedError(f"S3 {operation}")
        return handler(bucket, params)

    def _HeadObject(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802  (the operation's name)
        version = _find(bucket, params, absent="404")
        return self._described(bucket, version)

    def _GetObject(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        version = _find(bucket, params, absent="NoSuchKey")
        _check(params, version)
        return self._described(bucket, version) | {"Body": BytesIO(version.body or b"")}

    def _described(self, bucket: Bucket, version: Version) -> Params:
        facts: Params = {
            "ETag": f'"{version.etag}"',
            "ContentLength": len(version.body or b""),
            "LastModified": version.modified,
            "Metadata": version.metadata,
        }
        return facts | ({"VersionId": version.id} if bucket.versioning else {})

    def _PutObject(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        standing = bucket.newest(params["Key"])
        if params.get("IfNoneMatch") not in (None, "*"):
            raise NotImplementedError("IfNoneMatch other than *")
        if "IfNoneMatch" in params and standing:
            raise Refusal("PreconditionFailed", 412)
        if "IfMatch" in params and not standing:
            raise Refusal("NoSuchKey", 404)
        if standing:
            _check(params, standing)
        body = params["Body"]
        version = bucket.put(params["Key"], body.encode() if isinstance(body, str) else bytes(body))
        return {"ETag": f'"{version.etag}"'}

    def _DeleteObject(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        if "VersionId" in params:
            bucket.erase(params["Key"], params["VersionId"])
        else:
            if params.get("IfMatch") not in (None, "*"):
                standing = bucket.newest(params["Key"])
                if standing:
                    _check(params, standing)
            bucket.delete(params["Key"])
        return {}

    def _DeleteObjects(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        for named in params["Delete"]["Objects"]:
            self._DeleteObject(bucket, named)
        return {}

    def _ListObjectVersions(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        rows = [(key, version) for key, version in _all(bucket) if key.startswith(params.get("Prefix", ""))]
        if marker := params.get("KeyMarker"):
            beneath = bucket.beneath(marker, params["VersionIdMarker"]) if "VersionIdMarker" in params else []
            rows = [(key, version) for key, version in rows if key > marker or (key == marker and version in beneath)]
        room = params.get("MaxKeys", 1000)
        answer: Params = {"IsTruncated": len(rows) > room}
        for key, version in rows[:room]:
            newest = bucket.objects[key][0] is version
            row = {"Key": key, "VersionId": version.id, "IsLatest": newest, "LastModified": version.modified}
            if version.body is None:
                answer.setdefault("DeleteMarkers", []).append(row)
            else:
                facts = {"ETag": f'"{version.etag}"', "Size": len(version.body)}
                answer.setdefault("Versions", []).append(row | facts)
        if len(rows) > room:
            key, version = rows[room - 1]
            answer |= {"NextKeyMarker": key, "NextVersionIdMarker": version.id}
        return answer

    def _ListObjectsV2(self, bucket: Bucket, params: Params) -> Params:  # noqa: N802
        prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter")
        after = params.get("ContinuationToken") or params.get("StartAfter") or ""
        contents, folders = [], set()
        for key in sorted(bucket.objects):
            if not key.startswith(prefix) or key <= after or bucket.newest(key) is None:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                version = bucket.objects[key][0]
                facts = {"ETag": f'"{version.etag}"', "LastModified": version.modified}
                contents.append({"Key": key, "Size": len(version.body or b""), **facts})
        room = params.get("MaxKeys", 1000)
        answer: Params = {"IsTruncated": len(contents) > room, "KeyCount": min(len(contents), room)}
        if contents:
            answer["Contents"] = contents[:room]
        if folders:
            answer["CommonPrefixes"] = [{"Prefix": folder} for folder in sorted(folders)]
        if len(contents) > room:
            answer["NextContinuationToken"] = contents[room - 1]["Key"]
        return answer


def _find(bucket: Bucket, params: Params, absent: str) -> Version:
    versions = bucket.objects.get(params["Key"], [])
    if "VersionId" in params:
        found = next((version for version in versions if version.id == params["VersionId"]), None)
        if found is None:
            raise Refusal("404" if absent == "404" else "NoSuchVersion", 404)
        if found.body is None:
            raise Refusal("405" if absent == "404" else "MethodNotAllowed", 405, {"x-amz-delete-marker": "true"})
        return found
    if not versions:
        raise Refusal(absent, 404)
    if versions[0].body is None:
        raise Refusal(absent, 404, {"x-amz-delete-marker": "true", "x-amz-version-id": versions[0].id})
    return versions[0]


def _check(params: Params, standing: Version) -> None:
    if "IfMatch" in params and params["IfMatch"] != "*" and params["IfMatch"].strip('"') != standing.etag:
        raise Refusal("PreconditionFailed", 412)


def _all(bucket: Bucket) -> Iterator[tuple[str, Version]]:
    for key in sorted(bucket.objects):
        for version in bucket.objects[key]:
            yield key, version
