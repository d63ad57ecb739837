"""Hides the messages of a batch while the trigger works on them, and for little longer.

The queue's own visibility timeout outlasts the longest invocation. The trigger shortens it on receipt and extends it by
a heartbeat: if the trigger is killed, its messages come back within a minute.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline import metrics

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from trigger.notices import Message

UPLOADS = os.environ["UPLOAD_QUEUE_URL"]
_URLS = {url.rpartition("/")[2]: url for url in (UPLOADS, os.environ["BACKFILL_QUEUE_URL"])}
HEARTBEAT_SECONDS = float(os.environ["HEARTBEAT_SECONDS"])
# Two beats may fail before the messages reappear.
VISIBILITY_SECONDS = int(3 * HEARTBEAT_SECONDS)
VISIBILITY_LIMIT = 43_200

FAULTS = (ClientError, BotoCoreError)
# Short timeouts: a beat that hangs is a beat that fails.
_config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
sqs: SQSClient = metrics.client("sqs", config=_config)
logger = Logger()


@contextmanager
def beating(messages: list[Message]) -> Iterator[None]:
    """Hide the messages until the block ends. Those without a receipt came from no queue."""
    received = [message for message in messages if message.receipt]
    _beat(received)  # first of all: until then the queue's own, long timeout holds
    stopped = threading.Event()
    beat = threading.Thread(target=_beat_until, args=(stopped, received), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stopped.set()
        beat.join()


def come_back_in(message: Message, seconds: float) -> None:
    """Make a message visible again after `seconds`."""
    if message.receipt:
        _hide(message, min(math.ceil(round(seconds, 2)), VISIBILITY_LIMIT))


def queue_of(message: Message) -> str:
    """The URL of the queue that a message came from. A sample event names none of ours: it counts as an upload."""
    return _URLS.get(message.queue, UPLOADS)


def _beat_until(stopped: threading.Event, messages: list[Message]) -> None:
    while not stopped.wait(HEARTBEAT_SECONDS):
        _beat(messages)


def _beat(messages: list[Message]) -> None:
    for message in messages:
        _hide(message, VISIBILITY_SECONDS)


def _hide(message: Message, seconds: int) -> None:
    """Log a failure and go on: it costs at most a needless receive, which the lease makes harmless."""
    try:
        sqs.change_message_visibility(
            QueueUrl=queue_of(message), ReceiptHandle=message.receipt, VisibilityTimeout=seconds
        )
    except FAULTS as error:
        logger.warning("visibility not changed", reason=str(error))
