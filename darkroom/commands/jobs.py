"""Show job records: those of one source, or those that are open, rejected or failed."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from darkroom.records import INDEXED, OPEN, of_source, source_key, with_status
from darkroom.stack import Stack
from darkroom.terminal import ago, print_json, printable, status_text, story, table


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("jobs", help="show jobs that are open, rejected or failed, or all of a source")
    parser.add_argument("key", nargs="?", metavar="KEY", help="a source: shows the job of each version")
    parser.add_argument("--status", choices=INDEXED, help="only jobs with this status (SUCCEEDED ones: by KEY)")
    parser.add_argument("--limit", type=int, default=50, help="how many of the newest jobs per status (default 50)")
    parser.add_argument("--json", action="store_true", help="print one JSON document: a list of records")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table of jobs."""
    stack = Stack.open(args.stack, aws=args.aws)
    if args.key:
        key = source_key(stack, args.key)
        records = [record for record in of_source(stack, key) if args.status in (None, record["status"])]
        nothing = f"No job for {printable(key)}: was it uploaded under exactly this key?"
    else:
        statuses = [args.status] if args.status else (*OPEN, "REJECTED", "FAILED")
        records = [record for status in statuses for record in with_status(stack, status, args.limit)]
        nothing = f"No job is {args.status}." if args.status else "No job is open, rejected or failed."
    if args.json:
        print_json(records)
        return 0
    if not records:
        print(nothing)
        return 0
    shown = table("Source", "Status", "Attempt", "Changed", "What happened")
    for record in records:
        shown.add_row(
            Text(printable(record["source_key"])),
            status_text(record["status"]),
            str(record.get("attempt", "")),
            ago(record.get("updated_at")),
            Text(printable(story(record))),
        )
    Console().print(shown)
    return 0
