"""Colours against a written reference: 24 patches in each encoding, by CIEDE2000. `python -m bench.pictures.colour`

The patches, their encodings and the reference are those of the tests: tests/unit/colour_patches.py. What tone mapping
and wide gamuts cost is measured on a picture made here.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.bars import Bar, report
from engine import cicp, decoding
from tests.unit.colour_patches import ENCODINGS, coded_png, differences
from tests.unit.pictures import data

# Of the largest of 24: for PQ and HLG, whose levels of 8 bits are coarse, and for the others.
LIMIT_HDR, LIMIT = 3.0, 2.0
# What the issue names; the others are the same colours in a file of another format.
NAMED = ("p3-icc", "p3-nclx", "bt2020", "pq", "hlg", "adobe-rgb", "cmyk", "gray")
# Milliseconds of CPU per megapixel for the conversion alone, on top of decoding the same pixels as sRGB.
LIMIT_MS = 150.0
_SIDE, _RUNS = 1024, 5
_SIZES: Any = {"all": {"width": _SIDE, "height": _SIDE, "fit": "inside"}}


def bars() -> list[Bar]:
    table = Table("Encoding", "mean dE00", "largest", "in Display P3", "limit", title="24 patches")
    found = []
    for name in ENCODINGS:
        in_srgb, in_p3 = differences(name), differences(name, "p3")
        limit = LIMIT_HDR if name.startswith(("pq", "hlg")) else LIMIT
        mean = sum(in_srgb) / len(in_srgb)
        table.add_row(name, *(f"{value:.2f}" for value in (mean, max(in_srgb), max(in_p3))), f"{limit:g}")
        if name in NAMED:
            found.append(Bar(f"colour-de00-{name}", round(max(in_srgb + in_p3), 2), limit))
        elif max(in_srgb + in_p3) > limit:
            found.append(Bar(f"colour-de00-{name}", max(in_srgb + in_p3), limit))
    Console().print(table)
    return [*found, Bar("colour-hdr-ms-per-mp", round(tone_mapping()), LIMIT_MS)]


def tone_mapping() -> float:
    """The dearest conversion's milliseconds of CPU per megapixel."""
    noise = [Image.effect_noise((_SIDE, _SIDE), 90).rotate(angle) for angle in (0, 90, 180)]
    image = Image.merge("RGB", noise)
    kinds = {"sRGB": (1, 13), "Display P3": (12, 13), "PQ": (9, 16), "HLG": (9, 18)}
    files = {
        name: data(image, "PNG", compress_level=0) if name == "sRGB" else coded_png(image, *codes)
        for name, codes in kinds.items()
    }
    times: dict[str, list[float]] = {name: [] for name in files}
    cicp.tone_mapping.cache_clear()
    first = {name: _decoded(content) for name, content in files.items()}
    for _ in range(_RUNS):  # in turn, so that all have the same neighbours
        for name, content in files.items():
            times[name].append(_decoded(content))
    table = Table("Source", "first, ms", "later, ms", "ms per megapixel", title=f"Decode of {_SIDE} x {_SIDE}, PNG")
    cost = {name: 1000 * (median(each) - median(times["sRGB"])) / (_SIDE**2 / 1e6) for name, each in times.items()}
    for name, each in times.items():
        table.add_row(name, f"{1000 * first[name]:.0f}", f"{1000 * median(each):.0f}", f"{cost[name]:.0f}")
    Console().print(table)
    return max(cost.values())


def _decoded(content: bytes) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    decoding.decode(content, _SIZES)
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(report(bars()))
