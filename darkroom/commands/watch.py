"""Watch jobs: those of the given keys until they end, or all jobs until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from darkroom.records import FINAL, INDEXED, OPEN, RecordKey, fetch, of_source, source_key, with_status
from darkroom.stack import Stack
from darkroom.terminal import print_json, printable, status_text, story

if TYPE_CHECKING:
    from contracts import Record

POLL_SECONDS = 0.5
NEWEST = 100


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("watch", help="print each change of a job as it happens")
    parser.add_argument("keys", nargs="*", metavar="KEY", help="sources to watch until their jobs end (default: all)")
    parser.add_argument("--json", action="store_true", help="print a JSON document a line: the record as it is then")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line per change. With keys: end with their jobs, with 1 if one failed."""
    stack = Stack.open(args.stack, aws=args.aws)
    console = Console(highlight=False, soft_wrap=True)
    keys = [source_key(stack, key) for key in args.keys]
    failed = False
    for record in changes_of(stack, keys) if keys else changes(stack):
        if args.json:
            print_json(record)
        else:
            console.print(line(record))
        failed = failed or record["status"] == "FAILED"
    return 1 if failed else 0


def changes_of(stack: Stack, keys: list[str], poll: float = POLL_SECONDS) -> Iterator[Record]:
    """Each change of each key's newest job, until all are final. Waits for a key that has no job yet."""
    last: dict[str, str] = {}
    pending = list(dict.fromkeys(keys))
    while pending:
        for key in list(pending):
            records = of_source(stack, key)
            if not records:
                continue
            newest = records[-1]
            if last.get(key) != newest["updated_at"]:
                last[key] = newest["updated_at"]
                yield newest
            if newest["status"] in FINAL:
                pending.remove(key)
        if pending:
            time.sleep(poll)


def changes(stack: Stack, poll: float = POLL_SECONDS) -> Iterator[Record]:
    """Each job that is open, then each change of any job; never ends.

    The index does not list SUCCEEDED jobs, so a job seen open is then followed by its key. A job that starts and
    succeeds between two polls is missed.
    """
    start = max((record["updated_at"] for status in INDEXED for record in with_status(stack, status, 1)), default="")
    last: dict[RecordKey, str] = {}
    open_jobs: set[RecordKey] = set()
    while True:
        records = {
            (record["source_key"], record["item"]): record
            for status in INDEXED
            for record in with_status(stack, status, NEWEST)
            if status in OPEN or record["updated_at"] > start
        }
        records |= fetch(stack, open_jobs - records.keys())
        for key, record in sorted(records.items(), key=lambda pair: pair[1]["updated_at"]):
            if last.get(key) != record["updated_at"]:
                last[key] = record["updated_at"]
                yield record
        open_jobs = {key for key, record in records.items() if record["status"] in OPEN}
        last = {key: moment for key, moment in last.items() if key in records}
        time.sleep(poll)


def line(record: Record) -> Text:
    """A change in one line: time, status, source and story."""
    clock = datetime.fromisoformat(record["updated_at"]).astimezone().strftime("%H:%M:%S")
    status = status_text(record["status"])
    status.pad_right(12 - len(status))
    rest = printable(story(record))
    return Text.assemble((clock, "dim"), "  ", status, printable(record["source_key"]), (rest and f"  {rest}", "dim"))
