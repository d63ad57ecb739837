"""Show the functions' logs, from CloudWatch Logs."""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from darkroom.commands.invoke import function_name
from darkroom.stack import Stack
from darkroom.terminal import printable_lines


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("logs", help="show the functions' logs")
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help="only this one, such as ValidateFunction")
    parser.add_argument("--minutes", type=float, default=60, help="how far back to look (default 60)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the log lines of one function or of all, oldest first."""
    stack = Stack.open(args.stack, aws=args.aws)
    known = [name for output, name in stack.outputs.items() if output.endswith("FunctionName")]
    functions = [function_name(stack, args.function)] if args.function else known
    since = int((time.time() - args.minutes * 60) * 1000)
    logs = [_events(stack, function, since) for function in functions]
    for event in heapq.merge(*logs, key=lambda event: event["timestamp"]):
        moment = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
        print(f"{moment:%H:%M:%S} {printable_lines(event['message'].rstrip())}")
    return 0


def _events(stack: Stack, function: str, since: int) -> Iterator[dict[str, Any]]:
    configuration = stack.client("lambda").get_function_configuration(FunctionName=function)
    group = configuration["LoggingConfig"]["LogGroup"]
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    for page in pages:
        yield from page["events"]
