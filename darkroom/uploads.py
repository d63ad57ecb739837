"""Many files through the pipeline: upload each, follow its job by version, fetch its finished set.

At most OUTSTANDING files are between upload and fetched set, so that memory, the queue and (locally) the
emulator's own storage stay bounded, whatever the size of the folder.
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
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.records import FINAL, Record, RecordKey, fetch
from darkroom.stack import Stack

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OUTSTANDING = 32
TRANSFERS = 4
POLL_SECONDS = 0.4
# Above the pipeline's longest silence: its last back-off (8 minutes) and the run after it.
PATIENCE_SECONDS = 15 * 60.0
LITTER = {"thumbs.db", "desktop.ini"}

LOST = "UNACCOUNTED"


@dataclass(slots=True)
class Upload:
    """One file on its way: what is uploaded, under which key, and what has become of it so far.

    `status` is a job's status, before that WAITING or UPLOADED, and UNACCOUNTED for a job that was given up.
    `started` and `finished` are epoch seconds. `manifest` is the path of the fetched manifest.
    """

    source: str
    path: Path
    key: str
    status: str = "WAITING"
    version_id: str = ""
    size: int = 0
    code: str | None = None
    reason: str | None = None
    started: float = 0.0
    finished: float | None = None
    result: dict[str, Any] = field(default_factory=dict)
    manifest: Path | None = None

    @property
    def over(self) -> bool:
        """Nothing more will happen to it."""
        return self.finished is not None

    @property
    def seconds(self) -> float:
        """From the start of the upload to the job's end; so far, if it has not ended."""
        return max(0.0, (self.finished or time.time()) - self.started) if self.started else 0.0

    def fail(self, code: str, reason: str, status: str = "FAILED") -> None:
        """End it here: it could not be uploaded, followed or fetched."""
        self.status, self.code, self.reason, self.finished = status, code, reason, time.time()


def find_files(folder: Path, without: Path | None = None) -> tuple[list[Path], int]:
    """The files in a folder and below, sorted, and how many hidden files and folders or litter were skipped.

    `without` (resolved) is a folder to leave out. Links to folders are not followed. Raises OSError for a
    folder that cannot be read.
    """

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


def hidden(count: int) -> str:
    """The number of skipped files in words."""
    return f"{count} hidden or system {'file or folder' if count == 1 else 'files and folders'}"


def plan(folder: Path, files: Iterable[Path], prefix: str = "") -> list[Upload]:
    """Uploads of files below a folder that keep their relative paths, under raw/ and an optional prefix."""
    sources = [(path, path.relative_to(folder).as_posix()) for path in files]
    return [Upload(source, path, f"raw/{prefix}{source}") for path, source in sources]


def process(
    stack: Stack,
    uploads: Iterable[Upload],
    out: Path | None = None,
    *,
    discard: bool = False,
    patience: float = PATIENCE_SECONDS,
    poll: float = POLL_SECONDS,
) -> Iterator[Upload]:
    """Upload every file, follow its job to the end and, with `out`, fetch each finished set into it.

    Yields an upload every time that its status changes, and once more, `over`, when nothing will follow. One
    whose record shows no change for `patience` seconds ends as UNACCOUNTED. With `discard` the uploaded version
    is deleted once its set is fetched, and the pipeline removes the set: for a stack that is thrown away anyway.
    """
    waiting = iter(uploads)
    following: dict[RecordKey, Upload] = {}
    last_change: dict[RecordKey, tuple[Any, float]] = {}
    transfers: dict[Future[None], Upload] = {}
    next_look = time.monotonic() + poll
    with ThreadPoolExecutor(TRANSFERS) as pool:
        try:
            while True:
                while len(following) + len(transfers) < OUTSTANDING and (upload := next(waiting, None)):
                    transfers[pool.submit(send, stack, upload)] = upload
                if not following and not transfers:
                    return
                pause = max(0.0, next_look - time.monotonic())
                if transfers:
                    done, _ = wait(transfers, timeout=pause, return_when=FIRST_COMPLETED)
                else:
                    done = set()
                    time.sleep(pause)
                for future in done:
                    future.result()
                    upload = transfers.pop(future)
                    if not upload.over:
                        following[upload.key, f"job#{upload.version_id}"] = upload
                    yield upload
                if time.monotonic() < next_look:
                    continue
                next_look = time.monotonic() + poll
                for key, record in _changes(stack, following, last_change, patience):
                    upload = following[key]
                    if record is None:
                        _give_up(upload, stack, patience)
                    else:
                        _apply(upload, record)
                    if record is None or record["status"] in FINAL:
                        del following[key], last_change[key]
                    if record and record["status"] in FINAL:
                        transfers[pool.submit(_collect, stack, upload, record, out, discard)] = upload
                    else:
                        yield upload
        finally:
            pool.shutdown(cancel_futures=True)


def send(stack: Stack, upload: Upload) -> None:
    """Upload one file, streaming, and note the version that it became; a failure ends it as FAILED."""
    s3: S3Client = stack.client("s3")
    content_type, encoding = mimetypes.guess_type(upload.path.name)
    known = content_type if content_type and not encoding else "application/octet-stream"
    try:
        upload.key.encode()  # a name that is not Unicode cannot be a key
        with upload.path.open("rb") as body:
            upload.size = os.fstat(body.fileno()).st_size
            upload.started = time.time()
            answer = s3.put_object(
                Bucket=stack.outputs["SourceBucketName"], Key=upload.key, Body=body, ContentType=known
            )
    except (OSError, ValueError, BotoCoreError, ClientError) as error:
        upload.fail("NOT_UPLOADED", f"It could not be uploaded: {_plain(error)}")
    else:
        upload.version_id = answer.get("VersionId", "null")
        upload.status = "UPLOADED"


def local_path(out: Path, key: str) -> Path:
    """Where an object lands: under its key below `out`. Raises ValueError for a key that would leave it."""
    parts = PurePosixPath(key).parts
    if not parts or ".." in parts or key.startswith("/"):
        raise ValueError(f"the key {key!r} is no path below a folder")
    return out.joinpath(*parts)


def _changes(
    stack: Stack,
    following: dict[RecordKey, Upload],
    last_change: dict[RecordKey, tuple[Any, float]],
    patience: float,
) -> list[tuple[RecordKey, Record | None]]:
    """The followed jobs whose record has changed, with that; with None those that were silent too long."""
    records = fetch(stack, following)
    now = time.monotonic()
    changes: list[tuple[RecordKey, Record | None]] = []
    for key in following:
        record = records.get(key, {})
        state = tuple(record.get(name) for name in ("status", "round", "attempt", "updated_at"))
        before, since = last_change.setdefault(key, (None, now))
        if state != before:
            last_change[key] = (state, now)
            if record:
                changes.append((key, record))
        elif now - since > patience:
            changes.append((key, None))
    return changes


def _apply(upload: Upload, record: Record) -> None:
    """Bring an upload up to its job's record."""
    upload.status = record["status"]
    upload.code, upload.reason = record.get("code"), record.get("reason")
    upload.result = dict(record.get("result") or {})
    if record["status"] in ("SUPERSEDED", "DELETED"):
        upload.code = record["status"]
        upload.reason = "The source was overwritten or deleted before its set was finished."


def _give_up(upload: Upload, stack: Stack, patience: float) -> None:
    """End an upload whose job stands still, with where to look."""
    seen = "no record of it" if upload.status == "UPLOADED" else f"last seen {upload.status}"
    where = f".darkroom/{stack.name}/" if stack.endpoint else "the dead-letter queue and the functions' logs"
    upload.fail(LOST, f"Nothing has happened for {patience / 60:.0f} minutes ({seen}). Look at {where}.", status=LOST)


def _collect(stack: Stack, upload: Upload, record: Record, out: Path | None, discard: bool) -> None:
    """End an upload whose job is final: fetch its set, let go of the uploaded version, set the time."""
    finished = datetime.fromisoformat(record["finished_at"]).timestamp()
    if upload.status == "SUCCEEDED" and out:
        try:
            upload.manifest = fetch_set(stack, upload.result["manifest_key"], out)
        except (OSError, ValueError, KeyError, BotoCoreError, ClientError) as error:
            upload.fail("NOT_FETCHED", f"Its set could not be fetched: {_plain(error)}")
    if discard:
        s3: S3Client = stack.client("s3")
        with contextlib.suppress(ClientError, BotoCoreError):  # it only frees the emulator's storage
            s3.delete_object(Bucket=stack.outputs["SourceBucketName"], Key=upload.key, VersionId=upload.version_id)
    upload.finished = finished


def fetch_set(stack: Stack, manifest_key: str, out: Path) -> Path:
    """Download a manifest, then every file that it names, below `out`, and return the manifest's path.

    Raises ValueError for a file whose bytes are not those that the manifest promises.
    """
    s3: S3Client = stack.client("s3")
    bucket = stack.outputs["OutputBucketName"]

    def fetch(key: str) -> tuple[Path, bytes]:
        path = local_path(out, key)
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path, content

    manifest_path, text = fetch(manifest_key)
    for rendition in json.loads(text)["renditions"]:
        _, content = fetch(rendition["key"])
        if hashlib.sha256(content).hexdigest() != rendition["sha256"]:
            raise ValueError(f"{rendition['key']} is not what the manifest says: it was replaced meanwhile")
    return manifest_path


def _plain(error: Exception) -> str:
    """An error as a clause: what S3 said, or what the system said without its number."""
    if isinstance(error, UnicodeError):
        return "its name is not valid UTF-8; rename it"
    if isinstance(error, ClientError):
        return f"{error.response['Error'].get('Message') or error.response['Error'].get('Code')}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
