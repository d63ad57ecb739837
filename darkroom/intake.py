"""The intake: the event source mappings that hand the trigger its two queues, of uploads and of backfills.

A queue is named by the output that has its URL.
"""

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
UPLOADS, BACKFILLS = "UploadQueueUrl", "BackfillQueueUrl"
PAUSED, RUNNING = "Disabled", "Enabled"  # a mapping's settled states
PAUSING = "Disabling"


def is_paused(stack: Stack, which: str = UPLOADS) -> bool:
    """True if the trigger takes nothing from the queue, or is about to stop."""
    return mapping_of(stack, which)["State"] in (PAUSED, PAUSING)


def is_idle(stack: Stack, which: str = UPLOADS) -> bool:
    """True if the queue is empty: nothing waits, nothing is in flight."""
    return waiting(queue(stack, which)) == (0, 0)


def waiting(attributes: Mapping[str, str]) -> tuple[int, int]:
    """How many messages wait in a queue, and how many are in flight or between two attempts."""
    visible, hidden = (int(attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))
    return visible, hidden + int(attributes.get("ApproximateNumberOfMessagesDelayed", 0))


def switch(
    stack: Stack, *, on: bool, which: str = UPLOADS, concurrency: int | None = None
) -> tuple[bool, Mapping[str, Any]]:
    """Start or stop the intake and wait for that: True if it changed, and the mapping. Raises CommandError.

    `concurrency`: triggers at the same time; None leaves it as it is.
    """
    client: LambdaClient = stack.client("lambda")
    wanted = RUNNING if on else PAUSED
    mapping = _settled(stack, which, PAUSED, RUNNING)  # AWS refuses to change a mapping that is changing
    changes: dict[str, Any] = {} if mapping["State"] == wanted else {"Enabled": on}
    if concurrency not in (None, concurrency_of(mapping)):
        changes["ScalingConfig"] = {"MaximumConcurrency": concurrency}
    if not changes:
        return False, mapping
    client.update_event_source_mapping(UUID=mapping["UUID"], **changes)
    return "Enabled" in changes, _settled(stack, which, wanted)


def concurrency_of(mapping: Mapping[str, Any]) -> int | None:
    """Triggers at the same time; None for no bound."""
    found: int | None = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    return found


def _settled(stack: Stack, which: str, *states: str) -> Mapping[str, Any]:
    """The mapping, once it is in one of `states`. Just after a change, AWS may still show the state before it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (mapping := mapping_of(stack, which))["State"] not in states:
        if time.monotonic() > deadline:
            reason = mapping.get("StateTransitionReason")
            raise CommandError(
                f"the trigger's event source mapping {mapping['UUID']} stays {mapping['State']}"
                f"{f' ({reason})' if reason else ''}: try again later"
            )
        time.sleep(POLL_SECONDS)
    return mapping


def mapping_of(stack: Stack, which: str = UPLOADS) -> Mapping[str, Any]:
    """The event source mapping between the queue and the trigger. Raises CommandError if there is none."""
    client: LambdaClient = stack.client("lambda")
    answer = client.list_event_source_mappings(FunctionName=stack.outputs["TriggerFunctionName"])
    name = stack.outputs[which].rpartition("/")[2]
    for mapping in answer["EventSourceMappings"]:
        if mapping["EventSourceArn"].rpartition(":")[2] == name:
            return mapping
    raise CommandError(f"the trigger is not connected to the queue {name}: deploy the template again")


def queue(stack: Stack, which: str = UPLOADS) -> dict[str, str]:
    """The attributes of a queue."""
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[which], AttributeNames=["All"])
    return dict(answer["Attributes"])
