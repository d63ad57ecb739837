"""summary.json: the result of a demo, photo by photo."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TypedDict

from darkroom.uploads import Upload

SUMMARY = "summary.json"


# One photo of a demo.
class SummaryJob(TypedDict):
    source: str  # its path relative to PHOTOS
    status: str  # a job's, or one of uploads.Upload's own
    code: str | None
    reason: str | None
    manifest: str | None  # the fetched manifest, relative to OUT
    seconds: float


# A demo's result. Every job that neither succeeded nor was rejected counts as failed.
class Summary(TypedDict):
    uploaded: int
    succeeded: int
    rejected: int
    failed: int
    seconds: float
    jobs: list[SummaryJob]


def summarize(uploads: list[Upload], out: Path) -> Summary:
    """The summary of a demo whose sets were fetched to `out`."""
    counts = Counter(upload.status for upload in uploads)
    started = [upload.started for upload in uploads if upload.started]
    finished = [upload.finished for upload in uploads if upload.finished]
    return {
        "uploaded": len(uploads),
        "succeeded": counts["SUCCEEDED"],
        "rejected": counts["REJECTED"],
        "failed": len(uploads) - counts["SUCCEEDED"] - counts["REJECTED"],
        "seconds": round(max(0.0, max(finished) - min(started)), 1) if started and finished else 0.0,
        "jobs": [
            {
                "source": upload.source,
                "status": upload.status,
                "code": upload.code,
                "reason": upload.reason,
                "manifest": upload.manifest.relative_to(out).as_posix() if upload.manifest else None,
                "seconds": round(upload.seconds, 1),
            }
            for upload in uploads
        ],
    }


def write_summary(out: Path, summary: Summary) -> None:
    """Write OUT/summary.json in ASCII: a JSON escape can hold a file name that is not Unicode, UTF-8 cannot."""
    (out / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def read_summary(out: Path) -> Summary | None:
    """The summary that an earlier demo left in `out`; None if there is none, or another program's."""
    try:
        summary: Summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and Summary.__required_keys__ <= summary.keys() else None
