"""Uploads on the terminal: live while they are on their way, and a table of what became of them."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from darkroom.terminal import printable, size, status_text
from darkroom.uploads import Upload

ROWS = 60
ACTIVE_ROWS = 10


@contextlib.contextmanager
def progress(uploads: list[Upload]) -> Iterator[Callable[[Upload], None]]:
    """Show uploads on their way: live on a terminal, else a line for each that has ended."""
    if not sys.stdout.isatty():
        finished = iter(range(1, len(uploads) + 1))
        yield lambda upload: _line(upload, finished, len(uploads)) if upload.over else None
        return
    active: dict[str, Upload] = {}
    ended = Counter[str]()

    def note(upload: Upload) -> None:
        active[upload.key] = upload
        if upload.over:
            del active[upload.key]
            ended[upload.status] += 1

    view = Live(get_renderable=lambda: _picture(active, ended, len(uploads)), refresh_per_second=8, transient=True)
    with view:
        yield note


def _line(upload: Upload, finished: Iterator[int], total: int) -> None:
    what = f": {upload.code}: {upload.reason}" if upload.status != "SUCCEEDED" and upload.reason else ""
    print(
        printable(
            f"{next(finished)}/{total} {upload.source} {upload.status} in {upload.seconds:.1f} s{what}",
        ),
        flush=True,
    )


def _picture(active: dict[str, Upload], ended: Counter[str], total: int) -> RenderableType:
    """The live view: a bar, the counts, and the uploads that are on their way."""
    done = sum(ended.values())
    head = Table.grid(padding=(0, 2, 0, 0))
    counts = Text.assemble(*(part for status, n in ended.items() for part in (f"  {n} ", status_text(status))))
    head.add_row(ProgressBar(total=total, completed=done, width=32), Text(f"{done}/{total}"), counts)
    rows = Table.grid(padding=(0, 2, 0, 0))
    for upload in sorted(active.values(), key=lambda upload: upload.started)[:ACTIVE_ROWS]:
        name = Text(printable(upload.source), overflow="ellipsis", no_wrap=True)
        rows.add_row("  ", name, status_text(upload.status), f"{time.time() - upload.started:.1f} s")
    return Group(head, rows)


def results(uploads: list[Upload]) -> RenderableType:
    """The table of results, with the reasons below it; of a large folder, first what did not succeed."""
    troubled = [upload for upload in uploads if upload.status != "SUCCEEDED"]
    fine = [upload for upload in uploads if upload.status == "SUCCEEDED"]
    shown = [*fine[: max(0, ROWS - len(troubled))], *troubled]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("Source", overflow="fold")
    table.add_column("Status", no_wrap=True)
    for heading in ("Renditions", "Before", "After", "Seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for upload in shown:
        cells = ["", size(upload.size), ""]
        if upload.status == "SUCCEEDED":
            cells = [str(upload.result["renditions"]), cells[1], size(int(upload.result["bytes_out"]))]
        table.add_row(Text(printable(upload.source)), status_text(upload.status), *cells, f"{upload.seconds:.1f}")
    parts: list[RenderableType] = [Text(), table]
    if len(shown) < len(uploads):
        parts.append(Text(f"... and {len(uploads) - len(shown)} more that succeeded", style="dim"))
    parts.append(Text())
    parts += [_why(upload) for upload in troubled if upload.reason]
    return Group(*parts)


def _why(upload: Upload) -> Text:
    """What a person can do about an upload that did not succeed."""
    name, reason = printable(upload.source), printable(upload.reason or "")
    return Text.assemble((name, "bold"), f": {upload.code}: ", reason)
