"""BackfillFunction: compares listed sources with their manifests, and asks the trigger for the sets that do not stand.

It starts nothing itself: what it asks for is a message in BackfillQueue, which the trigger reconciles like any other. A
set that stands costs one read of its manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

from aws_lambda_powertools import Logger
from botocore.config import Config

from backfill import figures
from pipeline import keys, metrics, outputs, recipes

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from types_boto3_sqs import SQSClient

    from contracts import BatchEvent, Found, Item, Listed

SOURCE_BUCKET = os.environ["SOURCE_BUCKET"]
QUEUE_URL = os.environ["BACKFILL_QUEUE_URL"]
THREADS = 16  # an answer of S3 takes longer than the work on it
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}  # storage classes that cannot be read

RECIPES = recipes.load()
sqs: SQSClient = metrics.client(
    "sqs", config=Config(max_pool_connections=THREADS, retries={"mode": "standard", "total_max_attempts": 3})
)
logger = Logger()
outputs.check_apart(SOURCE_BUCKET)


@dataclass(frozen=True)
class Look:
    """What one listed object is; of a photo that is wanted, also what its set will have."""

    kind: Literal["standing", "archived", "no_source", "wanted"]
    key: str
    size: int  # bytes
    outputs: int = 0
    intermediates: int = 0


@metrics.stage("Backfill")
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: BatchEvent | Item, _context: LambdaContext) -> Found | dict[str, Any]:
    """Ask for the sets of a batch that do not stand, or only count them. Returns what was found; empty once stopped."""
    items: list[Any] = event.get("Items", [event])  # type: ignore[assignment]
    run = items[0]["run"]
    logger.append_keys(run=run["name"])
    with ThreadPoolExecutor(THREADS) as threads:
        looks = list(threads.map(_look, [item["object"] for item in items]))
        wanted = [look for look in looks if look.kind == "wanted"]
        found = figures.add(run, len(wanted), lambda number: _found(looks, wanted[:number]))
        if found is None:
            return {}
        if run["sends"]:
            list(threads.map(_ask, [look.key for look in wanted[: found["sent"]]]))
    return found


def _look(listed: Listed) -> Look:
    """What is to be done about a listed object."""
    key, size = listed["Key"], listed["Size"]
    if not keys.is_source(key):
        return Look("no_source", key, size)
    recipe = recipes.route(RECIPES, key)
    document = outputs.standing(key).manifest
    if document and document["recipe"]["hash"] == recipe["hash"]:
        source = document["source"]
        # As the trigger compares them, but for focus and alt, of which a listing says nothing.
        if (source["etag"], source["size"]) == (listed["Etag"].strip('"'), size):
            return Look("standing", key, size)
    if listed.get("StorageClass") in ARCHIVED:
        return Look("archived", key, size)
    return Look("wanted", key, size, len(recipes.outputs(recipe)), 1 + bool(recipe["filtered"]))


def _found(looks: Sequence[Look], asked: Sequence[Look]) -> Found:
    """The figures of a batch, if `asked` are the photos that are asked for."""
    kinds = [look.kind for look in looks]
    return {
        "batches": 1,
        "listed": len(looks),
        "bytes": sum(look.size for look in looks),
        "standing": kinds.count("standing"),
        "archived": kinds.count("archived"),
        "no_source": kinds.count("no_source"),
        "sent": len(asked),
        "sent_bytes": sum(look.size for look in asked),
        "outputs": sum(look.outputs for look in asked),
        "intermediates": sum(look.intermediates for look in asked),
        "over": kinds.count("wanted") - len(asked),
    }


def _ask(key: str) -> None:
    """Put a message about a source into BackfillQueue, as an S3 notification, as far as the trigger reads it.

    One request each: a batch of ten could fail in parts, and would save 36 cents a million.
    """
    s3 = {"bucket": {"name": SOURCE_BUCKET}, "object": {"key": quote_plus(key, safe="/")}}
    record = {"eventSource": "darkroom", "eventName": "ObjectCreated:Backfill", "s3": s3}
    sqs.send_message(QueueUrl=QUEUE_URL, MessageBody=json.dumps({"Records": [record]}))
