"""Uploads on the terminal: live while they are under way, then a table of results."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from darkroom.terminal import printable, size, status_text
from darkroom.uploads import Upload

ROWS = 60
ACTIVE_ROWS = 10
EVERY_SECONDS = 5.0  # between two lines about work that takes long, where there is no terminal


def show(changes: Iterable[Upload], total: int, *, beside: bool = False) -> None:
    """Show uploads while they change: live on a terminal, else a line for each that ends.

    `beside`: on stderr, as stdout is for a document.
    """
    out = sys.stderr if beside else sys.stdout
    active: dict[str, Upload] = {}
    counts = Counter[str]()

    def view() -> RenderableType:
        return _view(active, counts, total)

    live = Live(get_renderable=view, console=Console(file=out), refresh_per_second=8, transient=True)
    with live if out.isatty() else contextlib.nullcontext():
        for upload in changes:
            active[upload.key] = upload
            if upload.over:
                del active[upload.key]
                counts[upload.status] += 1
                if not out.isatty():
                    print(_line(upload, counts.total(), total), file=out, flush=True)


@contextlib.contextmanager
def counting(what: str, total: int | None = None, *, every: float = EVERY_SECONDS) -> Iterator[Callable[[int], None]]:
    """Show the progress of a `with` block, which calls what it is given with the number of things just done.

    On a terminal: live; else a line every so many seconds. On stderr, so that stdout holds results only.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda number: bar.advance(task, number)
        return
    started = told = time.monotonic()
    done = 0

    def tick(number: int) -> None:
        nonlocal done, told
        done += number
        if (now := time.monotonic()) - told >= every:
            told = now
            print(_pace(what, done, total, now - started), file=sys.stderr, flush=True)

    yield tick


def _pace(what: str, done: int, total: int | None, seconds: float) -> str:
    """How far a long work is, how fast it goes and, if its end is known, how long it will still take."""
    rate = done / seconds
    left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
    return f"{what}: {done:,}{f' of {total:,}' if total else ''}, {rate:.0f} a second{left}"


def results(uploads: list[Upload]) -> RenderableType:
    """A table of results, then the reasons. Shows at most ROWS uploads, but every one that did not succeed."""
    troubled = [upload for upload in uploads if upload.status != "SUCCEEDED"]
    succeeded = [upload for upload in uploads if upload.status == "SUCCEEDED"]
    shown = [*succeeded[: max(0, ROWS - len(troubled))], *troubled]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("Source", overflow="fold")
    table.add_column("Status", no_wrap=True)
    for heading in ("Renditions", "Before", "After", "Seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for upload in shown:
        renditions, after = "", ""
        if upload.status == "SUCCEEDED" and upload.record:
            result = upload.record["result"]
            renditions, after = str(result["renditions"]), size(result["bytes_out"])
        name, status = Text(printable(upload.source)), status_text(upload.status)
        table.add_row(name, status, renditions, size(upload.size), after, f"{upload.seconds:.1f}")
    parts: list[RenderableType] = [Text(), table]
    if len(shown) < len(uploads):
        parts.append(Text(f"... and {len(uploads) - len(shown)} more that succeeded", style="dim"))
    parts.append(Text())
    for upload in troubled:
        if upload.reason:
            parts.append(
                Text.assemble((printable(upload.source), "bold"), f": {upload.code}: ", printable(upload.reason))
            )
    return Group(*parts)


def _line(upload: Upload, number: int, total: int) -> str:
    why = f": {upload.code}: {upload.reason}" if upload.status != "SUCCEEDED" and upload.reason else ""
    return printable(f"{number}/{total} {upload.source} {upload.status} in {upload.seconds:.1f} s{why}")


def _view(active: dict[str, Upload], counts: Counter[str], total: int) -> RenderableType:
    """The live view: a bar, the number of uploads per status, and the oldest that are under way."""
    done = counts.total()
    head = Table.grid(padding=(0, 2, 0, 0))
    by_status = Text.assemble(*(part for status, n in counts.items() for part in (f"  {n} ", status_text(status))))
    head.add_row(ProgressBar(total=total, completed=done, width=32), Text(f"{done}/{total}"), by_status)
    rows = Table.grid(padding=(0, 2, 0, 0))
    for upload in sorted(active.values(), key=lambda upload: upload.started)[:ACTIVE_ROWS]:
        name = Text(printable(upload.source), overflow="ellipsis", no_wrap=True)
        rows.add_row("  ", name, status_text(upload.status), f"{time.time() - upload.started:.1f} s")
    return Group(head, rows)
