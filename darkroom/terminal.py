"""Words for people: job records, sizes and moments as a terminal shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from darkroom.records import Record


def story(record: Record) -> str:
    """What happened to a job, in a sentence."""
    failure = record.get("last_failure") or {}
    if record["status"] == "SUCCEEDED":
        result = record.get("result") or {}
        return (
            f"{result.get('renditions', '?')} renditions, {size(result.get('bytes_in', 0))} in, "
            f"{size(result.get('bytes_out', 0))} out"
        )
    if record.get("reason"):
        return f"{record.get('code', '')}: {record['reason']}"
    if failure:
        what = f"{failure.get('code')}: {failure.get('reason')}"
        return f"last attempt failed in {failure.get('state', '?')}: {what}"
    return ""


STYLES = {
    "SUCCEEDED": "green",
    "REJECTED": "yellow",
    "FAILED": "bold red",
    "UNACCOUNTED": "bold red",
    "PROCESSING": "cyan",
}


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=STYLES.get(status, "dim"))


def ago(moment: str | None) -> str:
    """A record's moment as the time since, as people say it."""
    if not moment:
        return ""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def size(count: int) -> str:
    """Bytes in decimal units with three digits, as people read them: 640 B, 41.3 kB, 2.98 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    if unit == "B":
        return f"{count} B"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def printable(text: str) -> str:
    """Text from outside that is safe to print: what could steer a terminal is replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
