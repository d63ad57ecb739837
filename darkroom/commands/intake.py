"""Pause, resume and show the intake: the event source mapping that hands the upload queue to the trigger."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import timedelta

from darkroom import intake
from darkroom.project import command
from darkroom.stack import Stack
from darkroom.terminal import counted, print_json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = subparsers.add_parser("status", help="show if the intake runs, how many uploads wait, and dead letters")
    status.add_argument("--json", action="store_true", help="print one JSON document")
    status.set_defaults(run=_status)
    subparsers.add_parser("pause", help="stop the intake: uploads wait in the queue").set_defaults(run=_pause)
    subparsers.add_parser("resume", help="start the intake again").set_defaults(run=_resume)


def _status(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    paused, queue = intake.is_paused(stack), intake.queue(stack)
    letters = int(intake.queue(stack, "UploadDeadLetterQueueUrl")["ApproximateNumberOfMessages"])
    if args.json:
        waiting, in_flight = _counts(queue)
        print_json({"paused": paused, "waiting": waiting, "in_flight": in_flight, "dead_letters": letters})
        return 0
    print(f"Intake is {'paused' if paused else 'running'}: {_waiting(queue)}.")
    print(f"Dead letters: {letters}.")
    return 0


def _pause(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, mapping = intake.switch(stack, on=False)
    queue = intake.queue(stack)
    days = int(queue["MessageRetentionPeriod"]) / 86400
    until = mapping["LastModified"].astimezone() + timedelta(days=days)
    print(f"Intake {'is' if changed else 'was already'} paused: {_waiting(queue)}.")
    print(
        f"Resume before {until:%A %d %B %Y, %H:%M %Z} with `{command(args.stack, aws=args.aws)} resume`: the queue "
        f"deletes an upload's event after {days:g} days. Events that were already waiting are deleted earlier."
    )
    return 0


def _resume(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, _ = intake.switch(stack, on=True)
    print(f"Intake {'is running again' if changed else 'was not paused'}: {_waiting(intake.queue(stack))}.")
    return 0


def _counts(queue: Mapping[str, str]) -> tuple[int, int]:
    """How many messages wait, and how many are in flight or between two attempts."""
    return int(queue["ApproximateNumberOfMessages"]), int(queue["ApproximateNumberOfMessagesNotVisible"])


def _waiting(queue: Mapping[str, str]) -> str:
    visible, hidden = _counts(queue)
    return f"{counted(visible, 'waits', 'wait')} in the queue, {hidden} in flight or between two attempts"
