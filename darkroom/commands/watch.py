"""Watch jobs as they happen: those of the keys that you name until they end, or all until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from darkroom.records import FINAL, INDEXED, OPEN, Record, RecordKey, fetch, of_source, source_key, with_status
from darkroom.stack import Stack
from darkroom.terminal import printable, status_text, story

POLL_SECONDS = 0.5
NEWEST = 100


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom watch`."""
    parser = subparsers.add_parser("watch", help="print jobs' changes as they happen")
    parser.add_argument("keys", nargs="*", metavar="KEY", help="sources to watch until their jobs end (default: all)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line for every change. With keys: end when all are over, with 1 if one failed."""
    stack = Stack.open(args.stack, aws=args.aws)
    console = Console(highlight=False, soft_wrap=True)
    keys = [source_key(key) for key in args.keys]
    failed = False
    for record in changes_of(stack, keys) if keys else changes(stack):
        console.print(line(record))
        failed = failed or record["status"] == "FAILED"
    return 1 if failed else 0


def changes_of(stack: Stack, keys: list[str], poll: float = POLL_SECONDS) -> Iterator[Record]:
    """Each change of the newest job of each key, until all of them are final. A key without a job is waited for."""
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
    """Each change of any job from now on, and what is open now; never ends.

    The index does not hold succeeded jobs, so one is followed by its key once it has been seen open; a job that
    begins and succeeds between two looks goes unseen.
    """
    began = max(
        (record["updated_at"] for status in INDEXED for record in with_status(stack, status, 1)),
        default="",
    )
    last: dict[RecordKey, str] = {}
    open_jobs: set[RecordKey] = set()
    while True:
        found = {
            (record["source_key"], record["item"]): record
            for status in INDEXED
            for record in with_status(stack, status, NEWEST)
            if status in OPEN or record["updated_at"] > began
        }
        found |= fetch(stack, open_jobs - found.keys())
        for key, record in sorted(found.items(), key=lambda pair: str(pair[1]["updated_at"])):
            if last.get(key) != record["updated_at"]:
                last[key] = record["updated_at"]
                yield record
        open_jobs = {key for key, record in found.items() if record["status"] in OPEN}
        last = {key: moment for key, moment in last.items() if key in found}
        time.sleep(poll)


def line(record: Record) -> Text:
    """A change in one line: when, what, which source, and the story."""
    clock = datetime.fromisoformat(record["updated_at"]).astimezone().strftime("%H:%M:%S")
    status = status_text(record["status"])
    status.pad_right(12 - len(status))
    told = printable(story(record))
    name = printable(record["source_key"])
    return Text.assemble((clock, "dim"), "  ", status, name, ("  " + told if told else "", "dim"))
