"""Show one source: its jobs, what each attempt did and for how long, and its renditions."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from darkroom import traces
from darkroom.project import CommandError, command
from darkroom.records import of_source, source_key, source_prefix
from darkroom.stack import Stack, is_gone
from darkroom.terminal import ago, print_json, printable, size, status_text, story, table

if TYPE_CHECKING:
    from contracts import Manifest, Record

JOB = re.compile(r"([0-9a-f]{24})(-\d+-\d+)?")  # a job id, or the name of one of its executions
LOOK_BACK_DAYS = 30.0
BEFORE_SECONDS, AFTER_SECONDS = 60.0, 600.0  # of the record's own moments: the trigger begins earlier and ends later


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("show", help="show a source: its jobs, their stages, and its renditions")
    parser.add_argument("what", metavar="KEY|JOB", help="a source, or the id of a job (24 hexadecimal digits)")
    back = f"how far back to look for a JOB in the logs (default {LOOK_BACK_DAYS:g})"
    parser.add_argument("--days", type=float, default=LOOK_BACK_DAYS, metavar="DAYS", help=back)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is known of a source; 1 if its newest job FAILED."""
    stack = Stack.open(args.stack, aws=args.aws)
    seen = look(stack, args.what, args.days)
    seen["next"] = _next(seen, command(args.stack, aws=args.aws))
    if args.json:
        print_json(seen)
    else:
        _print(seen)
    return 1 if seen["status"] == "FAILED" else 0


def look(stack: Stack, what: str, days: float = LOOK_BACK_DAYS) -> dict[str, Any]:
    """What is known of a source, or of one job: see the fields below. Raises CommandError if that is nothing."""
    job = JOB.fullmatch(what)
    key = _source(stack, job[1], days) if job else source_key(stack, what)
    records = of_source(stack, key)
    if job:
        records = [record for record in records if record.get("job_id") == job[1]]
    manifest = _manifest(stack, key)
    if not records and not manifest:
        raise CommandError(f"there is no job and no set of {printable(key)}: check the key")
    newest: Any = records[-1] if records else {}
    return {
        "source_key": key,
        "status": newest.get("status") or "SUCCEEDED",  # a manifest outlives its record
        "records": records,
        "given": manifest["source"].get("given", {}) if manifest and "source" in manifest else {},
        "stages": _stages(stack, newest) if newest else [],
        "manifest_key": _folder(stack, key) + "manifest.json" if manifest else None,
        "created_at": manifest["created_at"] if manifest else None,
        "renditions": _renditions(stack, manifest) if manifest else [],
    }


def _source(stack: Stack, job_id: str, days: float) -> str:
    found = traces.source_of(stack, job_id, time.time() - days * 86400)
    if found is None:
        raise CommandError(
            f"no log of the last {days:g} days names the job {job_id}: name its source, or look back further: --days"
        )
    return found


def _folder(stack: Stack, key: str) -> str:
    return f"processed/{key.removeprefix(source_prefix(stack))}/"


def _manifest(stack: Stack, key: str) -> Manifest | None:
    try:
        stored = stack.client("s3").get_object(
            Bucket=stack.outputs["OutputBucketName"], Key=_folder(stack, key) + "manifest.json"
        )
        manifest: Manifest = json.loads(stored["Body"].read())
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    except ValueError:
        return None  # edited by hand: the trigger does not count it either
    return manifest


def _stages(stack: Stack, record: Record) -> list[dict[str, Any]]:
    """The stages of a job as the logs have them; none if they are gone, or may not be read."""
    if "queued_at" not in record:
        return []
    since = datetime.fromisoformat(record["queued_at"]).timestamp() - BEFORE_SECONDS
    until = datetime.fromisoformat(record["updated_at"]).timestamp() + AFTER_SECONDS
    try:
        return traces.stages(stack, record["job_id"], since, until)
    except (ClientError, BotoCoreError):
        return []


def _renditions(stack: Stack, manifest: Manifest) -> list[dict[str, Any]]:
    base = stack.outputs.get("PublicBaseUrl", "")
    return [
        {
            **{name: entry[name] for name in ("name", "format", "width", "height", "bytes", "key")},
            "url": (f"{base}/" if base else "") + f"{quote(entry['key'], safe='/')}?v={entry['sha256'][:16]}",
        }
        for entry in manifest["renditions"]
    ]


def _next(seen: dict[str, Any], program: str) -> str:
    """What to do about it, as a sentence; empty if there is nothing to do."""
    typed = shlex.quote(seen["source_key"])
    return {
        "FAILED": f"mend the cause, then bring it back with `{program} redrive {typed}`",
        "QUEUED": f"nothing: the next attempt comes by itself; `{program} watch {typed}` waits for it",
        "PROCESSING": f"nothing: it is under way; `{program} watch {typed}` waits for it",
        "REJECTED": "tell the uploader the reason: a better file under the same key replaces it",
    }.get(seen["status"], "")


def _print(seen: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(Text(printable(seen["source_key"]), style="bold"))
    if seen["records"]:
        jobs = table("Job", "Status", "Round", "Attempt", "Changed", "What happened")
        for record in seen["records"]:
            jobs.add_row(
                record.get("job_id", ""),
                status_text(record["status"]),
                *(str(record.get(name, "")) for name in ("round", "attempt")),
                ago(record.get("updated_at")),
                Text(printable(story(record))),
            )
        console.print(jobs)
    else:
        print("Its record has expired.")
    if stages := seen["stages"]:
        console.print(_timeline(stages))
    elif seen["records"]:
        print("The logs have no stages of its newest job: they expire, or you may not read them.")
    if seen["renditions"]:
        files = table("URL", "Pixels", "Size")
        for entry in seen["renditions"]:
            files.add_row(Text(entry["url"]), f"{entry['width']} x {entry['height']}", size(entry["bytes"]))
        console.print()
        console.print(files)
        print(printable(f"Listed in {seen['manifest_key']}, of {ago(seen['created_at'])}."))
    for name, text in seen["given"].items():
        print(printable(f"Made with the {name} that was uploaded with it: {text}"))
    if seen["next"]:
        print(printable(f"What to do: {seen['next']}."))


def _timeline(stages: list[dict[str, Any]]) -> Any:
    """The stages by time: when each began after the first, and how long it took."""
    shown = table("Stage", "Attempt", "Begins at", "Takes", "")
    first = datetime.fromisoformat(stages[0]["started_at"])
    for stage in stages:
        after = (datetime.fromisoformat(stage["started_at"]) - first).total_seconds()
        attempt = stage.get("execution_name", "").partition("-")[2]
        failed = Text(printable(stage.get("failed", "")), style="red")
        shown.add_row(stage["stage"], attempt, f"{after:8.2f} s", f"{stage['seconds']:7.2f} s", failed)
    return shown
