"""DynamoDB: one table, conditional writes, queries."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.simulation.expressions import Row, condition, updated
from tests.simulation.refusals import Refusal

Params = dict[str, Any]
KEY = ("source_key", "item")
# Bytes of an item that DynamoDB takes.
LIMIT = 400_000
OPEN = {"QUEUED", "PROCESSING"}


class DynamoDB:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.closed: dict[tuple[str, str], float] = {}  # when a record was first closed
        self.items: dict[tuple[str, str], Params] = {}
        self.largest: tuple[int, Params] = (0, {})  # bytes of the largest item that was ever written, and that item
        self.longest = 0  # entries of the longest list or set that was ever written

    def call(self, operation: str, params: Params) -> Params:
        if operation == "Query":
            return self._query(params)
        key = params["Item"] if operation == "PutItem" else params["Key"]
        place = (key["source_key"]["S"], key["item"]["S"])
        standing = self.items.get(place)
        if operation == "GetItem":
            assert params.get("ConsistentRead"), "an eventually consistent read"
            return {"Item": standing} if standing else {}
        names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
        text = params.get("ConditionExpression")
        if text and not condition(text)(Row(standing or {}, names, values)):
            told = params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and standing
            raise Refusal("ConditionalCheckFailedException", **({"Item": standing} if told else {}))
        if operation == "DeleteItem":
            self.items.pop(place, None)
            return {"Attributes": standing} if params.get("ReturnValues") == "ALL_OLD" and standing else {}
        if operation == "PutItem":
            self._write(place, params["Item"])
            return {"Attributes": standing} if params.get("ReturnValues") == "ALL_OLD" and standing else {}
        if operation == "UpdateItem":
            item = updated(standing or dict(params["Key"]), params["UpdateExpression"], names, values)
            self._write(place, item)
            returned = {"ALL_NEW": item, "ALL_OLD": standing}.get(params.get("ReturnValues", "NONE"))
            return {"Attributes": returned} if returned else {}
        raise NotImplementedError(f"DynamoDB {operation}")

    def _write(self, place: tuple[str, str], item: Params) -> None:
        for name, value in item.items():
            ((kind, raw),) = value.items()
            if kind in ("SS", "L"):
                assert raw or kind == "L", f"an empty set: {name}"
                self.longest = max(self.longest, len(raw))
        size = len(json.dumps(item))
        if size > LIMIT:
            raise Refusal("ValidationException", message="Item size has exceeded the maximum allowed size")
        if size > self.largest[0]:
            self.largest = (size, item)
        self.items[place] = item
        if item.get("status", {"S": "PROCESSING"})["S"] not in OPEN:
            self.closed.setdefault(place, self._now())

    def _query(self, params: Params) -> Params:
        names, values = params.get("ExpressionAttributeNames", {}), params["ExpressionAttributeValues"]
        ordered = [item for _, item in sorted(self.items.items())]
        if params.get("IndexName"):
            ordered = sorted(
                (item for item in ordered if "attention" in item), key=lambda item: item["updated_at"]["S"]
            )
        if not params.get("ScanIndexForward", True):
            ordered.reverse()
        matches = [item for item in ordered if condition(params["KeyConditionExpression"])(Row(item, names, values))]
        if start := params.get("ExclusiveStartKey"):
            places = [{name: item[name] for name in KEY} for item in matches]
            matches = matches[places.index({name: start[name] for name in KEY}) + 1 :]
        page = matches[: params.get("Limit", len(matches))]
        answer: Params = {}
        if len(page) < len(matches):
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in KEY}
        if text := params.get("FilterExpression"):
            page = [item for item in page if condition(text)(Row(item, names, values))]
        return answer | {"Items": page, "Count": len(page)}
