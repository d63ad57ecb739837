"""The figures of a backfill: one item of JobsTable, to which each batch adds what it found.

Its `source_key` is "#backfill", which no source has, its `item` the run's name. bin/darkroom backfill writes it before
the run begins, reads it, and marks it `stopped`: from then on no batch adds anything, or asks for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline import jobs

if TYPE_CHECKING:
    from contracts import Found, Run

OWNER = "#backfill"


def add(run: Run, wanted: int, found: Callable[[int], Found]) -> Found | None:
    """Add what a batch found: `found(number)`, if `number` of the `wanted` photos may be asked for. None once stopped.

    The condition of the write keeps the bound, which is taken up before anything is sent. A batch that is tried again
    takes it up a second time: less may be sent than is allowed, and never more.
    """
    number = min(wanted, run["most"] or wanted)
    while True:
        figures = found(number)
        standing = _added(run, figures)
        if standing is None:
            return figures
        if standing.get("stopped"):
            return None
        number = max(0, min(number, run["most"] - int(standing.get("sent", 0))))


def _added(run: Run, figures: Found) -> dict[str, Any] | None:
    """Add to the item. Returns None, or the item if it is stopped or has no room for so many."""
    values: dict[str, Any] = {f":{name}": value for name, value in figures.items()}
    condition = "attribute_not_exists(stopped)"
    if run["most"] and figures["sent"]:
        condition += " AND (attribute_not_exists(#sent) OR #sent <= :room)"
        values[":room"] = run["most"] - figures["sent"]
    try:
        jobs.dynamodb.update_item(
            TableName=jobs.TABLE,
            Key=jobs.marshal({"source_key": OWNER, "item": run["name"]}),
            UpdateExpression="ADD " + ", ".join(f"#{name} :{name}" for name in figures),
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{name}": name for name in figures},
            ExpressionAttributeValues=jobs.marshal(values),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except jobs.dynamodb.exceptions.ConditionalCheckFailedException as error:
        response: dict[str, Any] = dict(error.response)
        return jobs.unmarshal(response.get("Item", {}))
    return None
