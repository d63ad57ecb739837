"""Show what a stack used, and what that costs."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from darkroom.costs import cloudwatch, fixed, local
from darkroom.costs.prices import PRICES, REGION, Prices, load
from darkroom.costs.usage import Usage, bill
from darkroom.local.template import load_template
from darkroom.project import CommandError, typed_path
from darkroom.stack import Stack
from darkroom.terminal import print_json, table

HOURS = 24.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("cost", help="show what the stack used, and what that costs")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--hours", type=float, default=HOURS, help=f"how far back to look (default {HOURS:g})")
    when.add_argument("--since", metavar="MOMENT", help="from when on, such as 2026-11-01 or 2026-11-01T12:00 (UTC)")
    parser.add_argument("--prices", type=typed_path, default=PRICES, metavar="FILE", help="a table of your own prices")
    parser.add_argument("--region", help="whose prices count (default: the stack's; us-east-1 for a local one)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print dollars by service: for what was used, for an image, for a million, and for a month of standing there."""
    since = beginning(args.since, args.hours, time.time())
    place = Stack.open(args.stack, aws=args.aws)
    prices = load(args.region or (place.region if args.aws else REGION), args.prices)
    if args.aws:
        used, metrics = cloudwatch.read(place, since), cloudwatch.metrics(place)
    else:
        used, metrics = local.read(place, since), local.metrics(place)
    monthly = fixed.of_template(load_template(), metrics, prices)
    if args.json:
        print_json(document(place, since, used, monthly, prices))
    else:
        show(place, since, used, monthly, prices)
    return 0


def beginning(since: str | None, hours: float, now: float) -> float:
    """The moment from which on to count, in epoch seconds. Raises CommandError, with what to write."""
    if since is None:
        if not 0 < hours < float("inf"):
            raise CommandError(f"--hours is {hours:g}: write how many hours to look back, such as --hours 24")
        return now - hours * 3600
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise CommandError(f"--since is {since!r}: write a moment such as 2026-11-01 or 2026-11-01T12:00") from None
    began = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if began >= now:
        raise CommandError(f"--since {since} is yet to come: write a moment that has passed")
    return began


def document(place: Stack, since: float, used: Usage, monthly: dict[str, float], prices: Prices) -> dict[str, Any]:
    """What --json prints."""
    dollars = bill(used, prices)
    return {
        "stack": place.name,
        "since": _moment(since),
        "region": prices.region,
        "prices_as_of": prices.as_of,
        "used": asdict(used),
        "dollars": dollars,
        "dollars_in_all": sum(dollars.values()),
        "dollars_per_image": sum(dollars.values()) / used.images if used.images else None,
        "dollars_a_month": monthly,
        "unpriced_requests": used.unpriced,
    }


def show(place: Stack, since: float, used: Usage, monthly: dict[str, float], prices: Prices) -> None:
    dollars = bill(used, prices)
    images = f"{used.images:,.0f} image" + ("" if used.images == 1 else "s")
    print(f"{place.name}, from {_moment(since)} on: {images}, {used.workflow_type}, {used.architecture}")
    print(f"Prices: {prices.region}, {prices.as_of}" + ("" if place.endpoint is None else LOCAL))
    shown = table("Service", "Dollars", "Per image", "Per million")
    for column in shown.columns[1:]:
        column.justify = "right"
    lines = [(line, amount) for line, amount in dollars.items() if amount]
    for line, amount in [*lines, ("Sum", sum(dollars.values()))]:
        each = amount / used.images if used.images else None
        shown.add_row(line, f"{amount:.6f}", _or_dash(each, "{:.8f}"), _or_dash(each and each * 1e6, "{:,.2f}"))
    shown.add_row("")
    for what, amount in monthly.items():
        shown.add_row(f"A month: {what}", f"{amount:.2f}")
    shown.add_row("A month, sum", f"{sum(monthly.values()):.2f}")
    Console().print(shown)
    print("Not in it: storage, transfer, CloudFront, mails.")
    if used.unpriced:
        print(f"These requests have no price here, and are not in it: {', '.join(used.unpriced)}")


LOCAL = " (a local stack: functions take as long as on this computer; docs/COST.md says what else is computed)"


def _moment(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _or_dash(value: float | None, pattern: str) -> str:
    return "-" if value is None else pattern.format(value)
