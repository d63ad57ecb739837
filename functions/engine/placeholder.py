"""Placeholders: what a page shows until the image has loaded."""

from __future__ import annotations

import base64
import functools
import math
from typing import TYPE_CHECKING

import blurhash  # type: ignore[import-untyped]
from PIL import Image

from engine import gamut, thumbhash
from engine.resizing import flatten

if TYPE_CHECKING:
    from contracts import Placeholder


def placeholder(image: Image.Image, background: str = "#ffffff") -> Placeholder:
    """The BlurHash, the ThumbHash, a CSS gradient and the dominant colour of an image.

    All but the ThumbHash are on a background "#rrggbb".
    """
    clear = image.convert("RGBA" if image.mode == "RGBA" else "RGB")
    clear.thumbnail((32, 32), Image.Resampling.BOX)
    clear = gamut.to_srgb(clear)
    small = flatten(clear, background)
    rows = [[small.getpixel((x, y)) for x in range(small.width)] for y in range(small.height)]
    components = (4, 3) if small.width >= small.height else (3, 4)
    few = small.quantize(8, Image.Quantize.MEDIANCUT)
    counts = few.histogram()
    dominant = counts.index(max(counts)) * 3
    color = bytes(few.getpalette() or [])[dominant : dominant + 3]
    return {
        "blurhash": blurhash.encode(rows, *components),
        "thumbhash": base64.b64encode(thumbhash.encode(clear)).decode(),
        "css": gradient(small),
        "color": f"#{color.hex()}",
    }


# --------------------------------------------------------------------------- a gradient that needs no script

# Six spots, as parts of the width and the height, on a ground of one colour. The first is painted last.
_SPOTS = [(0.5, 0.0), (0.5, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
_REACH = 0.6  # of the way to the farthest corner: there a spot is clear. Of 0.4 to 1 it is nearest to ten photos
_GRID = (9, 6)  # parts of the picture that are compared
_DAMPING = 0.05  # keeps a colour from going to an extreme for the sake of little


def gradient(image: Image.Image) -> str:
    """A value for CSS's `background`, of some 280 bytes, as near to an image of mode RGB as six spots can be."""
    upright = image.height > image.width
    grid = _GRID[::-1] if upright else _GRID
    pixels = image.resize(grid, Image.Resampling.BOX)
    ground, *spots = (
        "#" + bytes(min(255, max(0, round(level))) for level in levels).hex()
        for levels in zip(*(_fitted(list(channel.tobytes()), upright) for channel in pixels.split()), strict=True)
    )
    places = [(y, x) if upright else (x, y) for x, y in _SPOTS]
    layers = [
        f"radial-gradient(at {_percent(x)} {_percent(y)},{color},#0000 {_percent(_REACH)})"
        for (x, y), color in zip(places, spots, strict=True)
    ]
    return ",".join([*layers, ground])


def _percent(part: float) -> str:
    return f"{part:.0%}" if part else "0"


def _fitted(levels: list[int], upright: bool) -> list[float]:
    """One channel of the colours of the ground and the spots."""
    average = sum(levels) / len(levels)
    beyond = [level - average for level in levels]
    return [average + thumbhash.product(shares, beyond) for shares in _shares(upright)]


@functools.cache
def _shares(upright: bool) -> list[list[float]]:
    """How much each part of the picture counts in each colour, by least squares: what is painted is linear in them."""
    columns, rows = _GRID[::-1] if upright else _GRID
    points = [((x + 0.5) / columns, (y + 0.5) / rows) for y in range(rows) for x in range(columns)]
    visible = list(zip(*(_visible(y, x) if upright else _visible(x, y) for x, y in points), strict=True))
    matrix = [
        [thumbhash.product(one, other) + _DAMPING * (one is other) for other in visible] + list(one) for one in visible
    ]
    for pivot, row in enumerate(matrix):  # Gauss and Jordan's elimination
        row[:] = [value / row[pivot] for value in row]
        for other in matrix:
            if other is not row:
                factor = other[pivot]
                other[:] = [value - factor * own for value, own in zip(other, row, strict=True)]
    return [row[len(visible) :] for row in matrix]


def _visible(x: float, y: float) -> list[float]:
    """How much of the ground and of each spot shows at a point: 1 in all.

    An ellipse reaches the farthest corner at the square root of 2 times its distance to the farthest sides.
    """
    left, shown = 1.0, []
    for across, down in _SPOTS:
        distance = math.hypot((x - across) / max(across, 1 - across), (y - down) / max(down, 1 - down)) / math.sqrt(2)
        part = max(0.0, 1 - distance / _REACH)
        shown.append(left * part)
        left *= 1 - part
    return [left, *shown]
