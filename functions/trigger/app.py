"""TriggerFunction: reconciles keys. A message leaves its queue only when its keys are reconciled.

There are two queues, for uploads and for what a backfill asks for, with a concurrency each. The messages are the same,
and so is what is done about them.

Only the trigger starts executions and removes sets.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from pipeline import messages, metrics, outputs
from trigger import heartbeat, notices
from trigger.reconcile import reconcile
from trigger.verdicts import DONE, Later, Park, Verdict, backoff

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
DEAD_LETTER_QUEUE = os.environ["DEAD_LETTER_QUEUE_URL"]
MARGIN_SECONDS = 10.0  # left for the answer after the last run
FRESH_AFTER = 10  # receives, half of what the queue allows
LONGEST_DELAY = 900  # seconds, SQS's own limit

logger = Logger()
outputs.check_apart(SOURCE_BUCKET)


class NotReconciledError(Exception):
    """A bare S3 event could not be reconciled: there is no queue to keep its message."""


@metrics.stage("Trigger")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Reconcile an SQS batch of S3 notifications, or a bare S3 event. Returns the messages that must come again."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    batch = notices.messages(event)
    with heartbeat.beating(batch):
        verdicts = _verdicts(batch, deadline)
    failures = [message.id for message, verdict in zip(batch, verdicts, strict=True) if not _settle(message, verdict)]
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failures]}


def _verdicts(batch: list[notices.Message], deadline: float) -> list[Verdict]:
    """One verdict per message, from one reconciliation per key. All keys are reconciled at the same time."""
    about: dict[str, list[tuple[int, notices.Notice]]] = defaultdict(list)
    verdicts: list[list[Verdict]] = [[] for _ in batch]
    for index, message in enumerate(batch):
        try:
            for notice in notices.read(message, SOURCE_BUCKET):
                about[notice.key].append((index, notice))
        except notices.UnreadableError as error:
            verdicts[index].append(Park(str(error)))
    with ThreadPoolExecutor(max_workers=max(len(about), 1)) as threads:
        receives = {key: max(batch[index].receives for index, _ in found) for key, found in about.items()}
        tasks = {
            key: threads.submit(_guarded, key, [notice for _, notice in found], deadline, receives[key])
            for key, found in about.items()
        }
    for key, found in about.items():
        for index, _ in found:
            verdicts[index].append(tasks[key].result())
    return [_of_message(each) for each in verdicts]


def _guarded(key: str, about: list[notices.Notice], deadline: float, receives: int) -> Verdict:
    """Reconcile a key. A fault delays this key only: its messages come back, until the queue's maxReceiveCount."""
    try:
        return reconcile(key, about, deadline, receives)
    except Exception as error:
        logger.exception("not reconciled", source_key=key)
        return Later(backoff(receives), f"{type(error).__name__}: {error}")


def _of_message(verdicts: list[Verdict]) -> Verdict:
    """The verdict on a message about several keys: done when all are, and later rather than parked."""
    later = [verdict for verdict in verdicts if isinstance(verdict, Later)]
    if later:
        return max(later, key=lambda verdict: verdict.seconds)
    return next((verdict for verdict in verdicts if isinstance(verdict, Park)), DONE)


def _settle(message: notices.Message, verdict: Verdict) -> bool:
    """Act on the verdict. Returns whether the message may leave the queue."""
    if not isinstance(verdict, Later | Park):
        return True
    logger.warning("message not done", verdict=verdict)
    if not message.receipt:
        raise NotReconciledError(verdict.reason)
    if isinstance(verdict, Park):
        return _park(message, verdict)
    if verdict.waits and message.receives >= FRESH_AFTER and _replaced(message, verdict.seconds):
        return True
    heartbeat.come_back_in(message, verdict.seconds)
    return False


def _replaced(message: notices.Message, seconds: float) -> bool:
    """Send a message anew, so that waiting spends none of its receives: these are for crashes of the trigger."""
    try:
        heartbeat.sqs.send_message(
            QueueUrl=heartbeat.queue_of(message),
            MessageBody=message.body,
            DelaySeconds=min(math.ceil(round(seconds, 2)), LONGEST_DELAY),
            MessageAttributes={"sent_at": {"DataType": "String", "StringValue": str(message.sent_at)}},
        )
    except heartbeat.FAULTS:
        logger.exception("message not sent anew")
        return False
    return True


def _park(message: notices.Message, verdict: Park) -> bool:
    """Send a message to the dead-letter queue at once. If that fails it stays, until the queue's maxReceiveCount."""
    try:
        heartbeat.sqs.send_message(
            QueueUrl=DEAD_LETTER_QUEUE,
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": messages.one_line(value)[:1000]}
                for name, value in (("reason", verdict.reason), ("failed_at", verdict.failed_at))
                if value
            },
        )
    except heartbeat.FAULTS:
        logger.exception("message not parked")
        heartbeat.come_back_in(message, backoff(message.receives))
        return False
    return True
