"""What images will use and cost, by what `make cost` measured (measured.json) and what each output adds.

Measured is the default recipe: 13 outputs, 2 intermediates. Each output is a PUT, and its share of OptimizeImage. Each
intermediate is a PUT, its GET, and a GET of the source. All else is the same for every recipe.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from darkroom.costs.prices import PRICES, REGION, load
from darkroom.costs.usage import Usage, bill

MEASURED = Path(__file__).with_name("measured.json")
OUTPUTS, INTERMEDIATES = 13, 2  # of the default recipe


@dataclass(frozen=True)
class Estimate:
    """What `images` of a recipe will take."""

    dollars: float  # in all
    requests: dict[str, float]  # in all, by "service.Operation"
    seconds: float  # of one image, warm, without waiting for others


def estimate(
    images: int,
    outputs: float = OUTPUTS,
    intermediates: float = INTERMEDIATES,
    region: str = REGION,
    workflow_type: str = "STANDARD",
    prices: Path = PRICES,
) -> Estimate:
    """What so many images will take: `outputs` files each, by way of `intermediates` (with filters 2, else 1).

    Both may be means over several recipes. Raises CommandError for a region without prices.
    """
    used = usage(workflow_type, outputs, intermediates).times(images)
    dollars = sum(bill(used, load(region, prices)).values())
    return Estimate(dollars, dict(used.requests), seconds(workflow_type, outputs))


def per_million(
    workflow_type: str,
    outputs: float = OUTPUTS,
    intermediates: float = INTERMEDIATES,
    region: str = REGION,
    prices: Path = PRICES,
) -> dict[str, float]:
    """Dollars per million images, by line of the bill. Raises CommandError for a region without prices."""
    return bill(usage(workflow_type, outputs, intermediates).times(1e6), load(region, prices))


def usage(workflow_type: str, outputs: float = OUTPUTS, intermediates: float = INTERMEDIATES) -> Usage:
    """What one image uses, on a stack with a queue."""
    found = Usage(**measured()["usage"][workflow_type])
    requests = dict(found.requests)
    fewer = INTERMEDIATES - intermediates
    requests["s3.PutObject"] -= OUTPUTS - outputs + fewer
    requests["s3.GetObject"] -= 2 * fewer
    took = seconds(workflow_type, outputs) / seconds(workflow_type)
    polls = 0.0
    if workflow_type == "STANDARD":
        polls = _looks(workflow_type, OUTPUTS) - _looks(workflow_type, outputs)
        requests["dynamodb.GetItem"] -= polls
    factors = {"OptimizeImage": outputs / OUTPUTS, "ApplyFilters": max(intermediates - 1, 0.0), "Trigger": took}
    compute = {stage: amount * factors.get(stage, 1) for stage, amount in found.gb_seconds.items()}
    return replace(
        found,
        requests=requests,
        gb_seconds=compute,
        express_gb_seconds=found.express_gb_seconds * took,
        dynamodb_reads=found.dynamodb_reads - polls,
    )


def seconds(workflow_type: str, outputs: float = OUTPUTS) -> float:
    """The time of one image alone, warm, from its upload to the end of its run."""
    found = measured()
    encoding = found["seconds"]["OptimizeImage"]
    return float(found["seconds"][workflow_type] - encoding * (1 - outputs / OUTPUTS))


def _looks(workflow_type: str, outputs: float) -> int:
    return looks(seconds(workflow_type, outputs), measured()["poll_seconds"])


def looks(seconds: float, pauses: Sequence[float]) -> int:
    """How often the trigger looks at the record of a STANDARD run that takes so long; the last pause comes again."""
    number, passed = 0, 0.0
    while passed < seconds:
        passed += pauses[min(number, len(pauses) - 1)]
        number += 1
    return number


@functools.cache
def measured() -> dict[str, Any]:
    """What `make cost` wrote."""
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found
