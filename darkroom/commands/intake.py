"""Stop and start the intake: whether the trigger takes uploads from the queue, where they wait meanwhile."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from darkroom.project import CommandError, command
from darkroom.stack import Stack

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

PATIENCE_SECONDS = 300.0  # AWS takes up to a minute or so
POLL_SECONDS = 0.5
PAUSED, RUNNING = "Disabled", "Enabled"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `darkroom status`, `darkroom pause` and `darkroom resume`."""
    subparsers.add_parser("status", help="show whether the intake runs, and what waits").set_defaults(run=_status)
    parser = subparsers.add_parser("pause", help="stop the intake: uploads wait in the queue")
    parser.set_defaults(run=_pause)
    subparsers.add_parser("resume", help="start the intake again").set_defaults(run=_resume)


def _status(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    print(f"Intake is {'paused' if is_paused(stack) else 'running'}: {_counts(_queue(stack))}.")
    attributes = _queue(stack, "UploadDeadLetterQueueUrl")
    print(f"Dead letters: {attributes['ApproximateNumberOfMessages']}.")
    return 0


def _pause(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, mapping = switch(stack, on=False)
    attributes = _queue(stack)
    days = int(attributes["MessageRetentionPeriod"]) / 86400
    until = mapping["LastModified"].astimezone() + timedelta(days=days)
    print(f"Intake {'is' if changed else 'was already'} paused: {_counts(attributes)}.")
    resume = f"{command(args.stack, aws=args.aws)} resume"
    print(
        f"Resume before {_date(until)} with `{resume}`: the queue keeps an upload's event {days:g} days and then "
        "deletes it. What waited before the pause goes earlier."
    )
    return 0


def _resume(args: argparse.Namespace) -> int:
    stack = Stack.open(args.stack, aws=args.aws)
    changed, _ = switch(stack, on=True)
    print(f"Intake {'is running again' if changed else 'was not paused'}: {_counts(_queue(stack))}.")
    return 0


def is_paused(stack: Stack) -> bool:
    """Whether nothing is taken from the upload queue now, or soon."""
    return _mapping(stack)["State"] in (PAUSED, "Disabling")


def switch(stack: Stack, *, on: bool) -> tuple[bool, Mapping[str, Any]]:
    """Start or stop the intake and wait until that took effect: whether it was otherwise, and the mapping.

    Raises CommandError if it does not come about.
    """
    client: LambdaClient = stack.client("lambda")
    wanted = RUNNING if on else PAUSED
    mapping = _settled(stack)  # one that is changing cannot be changed
    if mapping["State"] == wanted:
        return False, mapping
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
    mapping = _settled(stack)
    if mapping["State"] != wanted:
        raise CommandError(
            f"the trigger's event source mapping {mapping['UUID']} is {mapping['State']}, not {wanted}: "
            f"{mapping.get('StateTransitionReason') or 'try again'}"
        )
    return True, mapping


def _settled(stack: Stack) -> Mapping[str, Any]:
    """The mapping when it is in none of its passing states (Enabling, Disabling, Updating, ...)."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (mapping := _mapping(stack))["State"] not in (PAUSED, RUNNING):
        if time.monotonic() > deadline:
            raise CommandError(f"the trigger's event source mapping stays {mapping['State']}: try again later")
        time.sleep(POLL_SECONDS)
    return mapping


def _mapping(stack: Stack) -> Mapping[str, Any]:
    client: LambdaClient = stack.client("lambda")
    found = client.list_event_source_mappings(FunctionName=stack.outputs["TriggerFunctionName"])
    queue = stack.outputs["UploadQueueUrl"].rpartition("/")[2]
    for mapping in found["EventSourceMappings"]:
        if mapping["EventSourceArn"].rpartition(":")[2] == queue:
            return mapping
    raise CommandError("the trigger is not connected to the upload queue: deploy the template again")


def _queue(stack: Stack, url: str = "UploadQueueUrl") -> dict[str, str]:
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[url], AttributeNames=["All"])
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def _counts(attributes: Mapping[str, str]) -> str:
    waiting, held = (int(attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))
    return f"{waiting} {'waits' if waiting == 1 else 'wait'} in the queue, {held} in flight or between two attempts"


def _date(moment: datetime) -> str:
    return f"{moment:%A %d %B %Y, %H:%M %Z}"
