"""Job records: what became of each upload, read by key, by version, or by status."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom.records import INDEXED, Record, of_source, source_key, with_status
from darkroom.stack import Stack
from darkroom.terminal import ago, printable, status_text, story

if TYPE_CHECKING:
    pass


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom jobs`."""
    parser = subparsers.add_parser("jobs", help="show jobs: those that need attention, or all of a source")
    parser.add_argument("key", nargs="?", metavar="KEY", help="a source; shows every version's job")
    parser.add_argument(
        "--status", choices=INDEXED, help="only jobs with this status (succeeded ones are found by KEY)"
    )
    parser.add_argument("--limit", type=int, default=50, help="newest jobs to show per status (default 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table of jobs; succeeded ones only by their key, for the index holds what did not succeed."""
    stack = Stack.open(args.stack, aws=args.aws)
    if args.key:
        records = of_source(stack, source_key(args.key))
        records = [record for record in records if args.status in (None, record["status"])]
        nothing = f"No job for {printable(source_key(args.key))}: was it uploaded under this very key?"
    else:
        statuses = [args.status] if args.status else INDEXED
        records = [record for status in statuses for record in with_status(stack, status, args.limit)]
        nothing = f"No job is {args.status}." if args.status else "Nothing needs attention: no job is open or failed."
    if records:
        Console().print(table(records))
    else:
        print(nothing)
    return 0


def table(records: Iterable[Record]) -> Table:
    """Records as a table for people."""
    shown = Table("Source", "Status", "Attempt", "Changed", "What happened", box=None, pad_edge=False)
    shown.columns[0].overflow = "fold"
    for record in records:
        shown.add_row(
            Text(printable(record["source_key"])),
            status_text(record["status"]),
            str(record.get("attempt", "")),
            ago(record.get("updated_at")),
            Text(printable(story(record))),
        )
    return shown
