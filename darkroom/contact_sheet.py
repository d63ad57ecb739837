"""The contact sheet: a self-contained HTML page with every source beside its renditions."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote

import jinja2

from darkroom.summary import Summary, SummaryJob
from darkroom.terminal import printable, size
from darkroom.uploads import local_path

if TYPE_CHECKING:
    from contracts import Manifest, Rendition

INDEX, SAMPLES = "index.html", "samples"
SHOWN_BY_BROWSERS = {"jpeg", "png", "webp", "gif", "avif"}  # source formats; a rendition stands for the others
# It is written into a style: a colour or gradients, as Darkroom writes them, and nothing else.
_TONE = re.compile(r"(?:radial-gradient\(at [0-9 %]+,#[0-9a-f]{6},#0000 [0-9]+%\),)*#[0-9a-fA-F]{6}")
PREFERRED = ("webp", "jpeg", "png", "avif")  # the format to show: all browsers know WebP and JPEG, both decode fast


# One job on the page.
class Row(SummaryJob):
    number: int  # from 1
    name: str  # its source, printable
    original: str | None  # link to the source, if it is still there


# One rendition in all its formats.
class Frame(TypedDict):
    shown: Rendition
    files: list[Rendition]  # smallest first
    width_rem: float  # on the page


# A job with its set.
class DevelopedRow(Row):
    document: Manifest
    preview: str  # link to the source, or to the rendition in its place
    tone: str  # behind images that are loading: a value of CSS's `background`
    frames: list[Frame]  # largest first
    bytes_out: int


def write_contact_sheet(out: Path, photos: Path, summary: Summary) -> Path:
    """Write the contact sheet of a demo's output and return its path.

    `photos` is the folder of the summary's sources. The smallest rendition stands for a source that is gone or that
    browsers do not show.
    """
    jobs = list(enumerate(summary["jobs"], start=1))
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"size": size, "change": change, "href": lambda key: _href(local_path(out, key), out)}
    page = environment.get_template("contact_sheet.html.j2").stream(
        developed=[_developed(_row(number, job, out, photos), out) for number, job in jobs if job["manifest"]],
        refused=[_row(number, job, out, photos) for number, job in jobs if not job["manifest"]],
        summary=summary,
        labels={name: name.upper() for name in (*SHOWN_BY_BROWSERS, "heic", "tiff")} | {"webp": "WebP"},
    )
    page.enable_buffering(200)
    page.dump(str(out / INDEX), encoding="utf-8")
    return out / INDEX


def change(before: int, after: int) -> str:
    """How much smaller or larger something has become: 76 % less, 12 % more."""
    if not before:
        return ""
    share = 100 * abs(before - after) // before  # rounded down: nothing is 100 % less
    return f"{share}\N{NO-BREAK SPACE}% {'less' if after <= before else 'more'}"


def _row(number: int, job: SummaryJob, out: Path, photos: Path) -> Row:
    original = photos / job["source"]
    link = _href(original, out) if original.is_file() else None
    return {**job, "number": number, "name": printable(job["source"]), "original": link}


def _developed(row: Row, out: Path) -> DevelopedRow:
    manifest: Manifest = json.loads((out / str(row["manifest"])).read_text(encoding="utf-8"))
    frames = _frames(manifest["renditions"])
    shown = row["original"] if manifest["source"]["format"] in SHOWN_BY_BROWSERS else None
    placeholder = manifest["placeholder"]
    tone = placeholder.get("css", placeholder["color"])  # older sets have no gradient
    return {
        **row,
        "document": manifest,
        "preview": shown or _href(local_path(out, frames[-1]["shown"]["key"]), out),
        "tone": tone if _TONE.fullmatch(tone) else "#2a2522",
        "frames": frames,
        "bytes_out": sum(rendition["bytes"] for rendition in manifest["renditions"]),
    }


def _frames(renditions: list[Rendition]) -> list[Frame]:
    by_name: dict[str, list[Rendition]] = {}
    for rendition in renditions:
        by_name.setdefault(rendition["name"], []).append(rendition)
    frames: list[Frame] = [
        {
            "shown": min(files, key=lambda file: PREFERRED.index(file["format"])),
            "files": sorted(files, key=lambda file: file["bytes"]),
            "width_rem": _shown_width(files[0]["width"], files[0]["height"]),
        }
        for files in by_name.values()
    ]
    return sorted(frames, key=lambda frame: -max(frame["shown"]["width"], frame["shown"]["height"]))


def _shown_width(width: int, height: int) -> float:
    """How wide to show a rendition, in rem: larger ones larger, but the smallest not too small to see."""
    longer = min(17.0, max(5.5, 5.5 + 4.2 * math.log2(max(width, height) / 240)))
    return round(longer * min(1.0, width / height), 2)


def _href(path: Path, out: Path) -> str:
    """A percent-encoded link from the page in `out` to a file: relative, so that the folder can move."""
    return quote(os.fsencode(os.path.relpath(path.resolve(), out.resolve())))
