"""Pictures of five sorts, made: photo-like scenes, drawings, lettering, grain and flat colour.

The same sort, size and seed give the same pixels. Pillow alone: no file is read, no font but Pillow's own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from darkroom import samples

Size = tuple[int, int]  # width, height in pixels
Colour = tuple[int, int, int]
_WORDS = [
    *("light", "lens", "shutter", "aperture", "contrast", "negative", "enlarger", "paper", "tray", "stop", "bath"),
    *("rinse", "hang", "dry", "print", "tone", "silver", "grain", "focus", "field", "depth", "frame", "the", "of"),
    *("and", "in", "by", "with", "a", "to", "from", "under", "over", "Open", "1984", "£12.50", "50 %", "NEW", "Sale!"),
]


def picture(sort: str, size: Size, seed: int) -> Image.Image:
    """A picture (RGB) of one of SORTS."""
    return SORTS[sort](size, random.Random(f"{sort}-{seed}"))


def _scene(size: Size, rng: random.Random) -> Image.Image:
    """A landscape of the samples, taken at a larger size, as a photo is."""
    factor = rng.choice((1.5, 2, 3))
    light = rng.choice((samples.DUSK, samples.NOON, samples.DAWN))
    scene = samples._landscape(round(size[0] * factor), round(size[1] * factor), rng, light)
    return scene.resize(size, Image.Resampling.LANCZOS)


def _drawing(size: Size, rng: random.Random) -> Image.Image:
    """Outlined shapes with flat or shaded fills, drawn at twice the size so that their edges are smooth."""
    width, height = (2 * side for side in size)
    image = Image.new("RGB", (width, height), _colour(rng, 120))
    draw = ImageDraw.Draw(image)
    unit = min(width, height)
    pen = rng.choice((0, unit // 300 + 1, unit // 120 + 1))
    ink = rng.choice(((0, 0, 0), (40, 30, 60), _colour(rng)))
    for _ in range(rng.randrange(25, 160)):
        x, y = rng.randrange(width), rng.randrange(height)
        reach = unit * rng.uniform(0.01, 0.25)
        fill = _colour(rng)
        kind = rng.random()
        if kind < 0.35:
            draw.ellipse((x - reach, y - reach * 0.7, x + reach, y + reach * 0.7), fill, ink if pen else None, pen)
        elif kind < 0.7:
            corners = sorted(rng.uniform(0, 2 * math.pi) for _ in range(rng.randrange(3, 9)))
            points = [(x + reach * math.cos(angle), y + reach * math.sin(angle)) for angle in corners]
            draw.polygon(points, fill, ink if pen else None, pen)
        elif kind < 0.85:
            points = [(x + rng.uniform(-2, 2) * reach, y + rng.uniform(-2, 2) * reach) for _ in range(6)]
            draw.line(points, fill, max(1, pen or unit // 200), joint="curve")
        else:
            side = max(2, round(reach * 1.5))
            shade = Image.linear_gradient("L").resize((side, side)).rotate(rng.choice((0, 90, 180, 270)))
            tint = Image.composite(
                Image.new("RGB", shade.size, fill), Image.new("RGB", shade.size, _colour(rng)), shade
            )
            image.paste(tint, (x, y))
    return image.resize(size, Image.Resampling.LANCZOS)


def _lettering(size: Size, rng: random.Random) -> Image.Image:
    """Lines of text in several sizes, black on white or coloured, as on a screen, a page or a poster."""
    paper, ink = rng.choice(
        (((255, 255, 255), (20, 20, 20)), ((28, 30, 38), (230, 230, 220)), (_colour(rng), _colour(rng)))
    )
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    y = 4.0
    while y < size[1]:
        points = rng.choice((10, 12, 12, 14, 14, 18, 28, 48))
        font = ImageFont.load_default(points)
        line = " ".join(rng.choice(_WORDS) for _ in range(60))
        fill = ink if rng.random() < 0.7 else _colour(rng)
        if rng.random() < 0.15:
            draw.rectangle((0, y, size[0], y + points * 1.3), fill=_colour(rng))
        draw.text((rng.uniform(2, 40), y), line, fill=fill, font=font)
        y += points * rng.uniform(1.25, 2.2)
    return image


def _grain(size: Size, rng: random.Random) -> Image.Image:
    """A scene with the noise of a sensor or the coarser grain of film, coloured or gray."""
    image = _scene(size, rng)
    strength, coarse, gray = rng.uniform(6, 28), rng.choice((0.0, 0.0, 0.5, 0.9)), rng.random() < 0.5
    bands = [_noise(size, rng, strength, coarse) for _ in range(1 if gray else 3)]
    return ImageChops.add(image, Image.merge("RGB", bands * (3 if gray else 1)), 1, -128)


def _flat(size: Size, rng: random.Random) -> Image.Image:
    """A few areas of one colour or of a smooth gradient, with sharp or soft borders: logos, skies, walls."""
    image = Image.new("RGB", size, _colour(rng))
    for _ in range(rng.randrange(1, 7)):
        side = (max(8, round(size[0] * rng.uniform(0.2, 1.2))), max(8, round(size[1] * rng.uniform(0.2, 1.2))))
        mask = Image.new("L", side)
        draw = ImageDraw.Draw(mask)
        shape = rng.choice((draw.ellipse, draw.rectangle))
        margin = min(side) // 8
        shape((margin, margin, side[0] - margin, side[1] - margin), fill=255)
        if rng.random() < 0.5:
            mask = mask.filter(ImageFilter.GaussianBlur(min(side) / rng.choice((6, 12, 40))))
        fill = Image.new("RGB", side, _colour(rng))
        if rng.random() < 0.4:
            fill = Image.composite(fill, Image.new("RGB", side, _colour(rng)), Image.linear_gradient("L").resize(side))
        image.paste(fill, (rng.randrange(-side[0] // 2, size[0]), rng.randrange(-side[1] // 2, size[1])), mask)
    return image


def _noise(size: Size, rng: random.Random, strength: float, coarse: float) -> Image.Image:
    """Gray noise around 128: `strength` is its standard deviation, `coarse` the radius of its grains."""
    noise = Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
    if coarse:
        noise = noise.filter(ImageFilter.GaussianBlur(coarse))
        strength *= 1 + 1.5 * coarse
    return noise.point([128 + round((value - 128) * strength / 74) for value in range(256)])


def _colour(rng: random.Random, least: int = 0) -> Colour:
    return rng.randrange(least, 256), rng.randrange(least, 256), rng.randrange(least, 256)


SORTS: dict[str, Callable[[Size, random.Random], Image.Image]] = {
    "scene": _scene,
    "drawing": _drawing,
    "lettering": _lettering,
    "grain": _grain,
    "flat": _flat,
}
