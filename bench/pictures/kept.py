"""What outputs keep of a photographer's metadata, as another program reads it. `python -m bench.pictures.kept`

The fixtures of the tests (every source format, EXIF, IPTC-IIM and XMP in many encodings and languages, hostile texts)
become outputs in all four formats. ExifTool reads these if it is installed; else a small reader of our own does.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.bars import Bar, at_least, report
from bench.photos import SHARED
from bench.process import ROOT
from darkroom import samples

sys.path.insert(0, str(ROOT / "functions"))

from contracts import Format, SourceFormat
from engine import containers, decoding, encoding, metadata, placeholder, reuse, sandbox, thumbhash, xmp
from engine.rejection import FORMATS
from pipeline import recipes
from tests.unit.described import SECRET, fixtures
from tests.unit.stated import stated

ALL = ["rights", "ai", "alt"]
OUTPUTS: tuple[Format, ...] = ("avif", "webp", "jpeg", "png")
# ExifTool's names, with those of our facts.
NAMES = {
    "XMP-dc:Creator": "creator",
    "XMP-photoshop:Credit": "credit",
    "XMP-dc:Rights": "copyright",
    "XMP-xmpRights:WebStatement": "licence",
    "XMP-plus:Licensor": "licensor",
    "XMP-iptcExt:DigitalSourceType": "digital_source_type",
    "XMP-iptcCore:AltTextAccessibility": "alt",
}
# What ExifTool says of every file: of itself, of the file, of its format.
_OWN = ("SourceFile", "ExifTool:", "System:", "File:", "Composite:", "PNG:", "RIFF:", "JFIF:", "Meta:", "QuickTime:")


def bars() -> list[Bar]:
    """Print what was kept, and what placeholders and reading cost."""
    with tempfile.TemporaryDirectory() as folder:
        expected = _make(Path(folder))
        reader, found = _read(Path(folder))
        leaks = sum(SECRET.encode() in (Path(folder) / name).read_bytes() for name in expected)
    fields = sum(len(_flat(kept)) for kept in expected.values())
    kept_fields = sum(_agreeing(expected[name], found[name]) for name in expected)
    leaks += sum(bool(found[name].get("others")) for name in expected)
    hashing, gradients = _placeholder_cost()
    table = Table("what was written", "", title=f"Metadata, read by {reader}")
    table.add_row("outputs", str(len(expected)))
    table.add_row("fields that must be kept", str(fields))
    table.add_row("fields that were", str(kept_fields))
    table.add_row("outputs with anything else", str(leaks))
    table.add_row("ThumbHash, ms", f"{hashing:.2f}")
    table.add_row("gradient, ms", f"{gradients:.2f}")
    for name, cost in _reading_cost():
        table.add_row(f"reading {name}, ms", f"{cost:.2f}")
    Console().print(table)
    return [
        Bar("kept-whitelist", kept_fields / fields, 1, at_least),
        Bar("kept-leaks", leaks, 0),
        Bar("thumbhash-ms", round(hashing, 3), 2),
    ]


def _make(folder: Path) -> dict[str, dict[str, Any]]:
    """Write the outputs of every fixture; what each must say, by its name."""
    recipe: Any = recipes.route(recipes.load(), "raw/x") | {"keep": ALL}
    limits: Any = recipe["limits"] | {"formats": list(FORMATS)}
    expected: dict[str, dict[str, Any]] = {}
    for fixture, (_, content, kept) in fixtures().items():
        facts = sandbox.inspect(content, recipe, limits, 2000)
        packet = metadata.packet(facts, ALL)
        for format_ in OUTPUTS:
            name = f"{fixture}.{format_}"
            made = encoding.encode(decoding.decode(content, recipe["sizes"]), format_, recipe, packet)
            (folder / name).write_bytes(made)
            expected[name] = kept
            own = reuse.Original(facts, recipe, ["small"], len(content), partial(bytes, content)).own(format_, packet)
            if own is not None:  # the source's own bytes can be a rendition too
                (folder / f"own-{name}").write_bytes(own)
                expected[f"own-{name}"] = kept
    return expected


def _flat(kept: dict[str, Any]) -> dict[str, Any]:
    return {**kept.get("rights", {}), **{name: value for name, value in kept.items() if name != "rights"}}


def _agreeing(expected: dict[str, Any], found: dict[str, Any]) -> int:
    return sum(found.get(name) == value for name, value in _flat(expected).items())


def _read(folder: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """The reader's name; by file, what it states, flat, and as "others" what it should not."""
    program = shutil.which("exiftool")
    if not program:
        return "our own reader", {path.name: _flat(stated(path.read_bytes())) for path in folder.iterdir()}
    command = [program, "-json", "-struct", "-n", "-G1", "-charset", "utf8", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")  # noqa: S603
    return "ExifTool", {Path(entry["SourceFile"]).name: _of_exiftool(entry) for entry in json.loads(run.stdout)}


def _of_exiftool(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, value in entry.items():
        field = NAMES.get(tag)
        if field == "creator":
            found[field] = [str(name) for name in value] if isinstance(value, list) else [str(value)]
        elif field == "licensor":
            found[field] = value[0]["LicensorURL"]
        elif field:
            found[field] = str(value)
        elif not tag.startswith(_OWN) or "GPS" in tag or "Serial" in tag:
            found.setdefault("others", []).append(tag)
    return found


# --------------------------------------------------------------------------- what it costs


def _photos() -> Iterator[bytes]:
    yield samples.photo(1600, 1200, 0)
    yield samples.photo(900, 1200, 2)
    for path in sorted(SHARED.glob("*")) if SHARED.is_dir() else []:
        yield path.read_bytes()


def _placeholder_cost() -> tuple[float, float]:
    """Milliseconds for a ThumbHash and for a gradient: the worst picture's median."""
    pictures = []
    for content in _photos():
        with Image.open(BytesIO(content)) as image:
            image.draft("RGB", (64, 64))
            small = image.convert("RGBA" if image.has_transparency_data else "RGB")
        small.thumbnail((32, 32), Image.Resampling.BOX)
        pictures.append(small)
    flat = [picture.convert("RGB") for picture in pictures]
    return (
        max(_milliseconds(partial(thumbhash.encode, picture)) for picture in pictures),
        max(_milliseconds(partial(placeholder.gradient, picture)) for picture in flat),
    )


def _reading_cost() -> Iterator[tuple[str, float]]:
    """Milliseconds that reading metadata adds to a source: without any, and with all of it."""
    _, laden, _ = fixtures()["all-three"]
    for name, content in (("a plain photo", samples.photo(1600, 1200, 0)), ("EXIF, IPTC and XMP", laden)):
        format_ = containers.format_of(content, FORMATS)
        for keep in (["ai", "alt"], ALL):
            yield f"{name} for {' and '.join(keep)}", _milliseconds(partial(_metadata, content, format_, keep))


def _metadata(content: bytes, format_: SourceFormat, keep: list[str]) -> metadata.Kept:
    image = decoding.open_image(content, format_)
    return metadata.read(image, content, format_, keep, xmp.read(image, content, format_))


def _milliseconds(call: Callable[[], object], times: int = 15) -> float:
    """The median of the CPU time."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken)


if __name__ == "__main__":
    sys.exit(report(bars()))
