"""Pause, resume and show the intake: the event source mapping that hands the upload queue to the trigger."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from darkroom import intake
from darkroom.project import command
from darkroom.records import started_today
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
    # Stacks from before it was a part of the template have none.
    backfill = _backfill(stack) if intake.BACKFILLS in stack.outputs else None
    limit = int(stack.parameters.get("DailyImageLimit", "0"))
    today = started_today(stack) if limit else None
    if args.json:
        waiting, in_flight = intake.waiting(queue)
        facts = {"paused": paused, "waiting": waiting, "in_flight": in_flight, "dead_letters": letters}
        print_json({**facts, "backfill": backfill, "images_today": today, "daily_image_limit": limit or None})
        return 0
    print(f"Intake is {'paused' if paused else 'running'}: {_waiting(queue)}.")
    if backfill:
        print(f"Backfill is {backfill['state']}: {_in_words(backfill['waiting'], backfill['in_flight'])}.")
    if limit:
        print(f"{today} of {limit} images today (UTC).{' The rest wait until tomorrow.' if today == limit else ''}")
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


def _backfill(stack: Stack) -> dict[str, Any]:
    """How it stands with the queue of backfills."""
    waiting, in_flight = intake.waiting(intake.queue(stack, intake.BACKFILLS))
    state = "stopped" if intake.is_paused(stack, intake.BACKFILLS) else "under way"
    return {"state": state if waiting or in_flight else "idle", "waiting": waiting, "in_flight": in_flight}


def _waiting(queue: Mapping[str, str]) -> str:
    return _in_words(*intake.waiting(queue))


def _in_words(visible: int, hidden: int) -> str:
    return f"{counted(visible, 'waits', 'wait')} in the queue, {hidden} in flight or between two attempts"
