"""Placeholders: what a page shows until the image has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blurhash  # type: ignore[import-untyped]
from PIL import Image

from engine import gamut
from engine.resizing import flatten

if TYPE_CHECKING:
    from contracts import Placeholder


def placeholder(image: Image.Image, background: str = "#ffffff") -> Placeholder:
    """The BlurHash and the dominant colour of an image, on a background "#rrggbb"."""
    small = flatten(image, background).convert("RGB")
    small.thumbnail((32, 32), Image.Resampling.BOX)
    small = gamut.to_srgb(small)
    rows = [[small.getpixel((x, y)) for x in range(small.width)] for y in range(small.height)]
    components = (4, 3) if small.width >= small.height else (3, 4)
    few = small.quantize(8, Image.Quantize.MEDIANCUT)
    counts = few.histogram()
    dominant = counts.index(max(counts)) * 3
    color = bytes(few.getpalette() or [])[dominant : dominant + 3]
    return {"blurhash": blurhash.encode(rows, *components), "color": f"#{color.hex()}"}
