"""Attach a stack to a bucket that was there before it, and detach it.

Attaching switches EventBridge on for the bucket. What other people's notifications say stays as it is. If EventBridge
is on already, nothing is written, and detaching leaves it on.

JobsTable notes what attaching did. The note is written before the bucket's configuration and removed after it, so it
may say more than is true, never less: a command that was cut off leaves a note about a switch that is off, and what is
on without a note is somebody else's. If somebody else then switches EventBridge on, the two cannot be told apart. That
does not matter: detaching takes it away only while no other rule of the account listens to the bucket.
"""

from __future__ import annotations

import argparse
import sys

from darkroom import notifications, records
from darkroom.notifications import BucketGoneError
from darkroom.project import CommandError, command
from darkroom.stack import Stack
from darkroom.terminal import printable


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    attaching = subparsers.add_parser("attach", help="have an existing bucket tell the stack of its events")
    attaching.add_argument("--yes", action="store_true", help="do not ask")
    attaching.set_defaults(run=_attach)
    detaching = subparsers.add_parser("detach", help="take away what attach added to the existing bucket")
    detaching.add_argument("--yes", action="store_true", help="do not ask")
    detaching.add_argument("--force", action="store_true", help="even if other rules listen to the bucket's events")
    detaching.set_defaults(run=_detach)


def _attach(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    attach(stack, command(args.stack, aws=args.aws), yes=args.yes)
    return 0


def _detach(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    detach(stack, yes=args.yes, force=args.force)
    return 0


def attach(stack: Stack, program: str, *, yes: bool) -> None:
    """Switch EventBridge on for the stack's existing bucket, unless it is on. Raises CommandError."""
    bucket = _existing_bucket(stack)
    notifications.check_region(stack, bucket)
    before = notifications.read(stack, bucket)
    if before.has_eventbridge:
        if bucket in records.attached(stack):
            print(f"The bucket {bucket} is attached already.")
        else:
            print(f"EventBridge was on already for the bucket {bucket}: nothing to do, and detach will leave it on.")
        return
    _show(bucket, before)
    rule, prefix = stack.outputs["SourceEventsRuleName"], records.source_prefix(stack)
    print("To be added: all events of the bucket go to Amazon EventBridge too, which bills them.")
    print(f"There, the rule {rule} hands those about keys under {prefix} to the stack.")
    _agree("Attach the stack", yes=yes)
    notifications.check_unchanged(stack, bucket, before)  # the answer may have taken minutes
    new = records.note_attached(stack, bucket)
    try:
        notifications.switch(stack, bucket, before, on=True)
    except CommandError:
        # Nothing of ours was written. If EventBridge is on all the same, another attach may have done it, by this note.
        if new and not notifications.read(stack, bucket).has_eventbridge:
            records.forget_attached(stack, bucket)
        raise
    notifications.confirm(stack, bucket, before.switched(on=True))
    print(f"The bucket {bucket} is attached. S3 may take five minutes to send the first event.")
    print(f"Photos that are there already are left alone until their next event, or `{program} backfill`.")


def detach(stack: Stack, *, yes: bool, force: bool = False) -> None:
    """Switch EventBridge off for each bucket for which attach has switched it on. Raises CommandError."""
    attached = records.attached(stack)
    for bucket in attached:
        _detach_from(stack, bucket, yes=yes, force=force)
    if not attached:
        bucket = _existing_bucket(stack)
        print(f"Nothing was attached to the bucket {bucket}: {_how_it_stands(stack, bucket)}.")


def _how_it_stands(stack: Stack, bucket: str) -> str:
    """Why there is nothing to take away, as a clause."""
    try:
        on = notifications.read(stack, bucket).has_eventbridge
    except BucketGoneError:
        return "it is gone"
    return "EventBridge was on before, and stays on" if on else "EventBridge is off"


def _detach_from(stack: Stack, bucket: str, *, yes: bool, force: bool) -> None:
    try:
        before = notifications.read(stack, bucket)
    except BucketGoneError:
        print(f"The bucket {bucket} is gone: there is nothing to take away.")
    else:
        if before.has_eventbridge:
            _switch_off(stack, bucket, before, yes=yes, force=force)
        else:
            print(f"EventBridge is off for the bucket {bucket}: there is nothing to take away.")
    records.forget_attached(stack, bucket)


def _switch_off(stack: Stack, bucket: str, before: notifications.Configuration, *, yes: bool, force: bool) -> None:
    others = notifications.listeners(stack, bucket, but=stack.outputs.get("SourceEventsRuleName", ""))
    if others and not force:
        raise CommandError(
            f"other rules listen to the events of the bucket {bucket} ({printable(', '.join(others))}), so EventBridge "
            "stays on: use --force if they may go deaf"
        )
    _show(bucket, before)
    print("To be taken away: the bucket's events no longer go to Amazon EventBridge.")
    if others:
        print(f"These rules will hear nothing more of the bucket: {printable(', '.join(others))}.")
    _agree("Detach the stack", yes=yes)
    notifications.switch(stack, bucket, before, on=False)
    notifications.confirm(stack, bucket, before.switched(on=False))
    print(f"The bucket {bucket} is detached. S3 may take some minutes to send the last event.")


def _existing_bucket(stack: Stack) -> str:
    if "SourceEventsRuleName" not in stack.outputs:
        raise CommandError(
            f"the stack {stack.name!r} has a source bucket of its own, which needs no attaching: for another bucket, "
            "deploy it with the parameter ExistingSourceBucket"
        )
    return stack.outputs["SourceBucketName"]


def _show(bucket: str, configuration: notifications.Configuration) -> None:
    others = list(configuration.others())
    print(
        f"The bucket {bucket} tells {'these of its events, and goes on:' if others else 'nobody else of its events.'}"
    )
    for line in others:
        print(f"  {printable(line)}")


def _agree(question: str, *, yes: bool) -> None:
    """Raises CommandError unless the operator agrees."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask, so nothing was written: add --yes if this is right")
    if input(f"{question}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was written")
