"""Many files through the pipeline: upload each, follow its job, fetch its finished set.

At most OUTSTANDING files are under way at a time, so memory, the queue and the local emulator's storage stay bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.records import FINAL, RecordKey, fetch, record_item
from darkroom.stack import Stack
from darkroom.terminal import counted

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from contracts import Manifest, Record

OUTSTANDING = 32
TRANSFERS = 4
POLL_SECONDS = 0.4
PATIENCE_SECONDS = 15 * 60.0  # above the pipeline's longest silence: an 8-minute back-off and the run after it
LITTER = {"thumbs.db", "desktop.ini"}
UNACCOUNTED = "UNACCOUNTED"


@dataclass(slots=True, eq=False)
class Upload:
    """One file: its source, its key, and the state of its job."""

    source: str
    path: Path
    key: str
    metadata: dict[str, str] = field(default_factory=dict)  # its x-amz-meta- headers
    status: str = "WAITING"  # then UPLOADED, then the job's; UNACCOUNTED if that stood still for too long
    version_id: str = ""
    size: int = 0
    code: str | None = None
    reason: str | None = None
    started: float = 0.0  # epoch seconds
    finished: float | None = None  # epoch seconds
    record: Record | None = None  # the job's, as last read
    changed_at: float = 0.0  # when `record` last changed, by time.monotonic()
    manifest: Path | None = None  # the fetched one

    @property
    def record_key(self) -> RecordKey:
        return self.key, record_item(self.version_id)

    @property
    def over(self) -> bool:
        return self.finished is not None

    @property
    def seconds(self) -> float:
        """From the start of the upload to the job's end, or until now."""
        return max(0.0, (self.finished or time.time()) - self.started) if self.started else 0.0

    def fail(self, code: str, reason: str, status: str = "FAILED") -> None:
        """End it: it could not be uploaded, followed or fetched."""
        self.status, self.code, self.reason, self.finished = status, code, reason, time.time()


def find_files(folder: Path, without: Path | None = None) -> tuple[list[Path], int]:
    """The files in and below a folder, without hidden ones and `without` (resolved), and how many were hidden."""

    def fail(error: OSError) -> None:
        raise error

    files, skipped = [], 0
    for parent, folders, names in os.walk(folder, onerror=fail):
        hidden = [name for name in folders if name.startswith(".")]
        skipped += len(hidden)
        folders[:] = [name for name in folders if name not in hidden and Path(parent, name).resolve() != without]
        for name in names:
            if name.startswith(".") or name.lower() in LITTER:
                skipped += 1
            elif (path := Path(parent, name)).is_file():
                files.append(path)
    return sorted(files), skipped


def skipped_text(count: int) -> str:
    return counted(count, "hidden or system file or folder", "hidden or system files and folders")


def uploads_from(folder: Path, files: Iterable[Path], prefix: str) -> list[Upload]:
    """Uploads of files below a folder: their keys are `prefix` and their paths there."""
    sources = [(path, path.relative_to(folder).as_posix()) for path in files]
    return [Upload(source, path, prefix + source) for path, source in sources]


def upload_and_follow(
    stack: Stack,
    uploads: Iterable[Upload],
    out: Path | None = None,
    *,
    discard: bool = False,
    patience: float = PATIENCE_SECONDS,
    poll: float = POLL_SECONDS,
) -> Iterator[Upload]:
    """Upload every file, follow its job to the end and, with `out`, fetch each finished set into it.

    Yields an upload at each change of its status, and a last time once it is `over`. After `patience` seconds without a
    change of its record it ends as UNACCOUNTED. `discard` deletes each uploaded version once its job has ended (the
    pipeline then removes its set): for a stack that ends anyway.
    """
    waiting = iter(uploads)
    following: list[Upload] = []
    transfers: dict[Future[None], Upload] = {}
    next_poll = time.monotonic() + poll
    with ThreadPoolExecutor(TRANSFERS) as pool:
        try:
            while True:
                while len(following) + len(transfers) < OUTSTANDING and (upload := next(waiting, None)):
                    transfers[pool.submit(upload_file, stack, upload)] = upload
                if not following and not transfers:
                    return
                pause = max(0.0, next_poll - time.monotonic())
                if not transfers:
                    time.sleep(pause)
                for future in wait(transfers, timeout=pause, return_when=FIRST_COMPLETED).done:
                    future.result()
                    upload = transfers.pop(future)
                    if not upload.over:
                        upload.changed_at = time.monotonic()
                        following.append(upload)
                    yield upload
                if time.monotonic() < next_poll:
                    continue
                next_poll = time.monotonic() + poll
                for upload in _update(stack, following, patience):
                    if upload.over or upload.status in FINAL:
                        following.remove(upload)
                    if upload.status in FINAL:
                        transfers[pool.submit(_collect, stack, upload, out, discard)] = upload
                    else:
                        yield upload
        finally:
            pool.shutdown(cancel_futures=True)


def upload_file(stack: Stack, upload: Upload) -> None:
    """Upload one file, streaming; an error ends it as FAILED."""
    s3: S3Client = stack.client("s3")
    content_type, encoding = mimetypes.guess_type(upload.path.name)
    known = content_type if content_type and not encoding else "application/octet-stream"
    try:
        upload.key.encode()  # a name that is not Unicode cannot be a key
        with upload.path.open("rb") as body:
            upload.size = os.fstat(body.fileno()).st_size
            upload.started = time.time()
            bucket = stack.outputs["SourceBucketName"]
            answer = s3.put_object(
                Bucket=bucket, Key=upload.key, Body=body, ContentType=known, Metadata=upload.metadata
            )
    except (OSError, ValueError, BotoCoreError, ClientError) as error:
        upload.fail("NOT_UPLOADED", f"It could not be uploaded: {_clause(error)}")
    else:
        upload.version_id = answer.get("VersionId", "null")
        upload.status = "UPLOADED"


def local_path(out: Path, key: str) -> Path:
    """The path of an object's copy: its key below `out`. Raises ValueError for a key that leads elsewhere."""
    parts = PurePosixPath(key).parts
    if not parts or ".." in parts or key.startswith("/"):
        raise ValueError(f"the key {key!r} is no path below a folder")
    return out.joinpath(*parts)


def fetch_set(stack: Stack, manifest_key: str, out: Path) -> Path:
    """Download a manifest and its files below `out`; return its path. Raises ValueError for a file of another hash."""
    s3: S3Client = stack.client("s3")

    def download(key: str) -> bytes:
        path = local_path(out, key)
        content = s3.get_object(Bucket=stack.outputs["OutputBucketName"], Key=key)["Body"].read()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return content

    manifest: Manifest = json.loads(download(manifest_key))
    for rendition in manifest["renditions"]:
        if hashlib.sha256(download(rendition["key"])).hexdigest() != rendition["sha256"]:
            raise ValueError(f"{rendition['key']} is not the file that the manifest describes: it was replaced since")
    return local_path(out, manifest_key)


def _update(stack: Stack, following: Iterable[Upload], patience: float) -> list[Upload]:
    """Bring uploads up to their jobs' records, end those that stand still, and return those that have changed."""
    records = fetch(stack, [upload.record_key for upload in following])
    now = time.monotonic()
    changed = []
    for upload in following:
        record = records.get(upload.record_key)
        if record and record != upload.record:
            upload.record, upload.changed_at = record, now
            upload.status, upload.code, upload.reason = record["status"], record.get("code"), record.get("reason")
            if upload.status in ("SUPERSEDED", "DELETED"):
                upload.code = upload.status
                upload.reason = "The source was overwritten or deleted before its set was finished."
        elif now - upload.changed_at > patience:
            seen = f"last seen {upload.status}" if upload.record else "no record of it"
            where = f".darkroom/{stack.name}/" if stack.endpoint else "the dead-letter queue and the functions' logs"
            reason = f"Nothing has happened for {patience / 60:.0f} minutes ({seen}). Look at {where}."
            upload.fail(UNACCOUNTED, reason, status=UNACCOUNTED)
        else:
            continue
        changed.append(upload)
    return changed


def _collect(stack: Stack, upload: Upload, out: Path | None, discard: bool) -> None:
    """End an upload whose job is final: fetch its set, and with `discard` delete the uploaded version."""
    assert upload.record is not None
    finished = datetime.fromisoformat(upload.record["finished_at"]).timestamp()
    if out and upload.status == "SUCCEEDED":
        try:
            upload.manifest = fetch_set(stack, upload.record["result"]["manifest_key"], out)
        except (OSError, ValueError, KeyError, BotoCoreError, ClientError) as error:
            upload.fail("NOT_FETCHED", f"Its set could not be fetched: {_clause(error)}")
    if discard:
        s3: S3Client = stack.client("s3")
        with contextlib.suppress(ClientError, BotoCoreError):  # it only frees the emulator's storage
            s3.delete_object(Bucket=stack.outputs["SourceBucketName"], Key=upload.key, VersionId=upload.version_id)
    upload.finished = finished


def _clause(error: Exception) -> str:
    """An error as a clause: S3's message, or the system's without its number."""
    if isinstance(error, UnicodeError):
        return "its name is not valid UTF-8; rename it"
    if isinstance(error, ClientError):
        return f"{error.response['Error'].get('Message') or error.response['Error'].get('Code')}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
