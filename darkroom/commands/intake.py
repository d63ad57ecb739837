"""Pause, resume and show the intake: the event source mapping that hands the upload queue to the trigger."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from darkroom.project import CommandError, command
from darkroom.stack import Stack
from darkroom.terminal import counted

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

PATIENCE_SECONDS = 300.0  # AWS takes about a minute
POLL_SECONDS = 0.5
PAUSED, RUNNING = "Disabled", "Enabled"  # a mapping's settled states


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = subparsers.add_parser("status", help="show if the intake runs, how many uploads wait, and dead letters")
    status.set_defaults(run=_status)
    subparsers.add_parser("pause", help="stop the intake: uploads wait in the queue").set_defaults(run=_pause)
    subparsers.add_parser("resume", help="start the intake again").set_defaults(run=_resume)


def _status(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    print(f"Intake is {'paused' if is_paused(stack) else 'running'}: {_waiting(_queue(stack))}.")
    print(f"Dead letters: {_queue(stack, 'UploadDeadLetterQueueUrl')['ApproximateNumberOfMessages']}.")
    return 0


def _pause(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, mapping = switch(stack, on=False)
    queue = _queue(stack)
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
    changed, _ = switch(stack, on=True)
    print(f"Intake {'is running again' if changed else 'was not paused'}: {_waiting(_queue(stack))}.")
    return 0


def is_paused(stack: Stack) -> bool:
    """True if the trigger takes nothing from the upload queue, or is about to stop."""
    return mapping_of(stack)["State"] in (PAUSED, "Disabling")


def is_idle(stack: Stack) -> bool:
    """True if the upload queue is empty: nothing waits, nothing is in flight."""
    queue = _queue(stack)
    return all(queue[f"ApproximateNumberOfMessages{which}"] == "0" for which in ("", "NotVisible"))


def switch(stack: Stack, *, on: bool) -> tuple[bool, Mapping[str, Any]]:
    """Start or stop the intake and wait for that: True if it changed, and the mapping. Raises CommandError."""
    client: LambdaClient = stack.client("lambda")
    wanted = RUNNING if on else PAUSED
    mapping = _settled(stack, PAUSED, RUNNING)  # AWS refuses to change a mapping that is changing
    if mapping["State"] == wanted:
        return False, mapping
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
    return True, _settled(stack, wanted)


def _settled(stack: Stack, *states: str) -> Mapping[str, Any]:
    """The mapping, once it is in one of `states`. Just after a change, AWS may still show the state before it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (mapping := mapping_of(stack))["State"] not in states:
        if time.monotonic() > deadline:
            reason = mapping.get("StateTransitionReason")
            raise CommandError(
                f"the trigger's event source mapping {mapping['UUID']} stays {mapping['State']}"
                f"{f' ({reason})' if reason else ''}: try again later"
            )
        time.sleep(POLL_SECONDS)
    return mapping


def mapping_of(stack: Stack) -> Mapping[str, Any]:
    """The event source mapping between the upload queue and the trigger. Raises CommandError if there is none."""
    client: LambdaClient = stack.client("lambda")
    answer = client.list_event_source_mappings(FunctionName=stack.outputs["TriggerFunctionName"])
    queue = stack.outputs["UploadQueueUrl"].rpartition("/")[2]
    for mapping in answer["EventSourceMappings"]:
        if mapping["EventSourceArn"].rpartition(":")[2] == queue:
            return mapping
    raise CommandError("the trigger is not connected to the upload queue: deploy the template again")


def _queue(stack: Stack, url: str = "UploadQueueUrl") -> dict[str, str]:
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[url], AttributeNames=["All"])
    return dict(answer["Attributes"])


def _waiting(queue: Mapping[str, str]) -> str:
    visible, hidden = (int(queue[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))
    return f"{counted(visible, 'waits', 'wait')} in the queue, {hidden} in flight or between two attempts"
