"""The spend brake: no more attempts are begun on a day (UTC) than DailyImageLimit.

An item of JobsTable counts the day's attempts. It is no record: no source key begins with "#".
"""

from __future__ import annotations

import os
import zlib
from datetime import UTC, datetime, timedelta

from pipeline import jobs
from trigger.verdicts import nth

LIMIT = int(os.environ["DAILY_IMAGE_LIMIT"])  # 0: none
# How long a message hides while the limit holds, by its receives: soon again at first, so that a raised limit shows.
BRAKE_SECONDS = [float(seconds) for seconds in os.environ["BRAKE_SECONDS"].split(",")]
# After midnight, messages come back over so many seconds, not all at once.
JITTER_SECONDS = 300
KEPT_DAYS = 7  # of a day's count, for whoever wants to see it
COUNTS = "#limit"


def allows(now: float) -> bool:
    """Count an attempt that is about to begin; False, and nothing is counted, if the limit of the day is reached.

    `now`: epoch seconds. An attempt may be counted and never start, or be counted twice (the SDK's second try, after an
    answer that was lost): then fewer start than are allowed, never more.
    """
    if not LIMIT:
        return True
    values = {":one": 1, ":limit": LIMIT, ":until": int(now) + KEPT_DAYS * 86400}
    try:
        jobs.dynamodb.update_item(
            TableName=jobs.TABLE,
            Key=jobs.marshal({"source_key": COUNTS, "item": _day(now).date().isoformat()}),
            UpdateExpression="SET expires_at = if_not_exists(expires_at, :until) ADD images :one",
            ConditionExpression="attribute_not_exists(images) OR images < :limit",
            ExpressionAttributeValues=jobs.marshal(values),
        )
    except jobs.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def seconds(key: str, receives: int, now: float) -> float:
    """How long the messages of a key hide once the limit is reached: until the next day at the longest."""
    midnight = (_day(now) + timedelta(days=1)).timestamp()
    return min(nth(BRAKE_SECONDS, receives), midnight - now + zlib.crc32(key.encode()) % JITTER_SECONDS)


def _day(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
