"""Generated sample photos: no downloads, no licences, the same pixels every time.

Scenes are composed at half size and finished (grain, vignette) at full size: twelve megapixels take about a second.
"""

from __future__ import annotations

import io
import itertools
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, TiffImagePlugin

AWKWARD_NAME = "summer 100% fun + größe/été & 写真.jpg"

Colour = tuple[int, int, int]
Point = tuple[float, float]


# The colours of one time of day: the sky downwards, sun, clouds, the nearest ground.
class Light(NamedTuple):
    zenith: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    cloud: Colour
    ground: Colour


DUSK = Light((28, 36, 84), (132, 74, 122), (255, 168, 104), (255, 226, 170), (255, 150, 120), (14, 15, 30))
DAWN = Light((86, 142, 190), (188, 206, 214), (255, 224, 190), (255, 246, 222), (255, 240, 228), (30, 46, 44))
NOON = Light((36, 104, 182), (112, 170, 220), (214, 230, 240), (255, 252, 240), (252, 252, 255), (24, 52, 30))
NIGHT = Light((6, 12, 32), (18, 38, 74), (60, 96, 124), (232, 240, 255), (70, 92, 124), (4, 8, 16))


def make_samples(folder: Path) -> list[Path]:
    """Write the samples into `folder` and return their paths: seven good files, and two that are rejected."""

    def write(name: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_MAKERS[name]())
        return path

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(write, NAMES))


def photo(width: int, height: int, seed: int) -> bytes:
    """A JPEG that resembles a photo: a lake before hills, with the light that `seed` chooses."""
    return _jpeg(_landscape(width, height, random.Random(seed), (DUSK, DAWN, NOON, NIGHT)[seed % 4]))


def _landscape(width: int, height: int, rng: random.Random, light: Light) -> Image.Image:
    """Sky, sun, clouds, ridges fading into haze, and their reflection in water."""
    half = (max(2, width // 2), max(2, height // 2))
    shore = round(half[1] * 0.66)
    sun = (round(half[0] * rng.uniform(0.3, 0.7)), round(half[1] * rng.uniform(0.36, 0.46)))
    scene = _sky(half, rng, light, sun)
    _ridges(scene, rng, light, top=round(half[1] * 0.4), bottom=shore)
    _reflect(scene, rng, light, shore, sun)
    return _finish(scene, (width, height), rng)


def _sky(size: tuple[int, int], rng: random.Random, light: Light, sun: tuple[int, int]) -> Image.Image:
    sky = _vertical_gradient(size, [(0.0, light.zenith), (0.42, light.middle), (0.66, light.horizon)])
    if light is NIGHT:
        _stars(sky, rng)
    cover = _fractal_noise(size, rng, octaves=6, stretch=3).point(lambda v: max(0, min(200, (v - 132) * 4)))
    fade = _vertical_gradient(size, [(0.0, (90, 90, 90)), (0.35, (255, 255, 255)), (0.7, (0, 0, 0))]).convert("L")
    sky.paste(light.cloud, (0, 0), ImageChops.multiply(cover, fade))
    glow = _disc(size, sun, size[0] * 0.55).point(lambda v: round((v / 255) ** 2.2 * 190))
    sky = ImageChops.screen(sky, _tinted(glow, light.sun))
    core = Image.new("L", size)
    ImageDraw.Draw(core).ellipse(_around(sun, size[1] * 0.032), fill=255)
    sky.paste(light.sun, (0, 0), core.filter(ImageFilter.GaussianBlur(size[1] * 0.002)))
    return sky


def _ridges(scene: Image.Image, rng: random.Random, light: Light, top: int, bottom: int) -> None:
    """Lines of hills, each darker, rougher and lower than the one behind it, the nearest wooded."""
    width, height = scene.size
    texture = _fractal_noise(scene.size, rng, octaves=8, stretch=1)
    for index in range(5):
        nearness = (index + 1) / 5
        base = top + (bottom - top) * (index / 5) ** 0.9
        line = _ridge_line(width, rng, amplitude=height * (0.16 - 0.02 * index), roughness=0.48 + 0.05 * index)
        points: list[Point] = [(x, base + y) for x, y in enumerate(line)]
        if nearness == 1:
            points = _wooded(points, rng, height)
        mask = Image.new("L", scene.size, 0)
        ImageDraw.Draw(mask).polygon([(0, bottom), *points, (width, bottom)], fill=255)
        colour = _mix(_mix(light.horizon, light.middle, 0.45), light.ground, nearness**0.8)
        haze = [(base / height - 0.1, colour), (bottom / height, _mix(colour, light.horizon, 0.38))]
        shade = texture.point(lambda v, n=nearness: max(0, min(255, round(255 - abs(v - 150) * 1.3 * n))))
        scene.paste(ImageChops.multiply(_vertical_gradient(scene.size, haze), _grey(shade)), (0, 0), mask)


def _reflect(scene: Image.Image, rng: random.Random, light: Light, shore: int, sun: tuple[int, int]) -> None:
    """Fill the scene below `shore` with its mirror image, broken by ripples that grow towards the viewer."""
    width, height = scene.size
    depth, spare = height - shore, width // 20
    mirror = ImageOps.flip(scene.crop((0, max(0, shore - depth), width, shore)))
    mirror = mirror.resize((width + 2 * spare, depth)).filter(ImageFilter.GaussianBlur(max(1, height / 700)))
    water = Image.new("RGB", (width, depth))
    row = 0
    while row < depth:
        nearness = row / depth
        step = max(1, round(1 + nearness * height / 260))
        left = spare + max(-spare, min(spare, round(rng.gauss(0, 1) * (1 + nearness * width / 130))))
        water.paste(mirror.crop((left, row, left + width, min(depth, row + step))), (0, row))
        row += step
    deep = _vertical_gradient((width, depth), [(0.0, (235, 235, 240)), (0.3, (205, 208, 216)), (1.0, (104, 112, 130))])
    water = ImageChops.multiply(water, deep).filter(ImageFilter.GaussianBlur(max(0.6, height / 1600)))
    water = ImageChops.screen(water, _tinted(_glitter((width, depth), rng, sun[0]), light.sun))
    scene.paste(water, (0, shore))


def _glitter(size: tuple[int, int], rng: random.Random, centre: int) -> Image.Image:
    """The sun's path on water: flat flecks of light below `centre`, fewer to the sides."""
    width, depth = size
    flecks = _noise((max(2, width // 28), max(2, depth // 4)), rng)
    flecks = flecks.point(lambda v: max(0, v - 176) * 3).resize(size, Image.Resampling.BICUBIC)
    path = _disc((width, width), (centre, width // 2), width * 0.09).crop((0, width // 2, width, width))
    return ImageChops.multiply(flecks, path.resize((width, depth)))


def _night_lights(width: int, height: int, rng: random.Random) -> Image.Image:
    """City lights out of focus."""
    size = (width // 2, height // 2)
    scene = _vertical_gradient(size, [(0.0, (8, 10, 24)), (0.55, (34, 24, 46)), (1.0, (10, 8, 14))])
    scene = ImageChops.screen(scene, _tinted(_disc(size, (size[0] // 3, size[1] // 2), size[0] * 0.5), (70, 32, 28)))
    palette = [(255, 176, 92), (255, 120, 70), (255, 222, 170), (110, 170, 255), (255, 74, 92), (120, 240, 214)]
    for count, share, blur in ((70, 0.012, 1.2), (42, 0.032, 1.6), (16, 0.075, 3.0)):
        layer = Image.new("RGB", size)
        for _ in range(count):
            radius = size[1] * share * rng.uniform(0.75, 1.3)
            centre = (rng.uniform(0, size[0]), size[1] * min(1.0, max(0.04, rng.gauss(0.52, 0.2))))
            _bokeh(layer, centre, radius, rng.choice(palette), rng.uniform(0.25, 0.85))
        scene = ImageChops.screen(scene, layer.filter(ImageFilter.GaussianBlur(blur)))
    return _finish(scene, (width, height), rng)


def _bokeh(layer: Image.Image, centre: Point, radius: float, colour: Colour, power: float) -> None:
    side = math.ceil(radius * 2) + 4
    disc = Image.new("L", (side * 2, side * 2))
    draw = ImageDraw.Draw(disc)
    for share, level in ((1.0, 255), (0.93, 190), (0.8, 168), (0.5, 156)):
        draw.ellipse(_around((side, side), radius * 2 * share), fill=round(level * power))
    light = _tinted(disc.resize((side, side), Image.Resampling.BOX), colour)
    left, top = round(centre[0] - side / 2), round(centre[1] - side / 2)
    layer.paste(ImageChops.screen(layer.crop((left, top, left + side, top + side)), light), (left, top))


def _balloon(width: int, height: int, rng: random.Random) -> bytes:
    """A hot-air balloon: upright by its EXIF orientation, and with a GPS position that no rendition may carry."""
    scene = _landscape(width, height, rng, DUSK)
    radius = width * 0.2
    balloon = _balloon_shape(round(radius * 4))
    scene.paste(balloon, (round(width * 0.54 - radius * 2), round(height * 0.3 - radius * 1.6)), balloon)
    small = balloon.resize((balloon.width // 5, balloon.height // 5), Image.Resampling.LANCZOS)
    scene.paste(small, (round(width * 0.18), round(height * 0.4)), small)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Darkroom", "Sample"
    north, east = (tuple(map(TiffImagePlugin.IFDRational, angle)) for angle in ((48, 51, 30), (2, 17, 40)))
    exif[0x8825] = {1: "N", 2: north, 3: "E", 4: east}
    return _jpeg(scene.transpose(Image.Transpose.ROTATE_90), exif=exif)


def _balloon_shape(s: int) -> Image.Image:
    """A balloon with its basket as RGBA, `s` pixels wide and tall."""
    canvas = Image.new("RGBA", (s, s))
    draw = ImageDraw.Draw(canvas)
    middle, top, radius = s / 2, s * 0.08, s * 0.26
    neck = (top + radius * 2.75, s * 0.05)
    colours = [(206, 52, 44), (246, 190, 84), (236, 232, 220), (30, 96, 140)]
    for index in range(12):
        left, right = (math.sin(math.pi * (i / 12 - 0.5)) for i in (index, index + 1))
        draw.polygon(_gore(middle, top, radius, neck, left, right), fill=(*colours[index % 4], 255))
    for side in (-1, 1):
        rope = (middle + side * s * 0.045, neck[0], middle + side * s * 0.035, s * 0.9)
        draw.line(rope, fill=(40, 30, 26, 255), width=max(1, s // 200))
    basket = (middle - s * 0.045, s * 0.89, middle + s * 0.045, s * 0.955)
    draw.rounded_rectangle(basket, s * 0.01, fill=(94, 62, 38, 255))
    shade = ImageOps.invert(_disc((s, s), (round(s * 0.4), round(s * 0.24)), s * 0.62)).point(lambda v: round(v * 0.6))
    shaded = Image.composite(Image.new("RGBA", (s, s), (20, 12, 40, 255)), canvas, shade)
    shaded.putalpha(canvas.getchannel("A").filter(ImageFilter.GaussianBlur(1)))
    return shaded


def _gore(middle: float, top: float, radius: float, neck: Point, left: float, right: float) -> list[Point]:
    """One panel of the balloon: the outline between two meridians, given as shares of its half width."""
    outline = []
    for step in range(49):
        y = top + (neck[0] - top) * step / 48
        if y - top < radius:
            half = radius * math.sqrt(max(0.0, 1 - ((y - top) / radius - 1) ** 2))
        else:
            fall = (y - top - radius) / (neck[0] - top - radius)
            half = neck[1] + (radius - neck[1]) * (math.cos(math.pi * fall) + 1) / 2
        outline.append((half, y))
    right_edge = [(middle + half * right, y) for half, y in reversed(outline)]
    return [(middle + half * left, y) for half, y in outline] + right_edge


def _logo(side: int) -> bytes:
    """An aperture with soft edges on a transparent ground, as PNG."""
    big = side * 2
    mask = Image.new("L", (big, big))
    draw = ImageDraw.Draw(mask)
    centre, inner = big / 2, big * 0.17
    draw.ellipse(_around((centre, centre), big * 0.44), fill=255)
    angles = [math.radians(60 * i) for i in range(6)]
    hexagon = [(centre + inner * math.cos(angle), centre + inner * math.sin(angle)) for angle in angles]
    draw.polygon(hexagon, fill=0)
    for (x, y), (next_x, next_y) in zip(hexagon, [*hexagon[1:], hexagon[0]], strict=True):
        reach = (big * 0.4) / math.dist((x, y), (next_x, next_y))
        tip = (next_x + (next_x - x) * reach, next_y + (next_y - y) * reach)
        draw.line([(x, y), tip], fill=0, width=round(big * 0.016))
    mask = mask.resize((side, side), Image.Resampling.LANCZOS)
    colour = _vertical_gradient((side, side), [(0.0, (255, 150, 84)), (1.0, (196, 34, 52))])
    glow = mask.filter(ImageFilter.GaussianBlur(side * 0.03)).point(lambda v: round(v * 0.45))
    colour.putalpha(ImageChops.lighter(mask, glow))
    return _saved(colour, "PNG")


def _vertical_gradient(size: tuple[int, int], stops: list[tuple[float, Colour]]) -> Image.Image:
    """An RGB gradient from top to bottom; a stop is a share of the height and its colour."""
    column = Image.new("RGB", (1, size[1]))
    rows = []
    for y in range(size[1]):
        at = y / max(1, size[1] - 1)
        below = next((i for i, stop in enumerate(stops) if stop[0] >= at), len(stops))
        (start, upper), (end, lower) = stops[max(0, below - 1)], stops[min(below, len(stops) - 1)]
        rows.append(_mix(upper, lower, (at - start) / (end - start) if start < end else 0))
    column.putdata(rows)
    return column.resize(size)


def _fractal_noise(size: tuple[int, int], rng: random.Random, octaves: int, stretch: int) -> Image.Image:
    """Cloud-like grey noise around 128: random grids, each twice as fine and weaker."""
    total = Image.new("L", (2, 2), 128)
    for octave in range(octaves):
        grid = (min(size[0], max(2, (3 << octave) // stretch)), min(size[1], 3 << octave))
        canvas = (min(size[0], grid[0] * 4), min(size[1], grid[1] * 4)) if octave < octaves - 1 else size
        layer = _noise(grid, rng).resize(canvas, Image.Resampling.BICUBIC)
        layer = layer.point(lambda v, s=0.75 * 0.62**octave: 128 + round((v - 128) * s))
        total = ImageChops.add(total.resize(canvas, Image.Resampling.BICUBIC), layer, 1, -128)
    return total


def _ridge_line(width: int, rng: random.Random, amplitude: float, roughness: float) -> list[float]:
    """Heights (downwards positive) along a hill's crest by midpoint displacement, one per pixel column."""
    points = [rng.uniform(-0.5, 0.5) for _ in range(4)]
    spread = 0.5
    while len(points) < width:
        middles = [(a + b) / 2 + rng.uniform(-spread, spread) for a, b in itertools.pairwise(points)]
        points = [p for pair in zip(points, middles, strict=False) for p in pair] + [points[-1]]
        spread *= roughness
    return [p * amplitude for p in points[:width]]


def _wooded(points: list[Point], rng: random.Random, height: int) -> list[Point]:
    crest: list[Point] = []
    x = 0
    while x < len(points):
        tall, half = height * rng.uniform(0.012, 0.05), max(2.0, height * rng.uniform(0.003, 0.007))
        ground = points[x][1]
        side = [
            (half * step / 4, ground - tall * tier / 4 - drop)
            for tier in range(4)
            for step, drop in ((tier, 0), (tier + 0.6, tall * 0.05))
        ]
        crest += [(x + across, y) for across, y in side]
        crest.append((x + half, ground - tall))
        crest += [(x + half * 2 - across, y) for across, y in reversed(side)]
        x += max(2, round(half * rng.uniform(1.1, 2.6)))
    return crest


def _stars(sky: Image.Image, rng: random.Random) -> None:
    draw = ImageDraw.Draw(sky)
    for _ in range(sky.width // 3):
        level = rng.randint(90, 240)
        x, y = rng.randrange(sky.width), round(sky.height * 0.6 * rng.random() ** 1.4)
        draw.point((x, y), fill=(level, level, min(255, level + 12)))


def _finish(scene: Image.Image, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A half-size scene at `size`, with sensor grain and a slight vignette."""
    full = scene.resize(size, Image.Resampling.BICUBIC)
    tile = (min(1024, size[0]), min(1024, size[1]))
    grain_tile = _noise(tile, rng).filter(ImageFilter.GaussianBlur(0.6)).point(lambda v: 128 + round((v - 128) * 0.16))
    grain = Image.new("L", size)
    for left in range(0, size[0], tile[0]):
        for top in range(0, size[1], tile[1]):
            grain.paste(grain_tile, (left, top))
    full = ImageChops.add(full, _grey(grain), 1, -128)
    edge = Image.radial_gradient("L").point(lambda v: 255 - round((v / 255) ** 2.5 * 70)).resize(size)
    return ImageChops.multiply(full, _grey(edge))


def _disc(size: tuple[int, int], centre: tuple[int, int], radius: float) -> Image.Image:
    """A soft disc, white at its centre, black from `radius` on, and what lies outside `size` is cut off."""
    side = max(2, round(radius * 2))
    disc = ImageOps.invert(Image.radial_gradient("L")).point(lambda v: max(0, round((v - 75) * 255 / 180)))
    canvas = Image.new("L", size)
    canvas.paste(disc.resize((side, side)), (round(centre[0] - radius), round(centre[1] - radius)))
    return canvas


def _around(centre: Point, radius: float) -> tuple[float, float, float, float]:
    """The box around a circle."""
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


def _noise(size: tuple[int, int], rng: random.Random) -> Image.Image:
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def _grey(levels: Image.Image) -> Image.Image:
    return Image.merge("RGB", (levels, levels, levels))


def _tinted(light: Image.Image, colour: Colour) -> Image.Image:
    return ImageOps.colorize(light, (0, 0, 0), colour)


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _jpeg(image: Image.Image, **options: object) -> bytes:
    return _saved(image, "JPEG", quality=90, **options)


_MAKERS: dict[str, Callable[[], bytes]] = {
    "lake at dusk.jpg": lambda: photo(4000, 3000, seed=4),
    "night lights.jpg": lambda: _jpeg(_night_lights(3000, 2000, random.Random(7))),
    "balloon.jpg": lambda: _balloon(2000, 3000, random.Random(5)),
    "logo.png": lambda: _logo(1200),
    "print/hills cmyk.jpg": lambda: _jpeg(_landscape(1800, 1200, random.Random(1), DAWN).convert("CMYK")),
    "misty.webp": lambda: _saved(_landscape(2000, 1333, random.Random(10), NOON), "WEBP", quality=88, method=2),
    AWKWARD_NAME: lambda: photo(2000, 1500, seed=2),
    "broken/truncated.jpg": lambda: (jpeg := photo(1600, 1200, seed=3))[: len(jpeg) * 3 // 5],
    "broken/notes.jpg": lambda: b"Dear diary,\n\nthis is not a picture, whatever my name says.\n",
}
NAMES = tuple(_MAKERS)
