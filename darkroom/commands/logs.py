"""Show the functions' logs, from CloudWatch Logs."""

from __future__ import annotations

import argparse
import time
from datetime import datetime

from darkroom import traces
from darkroom.commands.invoke import function_name
from darkroom.stack import Stack
from darkroom.terminal import print_json, printable_lines


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("logs", help="show the functions' logs")
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help="only this one, such as ValidateFunction")
    parser.add_argument("--minutes", type=float, default=60, help="how far back to look (default 60)")
    parser.add_argument("--json", action="store_true", help="print a JSON document a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the log lines of one function or of all, oldest first."""
    stack = Stack.open(args.stack, aws=args.aws)
    functions = [function_name(stack, args.function)] if args.function else traces.functions(stack)
    for event in traces.all_events(stack, functions, time.time() - args.minutes * 60):
        moment = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
        if args.json:
            print_json({"at": moment, "message": event["message"].rstrip()})
        else:
            print(f"{moment:%H:%M:%S} {printable_lines(event['message'].rstrip())}")
    return 0
