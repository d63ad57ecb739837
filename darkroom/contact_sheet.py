"""The contact sheet: one self-contained HTML page with every source beside its renditions."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from darkroom.terminal import printable, size
from darkroom.uploads import local_path

INDEX, SUMMARY, SAMPLES = "index.html", "summary.json", "samples"
# What browsers show in an <img>, by the format that the manifest names; the others are shown by a rendition.
SHOWN_BY_BROWSERS = {"jpeg", "png", "webp", "gif", "avif"}
# Of a rendition's formats the one to show: all browsers know WebP and JPEG, and both decode fast.
PREFERRED = ("webp", "jpeg", "png", "avif")

LABELS = {"avif": "AVIF", "webp": "WebP", "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "tiff": "TIFF"}

Summary = dict[str, Any]


def read_summary(out: Path) -> Summary | None:
    """The summary that an earlier demo left in `out`, or None if there is none, or none of ours."""
    try:
        summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(summary, dict) and {"uploaded", "succeeded", "rejected", "failed", "jobs"} <= summary.keys()
    return summary if ours else None


def write_report(out: Path, photos: Path, summary: Summary) -> Path:
    """Write the contact sheet of a demo's output and return its path.

    `photos` is the folder that the summary's sources are relative to; a source that is not there any more, or
    that browsers do not show, is represented by its smallest rendition.
    """
    rows = [_job(number, job, out, photos) for number, job in enumerate(summary["jobs"], start=1)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"size": size, "change": change}
    path = out / INDEX
    stream = environment.get_template("contact_sheet.html.j2").stream(
        developed=[row for row in rows if row["frames"]],
        refused=[row for row in rows if not row["frames"]],
        totals=_totals(rows, summary),
    )
    stream.enable_buffering(200)
    with path.open("wb") as file:
        stream.dump(file, encoding="utf-8")
    return path


def change(before: int, after: int) -> str:
    """How much smaller or larger something has become: 76 % less, 12 % more."""
    if not before:
        return ""
    share = 100 * abs(before - after) // before  # rounded down: nothing is 100 % less
    return f"{share}\N{NO-BREAK SPACE}% {'less' if after <= before else 'more'}"


def _totals(rows: list[dict[str, Any]], summary: Summary) -> dict[str, Any]:
    developed = [row for row in rows if row["frames"]]
    return {
        **{name: summary[name] for name in ("uploaded", "succeeded", "rejected", "failed", "seconds")},
        "files": sum(row["files"] for row in developed),
        "bytes_in": sum(row["bytes_in"] for row in developed),
        "bytes_out": sum(row["bytes_out"] for row in developed),
    }


def _job(number: int, job: dict[str, Any], out: Path, photos: Path) -> dict[str, Any]:
    """What the page shows of one job: source and frames (renditions by name, largest first), or the refusal."""
    original = photos / job["source"]
    row: dict[str, Any] = {
        "number": number,
        "name": printable(job["source"]),
        "status": job["status"],
        "code": job["code"],
        "reason": job["reason"],
        "seconds": job["seconds"],
        "original": _href(original, out) if original.is_file() else None,
        "frames": [],
    }
    if not job["manifest"]:
        return row
    manifest = json.loads((out / job["manifest"]).read_text(encoding="utf-8"))
    source, renditions = manifest["source"], manifest["renditions"]
    frames = _frames(renditions, out)
    shown = row["original"] if source.get("format") in SHOWN_BY_BROWSERS else None
    return row | {
        "frames": frames,
        "format": LABELS.get(source["format"], source["format"]),
        "preview": shown or frames[-1]["src"],
        "source": source,
        "color": _color(manifest.get("placeholder", {}).get("color")),
        "transparent": bool(source.get("has_alpha")),
        "files": len(renditions),
        "bytes_in": source["size"],
        "bytes_out": sum(rendition["bytes"] for rendition in renditions),
        "manifest": _href(out / job["manifest"], out),
    }


def _frames(renditions: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Renditions by name, largest first, each with its files from the smallest up and the one to show."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for rendition in renditions:
        by_name.setdefault(rendition["name"], []).append(rendition)
    frames = [
        {
            "name": name,
            "width": files[0]["width"],
            "height": files[0]["height"],
            "width_rem": _shown_width(files[0]["width"], files[0]["height"]),
            "src": _href(local_path(out, min(files, key=_preference)["key"]), out),
            "files": [
                {
                    "label": LABELS.get(file["format"], file["format"]),
                    "bytes": file["bytes"],
                    "href": _href(local_path(out, file["key"]), out),
                }
                for file in sorted(files, key=lambda file: int(file["bytes"]))
            ],
        }
        for name, files in by_name.items()
    ]
    return sorted(frames, key=lambda frame: -max(frame["width"], frame["height"]))


def _shown_width(width: int, height: int) -> float:
    """How wide to show a rendition, in rem: larger ones larger, but so that the smallest can be seen as well."""
    longer = min(17.0, max(5.5, 5.5 + 4.2 * math.log2(max(width, height) / 240)))
    return round(longer * min(1.0, width / height), 2)


def _preference(rendition: dict[str, Any]) -> int:
    return PREFERRED.index(rendition["format"]) if rendition["format"] in PREFERRED else len(PREFERRED)


def _color(color: object) -> str:
    """The placeholder colour, if it is one: it is written into a style."""
    return color if isinstance(color, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", color) else "#2a2522"


def _href(path: Path, out: Path) -> str:
    """A link from the page in `out` to a file: relative, so that the folder can move, and percent-encoded."""
    try:
        relative = os.path.relpath(path.resolve(), out.resolve())
    except ValueError:  # another drive
        return path.resolve().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))
