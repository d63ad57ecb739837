"""The intake: the event source mapping that hands the upload queue to the trigger."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from darkroom.project import CommandError
from darkroom.stack import Stack

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

PATIENCE_SECONDS = 300.0  # AWS takes about a minute
POLL_SECONDS = 0.5
PAUSED, RUNNING = "Disabled", "Enabled"  # a mapping's settled states
PAUSING = "Disabling"


def is_paused(stack: Stack) -> bool:
    """True if the trigger takes nothing from the upload queue, or is about to stop."""
    return mapping_of(stack)["State"] in (PAUSED, PAUSING)


def is_idle(stack: Stack) -> bool:
    """True if the upload queue is empty: nothing waits, nothing is in flight."""
    attributes = queue(stack)
    return all(attributes[f"ApproximateNumberOfMessages{which}"] == "0" for which in ("", "NotVisible"))


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
    name = stack.outputs["UploadQueueUrl"].rpartition("/")[2]
    for mapping in answer["EventSourceMappings"]:
        if mapping["EventSourceArn"].rpartition(":")[2] == name:
            return mapping
    raise CommandError("the trigger is not connected to the upload queue: deploy the template again")


def queue(stack: Stack, url: str = "UploadQueueUrl") -> dict[str, str]:
    """The attributes of the upload queue, or of the queue of another output."""
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[url], AttributeNames=["All"])
    return dict(answer["Attributes"])
