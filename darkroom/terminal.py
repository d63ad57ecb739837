"""Job records, sizes and moments as a terminal shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from contracts import Record

BAD = "bold red"
STYLES = {"SUCCEEDED": "green", "REJECTED": "yellow", "FAILED": BAD, "UNACCOUNTED": BAD, "PROCESSING": "cyan"}


def story(record: Record) -> str:
    """What happened to a job, in a sentence."""
    if record["status"] == "SUCCEEDED":
        if result := record.get("result"):
            return f"{result['renditions']} renditions, {size(result['bytes_in'])} in, {size(result['bytes_out'])} out"
    elif record.get("reason"):
        return f"{record.get('code', '')}: {record['reason']}"
    elif failure := record.get("last_failure"):
        where = f" in {failure['state']}" if failure["state"] else ""
        return f"last attempt failed{where}: {failure['code']}: {failure['reason']}"
    return ""


def print_json(document: Any) -> None:
    """Print one JSON document on a line of stdout, for scripts. A command that does prints nothing else there."""
    print(json.dumps(document, default=_plain), flush=True)


def _plain(value: Any) -> Any:
    """A value that JSON has not: DynamoDB's numbers are Decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def status_text(status: str) -> Text:
    return Text(status, style=STYLES.get(status, "dim"))


def table(*headings: str) -> Table:
    """An empty table of plain columns; the first one wraps anywhere."""
    empty = Table(*headings, box=None, pad_edge=False)
    empty.columns[0].overflow = "fold"
    return empty


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many}"


def ago(moment: str | None) -> str:
    """The time since a record's moment: 3 min ago."""
    if not moment:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def size(count: int) -> str:
    """Bytes in decimal units with three digits: 640 B, 41.3 kB, 2.98 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    decimals = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f} {unit}"


def printable(text: str) -> str:
    """Text from outside with every character replaced that could steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def printable_lines(text: str) -> str:
    """Like `printable`, but keeps line breaks, and tabs as spaces."""
    return "\n".join(printable(line) for line in text.expandtabs().splitlines())
