"""A made photo through the whole pipeline, and out again."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from darkroom import intake, samples
from darkroom.diagnosis.findings import Check, Finding, Patient, ok, warning, wrong
from darkroom.progress import counting
from darkroom.project import CommandError
from darkroom.records import FINAL, newest, source_prefix
from darkroom.uploads import fetch_set

if TYPE_CHECKING:
    from contracts import Record

T = TypeVar("T")

FOLDER = "darkroom-doctor/"
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.5


def trial(patient: Patient) -> Iterator[Finding]:
    """Send a photo, check its set, remove it, and see the set go. Nothing of it stays but a record that expires."""
    if _is_paused(patient):
        yield warning("trial: no photo was sent: the intake does not run")
        return
    s3, bucket = patient.client("s3"), patient.output("SourceBucketName")
    key = f"{source_prefix(patient.stack)}{FOLDER}{uuid.uuid4()}.jpg"
    body = samples.photo(320, 240, seed=0)
    version = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg").get("VersionId")
    try:
        started = time.monotonic()
        yield _verdict(patient, key, started)
    finally:
        s3.delete_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))
    folder = f"processed/{key.removeprefix(source_prefix(patient.stack))}/"
    if _within(PATIENCE_SECONDS, "its set to go", lambda: not _objects(patient, folder)):
        yield ok("trial: the photo was removed, and its set went with it")
    else:
        logs = patient.type("logs TriggerFunction")
        yield wrong(f"trial: the photo was removed, but files stay in {folder} after {PATIENCE_SECONDS:.0f} s", logs)


def _verdict(patient: Patient, key: str, started: float) -> Finding:
    """What became of the photo: once its job has ended, its first attempt has failed, or patience has."""
    record = _within(PATIENCE_SECONDS, "its job", lambda: _told(newest(patient.stack, key)))
    logs = patient.type("logs")
    if record is None:
        seen = newest(patient.stack, key)
        status = seen.get("status") if seen else None
        if status is None:
            text = f"trial: no job after {PATIENCE_SECONDS:.0f} s: the photo's event has not been taken up"
            return wrong(text, _where_it_is(patient))
        return warning(f"trial: its job is still {status} after {PATIENCE_SECONDS:.0f} s", logs)
    if record["status"] == "SUCCEEDED":
        return _checked(patient, record, time.monotonic() - started)
    failure: Any = record.get("last_failure") or {}
    code, reason = record.get("code") or failure.get("code"), record.get("reason") or failure.get("reason")
    where = f" in {failure['state']}" if failure.get("state") else ""
    return wrong(f"trial: the job is {record['status']}{where}: {code}: {reason}", logs)


def _where_it_is(patient: Patient) -> str:
    logs = patient.type("logs TriggerFunction")
    if not patient.output("SourceEventsRuleName"):
        return logs
    return f"{logs}; or try again, if the bucket was attached less than five minutes ago: S3 takes that long"


def _told(record: Record | None) -> Record | None:
    """The record if it tells how the trial goes."""
    return record if record and (record.get("status") in FINAL or record.get("last_failure")) else None


def _checked(patient: Patient, record: Record, seconds: float) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        try:
            manifest = fetch_set(patient.stack, record["result"]["manifest_key"], Path(folder))
        except ValueError as error:
            return wrong(f"trial: {error}")
        files = len([path for path in manifest.parent.iterdir() if path != manifest])
    return ok(
        f"trial: a photo became {files} files and their manifest in {seconds:.1f} s; each is as the manifest says"
    )


def _objects(patient: Patient, folder: str) -> list[Any]:
    answer = patient.client("s3").list_objects_v2(Bucket=patient.output("OutputBucketName"), Prefix=folder)
    return list(answer.get("Contents", []))


def _is_paused(patient: Patient) -> bool:
    try:
        return intake.is_paused(patient.stack)
    except CommandError:  # it has no mapping
        return True


def _within(seconds: float, what: str, look: Callable[[], T]) -> T | None:
    """What `look` returns, once that is true; None if that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    with counting(f"trial: waiting for {what}, in seconds", int(seconds)) as tick:
        waited = 0.0
        while not (found := look()):
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            if waited >= 1:
                tick(1)
                waited -= 1
    return found


TRIAL = Check(
    "trial",
    trial,
    "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:DeleteObjectVersion on the source bucket, s3:GetObject and "
    "s3:ListBucket on the output bucket, dynamodb:GetItem",
)
