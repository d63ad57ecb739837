"""What draws attention in a picture: how much of it lies where, along each axis. A cheap measure, and no model.

Attention goes to colours that the picture's border does not have or that differ from those around them, to detail,
and to colours of skin. The weights were searched for on half of the scenes and photos of bench.pictures.gravity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import ImageChops, ImageFilter

from engine import resizing
from engine.pillow import Image

if TYPE_CHECKING:
    from engine.resizing import Box

# Pixels on the longer side: of the picture in which detail is measured, and of that in which attention is.
_FINE, _COARSE = 256, 48
# And of a picture with transparency, before its pixels are averaged.
_MOST_BLENDED = 1024
# How many colours stand for those of the border, and how wide it is, in pixels of the coarse picture.
_BORDER_COLOURS, _BORDER = 6, 2
# What the strongest difference in a picture is at least taken for: a flat one has nothing but noise.
_FAINT = 40
# The weights of skin and of detail; those of the two kinds of colour difference are 1.
_SKIN, _DETAIL = 0.25, 0.25
# This part of the picture, the one with the least attention, gets none; what is left counts to this power.
_IGNORED, _POWER = 0.7, 1.5
# How much less attention a corner gets than the centre, and how much less it counts at the edge of a window than in
# its middle: a subject should not be cut.
_CORNERS, _EDGES = 0.5, 0.8
# The attention of a pixel, on average, below which a picture is nearly flat.
_LITTLE = 0.03
# Windows that are tried, and what the best one must gain of all attention over the one in the middle.
_STEPS, _CLEAR = 64, 0.01

Profile = list[float]


def profiles(image: Image.Image) -> tuple[Profile, Profile]:
    """The attention in each part of a decoded image, from left to right and from top to bottom, 48 parts on the longer
    side. The sum is 1, or less where little draws attention."""
    fine = _flat(_reduced(image, _FINE, resizing.extent(image)))
    coarse = _reduced(fine, _COARSE)
    values = _attention(coarse, _detail(fine, coarse.size))
    width, height = coarse.size
    across = [sum(values[x::width]) for x in range(width)]
    down = [sum(values[y * width : (y + 1) * width]) for y in range(height)]
    total = max(sum(across), _LITTLE * width * height)
    return [value / total for value in across], [value / total for value in down]


def window(profile: Profile, length: float) -> float:
    """Where the window of this length starts, in fractions of the axis, that attention gains most by: in the middle
    unless the gain is clear."""
    middle = (1 - length) / 2
    starts = [(1 - length) * step / _STEPS for step in range(_STEPS + 1)]
    gains = [_gain(profile, start, length) for start in starts]
    best = max(range(_STEPS + 1), key=lambda step: (round(gains[step], 6), -abs(starts[step] - middle)))
    return starts[best] if gains[best] - gains[_STEPS // 2] >= _CLEAR else middle


def _gain(profile: Profile, start: float, length: float) -> float:
    """The attention within a window, less of it towards its edges."""
    cells, centre, half = len(profile), start + length / 2, length / 2
    total = 0.0
    for cell, value in enumerate(profile):
        away = abs((cell + 0.5) / cells - centre) / half
        inside = min(1.0, (1 - away) * half * cells + 0.5)  # the part of the cell that the window shows
        if inside > 0:
            total += value * inside * (1 - _EDGES * min(1.0, away) ** 2)
    return total


def _attention(coarse: Image.Image, detail: Sequence[int]) -> list[float]:
    """The attention of each pixel."""
    border, around, skin = _from_border(coarse), _from_surroundings(coarse), _skin(coarse)
    strongest = [max(_FAINT, *each) for each in (border, around, skin, detail)]
    weights = [weight / most for weight, most in zip((1, 1, _SKIN, _DETAIL), strongest, strict=True)]
    sums = [
        b * weights[0] + a * weights[1] + s * weights[2] + d * weights[3]
        for b, a, s, d in zip(border, around, skin, detail, strict=True)
    ]
    floor = sorted(sums)[int(_IGNORED * (len(sums) - 1))]
    width, height = coarse.size
    columns = [_CORNERS * ((x + 0.5) / width * 2 - 1) ** 2 / 2 for x in range(width)]
    rows = [_CORNERS * ((y + 0.5) / height * 2 - 1) ** 2 / 2 for y in range(height)]
    places = (1 - column - row for row in rows for column in columns)
    return [max(0.0, value - floor) ** _POWER * place for value, place in zip(sums, places, strict=True)]


def _from_border(coarse: Image.Image) -> list[int]:
    """How far each pixel's colour is from the nearest of the border's main colours."""
    width, height = coarse.size
    wide, tall = min(_BORDER, width), min(_BORDER, height)
    sides = Image.new("RGB", (2 * (width + height), max(wide, tall)))
    for left, box in (
        (0, (0, 0, width, tall)),
        (width, (0, height - tall, width, height)),
    ):
        sides.paste(coarse.crop(box).resize((width, sides.height), Image.Resampling.NEAREST), (left, 0))
    for left, box in (
        (2 * width, (0, 0, wide, height)),
        (2 * width + height, (width - wide, 0, width, height)),
    ):
        turned = coarse.crop(box).transpose(Image.Transpose.ROTATE_90)
        sides.paste(turned.resize((height, sides.height), Image.Resampling.NEAREST), (left, 0))
    colours = sides.quantize(_BORDER_COLOURS, Image.Quantize.MEDIANCUT)
    nearest = coarse.quantize(palette=colours, dither=Image.Dither.NONE).convert("RGB")
    red, green, blue = map(_values, ImageChops.difference(coarse, nearest).split())
    return [min(255, (r >> 1) + g + (b >> 1)) for r, g, b in zip(red, green, blue, strict=True)]


def _from_surroundings(coarse: Image.Image) -> list[int]:
    """How far each pixel's colour is from the mean around it."""
    mean = coarse.filter(ImageFilter.BoxBlur(_COARSE / 6))
    red, green, blue = map(_values, ImageChops.difference(coarse, mean).split())
    return [r + g + b for r, g, b in zip(red, green, blue, strict=True)]


def _skin(coarse: Image.Image) -> bytes:
    """255 where a colour may be that of skin, of any tone, less near the bounds (of Cb and Cr, after Chai and Ngan)."""
    luma, blue, red = coarse.convert("YCbCr").split()
    likely = ImageChops.multiply(blue.point(_trapezium(85, 95, 122, 130)), red.point(_trapezium(132, 140, 165, 178)))
    return _values(ImageChops.multiply(likely, luma.point(_trapezium(25, 50, 235, 250))))


def _trapezium(low: int, from_: int, to: int, high: int) -> list[int]:
    """A table: 0 up to `low` and from `high` on, 255 between `from_` and `to`."""

    def at(level: int) -> int:
        return max(0, min(255, 255 * (level - low) // (from_ - low), 255 * (high - level) // (high - to)))

    return [at(level) for level in range(256)]


def _detail(fine: Image.Image, size: tuple[int, int]) -> bytes:
    """How much of what is sharp lies in each pixel of a picture of `size`."""
    gray = fine.convert("L")
    sharp = ImageChops.difference(gray, gray.filter(ImageFilter.BoxBlur(2)))
    return _values(sharp.point([min(255, max(0, level - 3) * 6) for level in range(256)]).resize(size, _BOX))


_BOX = Image.Resampling.BOX


def _reduced(image: Image.Image, side: int, box: Box | None = None) -> Image.Image:
    """At most `side` pixels on the longer side, by averages."""
    if image.mode == "RGBA" and box and max(image.size) > _MOST_BLENDED:
        # Pillow multiplies every pixel by its alpha first: that of many takes longer than all the rest.
        image = image.resize(_sides(box, _MOST_BLENDED), Image.Resampling.NEAREST, box)
        box = None
    box = box or (0, 0, *image.size)
    return image.resize(_sides(box, side), _BOX, box, reducing_gap=1.5)


def _sides(box: Box, longest: int) -> tuple[int, int]:
    """The width and height of a box, scaled down to at most `longest` pixels on the longer side."""
    left, top, right, bottom = box
    scale = min(1.0, longest / max(right - left, bottom - top))
    return max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))


def _flat(image: Image.Image) -> Image.Image:
    """In RGB, on gray: transparent pixels draw no attention."""
    if image.mode == "RGBA":
        image = resizing.flatten(image, "#808080")
    return image.convert("RGB")


def _values(image: Image.Image) -> bytes:
    return image.tobytes()
