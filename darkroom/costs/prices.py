"""What AWS charges: prices.json beside this module, or a file of the user's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.project import CommandError

PRICES = Path(__file__).with_name("prices.json")
REGION = "us-east-1"  # whose prices a local stack's figures get

# What a table must have. A price is a number, or for some a list of steps: [{"above": 0, "price": 0.06}, …].
NEEDED = {
    "lambda_requests_million": "a million invocations",
    "lambda_gb_second_arm64": "a GB-second on arm64",
    "lambda_gb_second_x86_64": "a GB-second on x86_64",
    "states_transitions_million": "a million transitions of a STANDARD workflow",
    "states_express_requests_million": "a million EXPRESS runs",
    "states_express_gb_hour": "a GB-hour of EXPRESS runs",
    "s3_put_list_million": "a million PUT, COPY, POST and LIST requests",
    "s3_get_million": "a million GET and HEAD requests",
    "s3_gb_month": "a GB stored for a month",
    "sqs_requests_million": "a million requests to a standard queue",
    "sns_publishes_million": "a million messages of up to 64 kB",
    "dynamodb_writes_million": "a million write request units, on demand",
    "dynamodb_reads_million": "a million read request units, on demand",
    "dynamodb_gb_month": "a GB in the table for a month",
    "kms_requests_million": "a million requests to KMS",
    "kms_key_month": "a key for a month",
    "logs_gb": "a GB taken in by CloudWatch Logs",
    "logs_gb_month": "a GB of logs kept for a month",
    "cloudwatch_metric_month": "a metric for a month",
    "cloudwatch_alarm_month": "an alarm for a month",
    "cloudwatch_dashboard_month": "a dashboard for a month",
    "events_million": "a million of an existing bucket's events through EventBridge",
}
STEPPED = {"states_express_gb_hour"}


@dataclass(frozen=True)
class Prices:
    """The prices of one region, in dollars."""

    region: str
    as_of: str  # year and month
    source: str
    steps: Mapping[str, tuple[tuple[float, float], ...]]  # by name in NEEDED: (above how much, price)

    def __getitem__(self, name: str) -> float:
        """A price; of one in steps, the first."""
        return self.steps[name][0][1]

    def of(self, name: str, amount: float) -> float:
        """What `amount` of something costs, in dollars: each step's price for what lies in it."""
        steps = self.steps[name]
        ends = [above for above, _ in steps[1:]] + [math.inf]
        return sum(max(min(amount, end) - above, 0.0) * price for (above, price), end in zip(steps, ends, strict=True))


def load(region: str = REGION, path: Path = PRICES) -> Prices:
    """The prices of a region. Raises CommandError, with what to write, for a file or a region that cannot be used."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}): give --prices a copy of {PRICES}") from None
    except ValueError as error:
        raise CommandError(f"{path} is no JSON ({error}): start again with a copy of {PRICES}") from None
    regions = document.get("regions") if isinstance(document, dict) else None
    if not isinstance(regions, dict) or not regions:
        raise CommandError(f'{path} has no "regions": write one entry a region there, as {PRICES} does')
    if region not in regions:
        raise CommandError(
            f"{path} has no prices of {region}: give --region one that it has ({', '.join(regions)}), "
            "or add the region to a copy of the file and give that to --prices"
        )
    return _table(region, regions[region], path)


def _table(region: str, entry: Any, path: Path) -> Prices:
    table = entry.get("prices") if isinstance(entry, dict) else None
    if not isinstance(table, dict):
        raise CommandError(f'{path}: the region {region} has no "prices": write them as {PRICES} does')
    for name in ("as_of", "source"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise CommandError(
                f'{path}: the region {region} does not say "{name}": write when or where its prices are from'
            )
    if missing := [name for name in NEEDED if name not in table]:
        name = missing[0]
        raise CommandError(
            f'{path}: the region {region} has no price "{name}": write what {NEEDED[name]} costs there, in dollars'
        )
    if unknown := sorted(table.keys() - NEEDED.keys()):
        raise CommandError(f'{path}: nothing costs "{unknown[0]}" (region {region}): the names are {", ".join(NEEDED)}')
    steps = {name: _steps(name, table[name], region, path) for name in NEEDED}
    return Prices(region, entry["as_of"], entry["source"], steps)


def _steps(name: str, value: Any, region: str, path: Path) -> tuple[tuple[float, float], ...]:
    where = f'{path}: the price "{name}" of {region}'
    if name not in STEPPED or not isinstance(value, list):
        return ((0.0, _number(value, where)),)
    try:
        steps = tuple((float(step["above"]), _number(step["price"], where)) for step in value)
    except (TypeError, KeyError, ValueError):
        steps = ()
    if not steps or steps[0][0] != 0 or list(steps) != sorted(set(steps)):
        raise CommandError(f'{where} must be a number, or steps that rise from 0: [{{"above": 0, "price": 0.06}}, …]')
    return steps


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CommandError(f"{where} is {json.dumps(value)}: write a number of dollars")
    if value < 0:
        raise CommandError(f"{where} is {value}: a price cannot be below 0")
    return float(value)
