"""TriggerFunction: a message leaves the upload queue only when its key is reconciled.

Nothing else starts executions or removes outputs.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from pipeline import messages
from trigger import heartbeat, notices
from trigger.reconcile import BACKOFF_SECONDS, DONE, Verdict, reconcile

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
DEAD_LETTER_QUEUE = os.environ["DEAD_LETTER_QUEUE_URL"]
MARGIN_SECONDS = 10.0  # to answer in, after the last run

logger = Logger()


class NotReconciledError(Exception):
    """Raised to whoever handed us a bare S3 event: there is no queue to leave the message in."""


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """An SQS batch of S3 notifications, or one bare S3 event → the ids of the messages that have to come again."""
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    batch = notices.messages(event)
    with heartbeat.beating(batch):
        verdicts = _verdicts(batch, deadline)
    failures = [message.id for message, verdict in zip(batch, verdicts, strict=True) if not _settle(message, verdict)]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failures]}


def _verdicts(batch: list[notices.Message], deadline: float) -> list[Verdict]:
    """One verdict a message, from one reconciliation a key, all keys at a time."""
    about: dict[str, list[tuple[int, notices.Notice]]] = defaultdict(list)
    verdicts: list[list[Verdict]] = [[] for _ in batch]
    for index, message in enumerate(batch):
        try:
            for notice in notices.read(message, SOURCE_BUCKET):
                about[notice.key].append((index, notice))
        except notices.UnreadableError as error:
            verdicts[index].append(Verdict("park", reason=str(error)))
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
    """A fault with one key is that key's alone: it comes back, later each time, until the queue's crash bound."""
    try:
        return reconcile(key, about, deadline)
    except Exception as error:
        logger.exception("not reconciled", source_key=key)
        seconds = BACKOFF_SECONDS[min(receives, len(BACKOFF_SECONDS)) - 1]
        return Verdict("later", seconds, f"{type(error).__name__}: {error}")


def _of_message(verdicts: list[Verdict]) -> Verdict:
    """A message about several keys is done when all are; a key that is due again comes before one to be parked."""
    order = {"later": 0, "park": 1, "done": 2}
    return min(verdicts, key=lambda verdict: (order[verdict.kind], -verdict.seconds), default=DONE)


def _settle(message: notices.Message, verdict: Verdict) -> bool:
    """Act on the verdict: whether the message may leave the queue."""
    if verdict.kind == "done":
        return True
    logger.warning("message not done", verdict=verdict.kind, seconds=verdict.seconds, reason=verdict.reason)
    if not message.receipt:
        raise NotReconciledError(verdict.reason)
    if verdict.kind == "later":
        heartbeat.come_back_in(message, verdict.seconds)
        return False
    return _park(message, verdict.reason)


def _park(message: notices.Message, reason: str) -> bool:
    """Move a message to the dead-letter queue at once; if that fails it stays, and the queue's crash bound does it."""
    try:
        heartbeat.sqs.send_message(
            QueueUrl=DEAD_LETTER_QUEUE,
            MessageBody=message.body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": messages.one_line(reason)[:1000]}},
        )
    except heartbeat.FAULTS:
        logger.exception("message not parked")
        return False
    return True
