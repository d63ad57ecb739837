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
    # Stacks from before there was a backfill have no queue for it.
    backfills = intake.queue(stack, intake.BACKFILLS) if intake.BACKFILLS in stack.outputs else None
    if args.json:
        facts = {"paused": paused, **_counts(queue), "dead_letters": letters}
        more = {"paused": intake.is_paused(stack, intake.BACKFILLS), **_counts(backfills)} if backfills else None
        print_json(facts | {"backfill": more})
        return 0
    print(f"Intake is {'paused' if paused else 'running'}: {_waiting(queue)}.")
    if backfills:
        print(f"Backfill is {_backfill_state(stack, backfills)}.")
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
    if intake.BACKFILLS in stack.outputs:
        intake.switch(stack, on=False, which=intake.BACKFILLS)
        if not intake.is_idle(stack, intake.BACKFILLS):
            print(f"The backfill is paused too: {_waiting(intake.queue(stack, intake.BACKFILLS))}.")
    return 0


def _resume(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, _ = intake.switch(stack, on=True)
    print(f"Intake {'is running again' if changed else 'was not paused'}: {_waiting(intake.queue(stack))}.")
    if intake.BACKFILLS in stack.outputs and _backfill_waits(stack):
        print(f"The backfill stays paused. It goes on with `{command(args.stack, aws=args.aws)} backfill`.")
    return 0


def _backfill_waits(stack: Stack) -> bool:
    return intake.is_paused(stack, intake.BACKFILLS) and not intake.is_idle(stack, intake.BACKFILLS)


def _backfill_state(stack: Stack, queue: Mapping[str, str]) -> str:
    if intake.waiting(queue) == (0, 0):
        return "idle"
    return f"{'stopped' if intake.is_paused(stack, intake.BACKFILLS) else 'under way'}: {_waiting(queue)}"


def _counts(queue: Mapping[str, str]) -> dict[str, int]:
    visible, hidden = intake.waiting(queue)
    return {"waiting": visible, "in_flight": hidden}


def _waiting(queue: Mapping[str, str]) -> str:
    visible, hidden = intake.waiting(queue)
    return f"{counted(visible, 'waits', 'wait')} in the queue, {hidden} in flight or between two attempts"
