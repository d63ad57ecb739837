"""Sample images that the project makes for itself: no downloads, no licences, the same pictures every time.

Scenes are composed at half size and finished (grain, vignette) at full size, which keeps twelve megapixels at
about a second with nothing but Pillow.
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


class Light(NamedTuple):
    """The colours of one time of day: the sky from zenith to horizon, the sun, the nearest ground."""

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
LIGHTS = (DUSK, DAWN, NOON, NIGHT)


def make_samples(folder: Path) -> list[Path]:
    """Write the sample set into `folder` and return its files: seven good ones, two to be refused."""

    def write(name: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_MAKERS[name]())
        return path

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(write, NAMES))


def photo(width: int, height: int, seed: int) -> bytes:
    """A photo-like JPEG of `width` by `height` pixels: a lake before hills, its light chosen by `seed`."""
    return _jpeg(_landscape(width, height, random.Random(seed), LIGHTS[seed % len(LIGHTS)]))


# -- scenes ----------------------------------------------------------------------------------------


def _landscape(width: int, height: int, rng: random.Random, light: Light) -> Image.Image:
    """Sky, sun, clouds, ridges fading into haze, and their reflection in water."""
    size = (max(2, width // 2), max(2, height // 2))
    shore = round(size[1] * 0.66)
    sun = (round(size[0] * rng.uniform(0.3, 0.7)), round(size[1] * rng.uniform(0.36, 0.46)))
    scene = _sky(size, rng, light, sun)
    _ridges(scene, rng, light, top=round(size[1] * 0.4), bottom=shore)
    _reflect(scene, rng, light, shore, sun)
    return _finish(scene, (width, height), rng)


def _sky(size: tuple[int, int], rng: random.Random, light: Light, sun: tuple[int, int]) -> Image.Image:
    sky = _vertical_gradient(size, [(0.0, light.zenith), (0.42, light.middle), (0.66, light.horizon)])
    if light is NIGHT:
        _stars(sky, rng)
    cover = _fractal_noise((size[0], size[1]), rng, octaves=6, stretch=3)
    cover = cover.point(lambda v: max(0, min(200, (v - 132) * 4)))
    fade = _vertical_gradient(size, [(0.0, (90, 90, 90)), (0.35, (255, 255, 255)), (0.7, (0, 0, 0))]).convert("L")
    sky.paste(light.cloud, (0, 0), ImageChops.multiply(cover, fade))
    glow = _disc(size, sun, size[0] * 0.55).point(lambda v: round((v / 255) ** 2.2 * 190))
    sky = ImageChops.screen(sky, _tinted(glow, light.sun))
    core = _circle(size, sun, size[1] * 0.032).filter(ImageFilter.GaussianBlur(size[1] * 0.002))
    sky.paste(light.sun, (0, 0), core)
    return sky


def _ridges(scene: Image.Image, rng: random.Random, light: Light, top: int, bottom: int) -> None:
    """Five lines of hills, each nearer one darker, rougher and lower, the last one wooded."""
    width, height = scene.size
    texture = _fractal_noise(scene.size, rng, octaves=8, stretch=1)
    count = 5
    for index in range(count):
        nearness = (index + 1) / count
        base = top + (bottom - top) * (index / count) ** 0.9
        line = _ridge_line(width, rng, amplitude=height * (0.16 - 0.02 * index), roughness=0.48 + 0.05 * index)
        points: list[tuple[float, float]] = [(x, base + y) for x, y in enumerate(line)]
        if index == count - 1:
            points = _wooded(points, rng, height)
        mask = Image.new("L", scene.size, 0)
        ImageDraw.Draw(mask).polygon([(0, bottom), *points, (width, bottom)], fill=255)
        far, near = _mix(light.horizon, light.middle, 0.45), light.ground
        colour = _mix(far, near, nearness**0.8)
        layer = _vertical_gradient(
            scene.size, [(base / height - 0.1, colour), (bottom / height, _mix(colour, light.horizon, 0.38))]
        )
        shade = texture.point(lambda v, n=nearness: max(0, min(255, round(255 - abs(v - 150) * 1.3 * n))))
        layer = ImageChops.multiply(layer, Image.merge("RGB", (shade, shade, shade)))
        scene.paste(layer, (0, 0), mask)


def _reflect(scene: Image.Image, rng: random.Random, light: Light, shore: int, sun: tuple[int, int]) -> None:
    """Fill everything below `shore` with the mirrored picture, broken by ripples that grow with nearness."""
    width, height = scene.size
    depth = height - shore
    spare = width // 20
    mirror = ImageOps.flip(scene.crop((0, max(0, shore - depth), width, shore)))
    mirror = mirror.resize((width + 2 * spare, depth))
    mirror = mirror.filter(ImageFilter.GaussianBlur(max(1, height / 700)))
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
    """The sun's broken path on water: flat flecks of light below `centre`, thinning out to the sides."""
    width, depth = size
    grid = (max(2, width // 28), max(2, depth // 4))
    flecks = Image.frombytes("L", grid, rng.randbytes(grid[0] * grid[1]))
    flecks = flecks.point(lambda v: max(0, v - 176) * 3).resize(size, Image.Resampling.BICUBIC)
    path = _disc((width, width), (centre, width // 2), width * 0.09).crop((0, width // 2, width, width))
    return ImageChops.multiply(flecks, path.resize((width, depth)))


def _night_lights(width: int, height: int, rng: random.Random) -> Image.Image:
    """City lights out of focus: overlapping discs of light on a dark street."""
    size = (width // 2, height // 2)
    scene = _vertical_gradient(size, [(0.0, (8, 10, 24)), (0.55, (34, 24, 46)), (1.0, (10, 8, 14))])
    scene = ImageChops.screen(scene, _tinted(_disc(size, (size[0] // 3, size[1] // 2), size[0] * 0.5), (70, 32, 28)))
    palette = [
        (255, 176, 92),
        (255, 120, 70),
        (255, 222, 170),
        (110, 170, 255),
        (255, 74, 92),
        (120, 240, 214),
    ]
    for distance in range(3):
        layer = Image.new("RGB", size)
        for _ in range((70, 42, 16)[distance]):
            radius = size[1] * (0.012, 0.032, 0.075)[distance] * rng.uniform(0.75, 1.3)
            centre = (rng.uniform(0, size[0]), size[1] * min(1.0, max(0.04, rng.gauss(0.52, 0.2))))
            _bokeh(layer, centre, radius, rng.choice(palette), rng.uniform(0.25, 0.85))
        scene = ImageChops.screen(scene, layer.filter(ImageFilter.GaussianBlur((1.2, 1.6, 3.0)[distance])))
    return _finish(scene, (width, height), rng)


def _bokeh(layer: Image.Image, centre: tuple[float, float], radius: float, colour: Colour, power: float) -> None:
    """Add one disc of light with the brighter rim that a lens gives it."""
    side = math.ceil(radius * 2) + 4
    disc = Image.new("L", (side * 2, side * 2))
    draw = ImageDraw.Draw(disc)
    for share, level in ((1.0, 255), (0.93, 190), (0.8, 168), (0.5, 156)):
        box = [side - radius * 2 * share, side + radius * 2 * share]
        draw.ellipse((box[0], box[0], box[1], box[1]), fill=round(level * power))
    light = _tinted(disc.resize((side, side), Image.Resampling.BOX), colour)
    at = (round(centre[0] - side / 2), round(centre[1] - side / 2))
    box_under = (at[0], at[1], at[0] + side, at[1] + side)
    layer.paste(ImageChops.screen(layer.crop(box_under), light), at)


def _balloon(width: int, height: int, rng: random.Random) -> bytes:
    """A hot-air balloon, upright only if EXIF orientation 6 is obeyed; its GPS position must not survive."""
    scene = _landscape(width, height, rng, DUSK)
    centre, radius = (width * 0.54, height * 0.3), width * 0.2
    balloon = _balloon_shape(round(radius * 4))
    at = (round(centre[0] - radius * 2), round(centre[1] - radius * 1.6))
    scene.paste(balloon, at, balloon)
    small = balloon.resize((balloon.width // 5, balloon.height // 5), Image.Resampling.LANCZOS)
    scene.paste(small, (round(width * 0.18), round(height * 0.4)), small)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F], exif[0x0110] = "Darkroom", "Sample"
    degrees = TiffImagePlugin.IFDRational
    exif[0x8825] = {
        1: "N",
        2: (degrees(48), degrees(51), degrees(30)),
        3: "E",
        4: (degrees(2), degrees(17), degrees(40)),
    }
    return _jpeg(scene.transpose(Image.Transpose.ROTATE_90), exif=exif)


def _balloon_shape(side: int) -> Image.Image:
    """A balloon with its basket as RGBA, `side` pixels wide and tall."""
    s = side
    canvas = Image.new("RGBA", (s, s))
    draw = ImageDraw.Draw(canvas)
    middle, top, radius = s / 2, s * 0.08, s * 0.26
    neck = (top + radius * 2.75, s * 0.05)
    colours = [(206, 52, 44), (246, 190, 84), (236, 232, 220), (30, 96, 140)]
    for index in range(12):
        left, right = (math.sin(math.pi * (i / 12 - 0.5)) for i in (index, index + 1))
        draw.polygon(_gore(middle, top, radius, neck, left, right), fill=(*colours[index % 4], 255))
    for side_of_basket in (-1, 1):
        line = (middle + side_of_basket * s * 0.045, neck[0], middle + side_of_basket * s * 0.035, s * 0.9)
        draw.line(line, fill=(40, 30, 26, 255), width=max(1, s // 200))
    draw.rounded_rectangle(
        (middle - s * 0.045, s * 0.89, middle + s * 0.045, s * 0.955), s * 0.01, fill=(94, 62, 38, 255)
    )
    shade = ImageOps.invert(_disc((s, s), (round(s * 0.4), round(s * 0.24)), s * 0.62)).point(lambda v: round(v * 0.6))
    shaded = Image.composite(Image.new("RGBA", (s, s), (20, 12, 40, 255)), canvas, shade)
    shaded.putalpha(canvas.getchannel("A").filter(ImageFilter.GaussianBlur(1)))
    return shaded


def _gore(
    middle: float, top: float, radius: float, neck: tuple[float, float], left: float, right: float
) -> list[tuple[float, float]]:
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
    centre, outer, inner = big / 2, big * 0.44, big * 0.17
    draw.ellipse((centre - outer, centre - outer, centre + outer, centre + outer), fill=255)
    hexagon = [_polar(centre, inner, 60 * i) for i in range(6)]
    draw.polygon(hexagon, fill=0)
    for i, corner in enumerate(hexagon):
        following = hexagon[(i + 1) % 6]
        reach = (big * 0.4) / math.dist(corner, following)
        tip = (
            following[0] + (following[0] - corner[0]) * reach,
            following[1] + (following[1] - corner[1]) * reach,
        )
        draw.line([corner, tip], fill=0, width=round(big * 0.016))
    mask = mask.resize((side, side), Image.Resampling.LANCZOS)
    colour = _vertical_gradient((side, side), [(0.0, (255, 150, 84)), (1.0, (196, 34, 52))])
    glow = mask.filter(ImageFilter.GaussianBlur(side * 0.03)).point(lambda v: round(v * 0.45))
    colour.putalpha(ImageChops.lighter(mask, glow))
    return _saved(colour, "PNG")


# -- building blocks -------------------------------------------------------------------------------


def _vertical_gradient(size: tuple[int, int], stops: list[tuple[float, Colour]]) -> Image.Image:
    """An RGB gradient from top to bottom through `stops`, each a share of the height and its colour."""
    column = Image.new("RGB", (1, size[1]))
    rows = []
    for y in range(size[1]):
        at = y / max(1, size[1] - 1)
        below = next((i for i, stop in enumerate(stops) if stop[0] >= at), len(stops))
        if below == 0 or below == len(stops):
            rows.append(stops[min(below, len(stops) - 1)][1])
            continue
        (start, upper), (end, lower) = stops[below - 1], stops[below]
        rows.append(_mix(upper, lower, (at - start) / (end - start)))
    column.putdata(rows)
    return column.resize(size)


def _fractal_noise(size: tuple[int, int], rng: random.Random, octaves: int, stretch: int) -> Image.Image:
    """Cloud-like grey noise around 128: random grids of doubling fineness and falling strength."""
    total = Image.new("L", (2, 2), 128)
    for octave in range(octaves):
        grid = (min(size[0], max(2, (3 << octave) // stretch)), min(size[1], 3 << octave))
        last = octave == octaves - 1
        canvas = size if last else (min(size[0], grid[0] * 4), min(size[1], grid[1] * 4))
        layer = Image.frombytes("L", grid, rng.randbytes(grid[0] * grid[1])).resize(canvas, Image.Resampling.BICUBIC)
        layer = layer.point(lambda v, s=0.75 * 0.62**octave: 128 + round((v - 128) * s))
        total = ImageChops.add(total.resize(canvas, Image.Resampling.BICUBIC), layer, 1, -128)
    return total


def _ridge_line(width: int, rng: random.Random, amplitude: float, roughness: float) -> list[float]:
    """Heights (downwards positive) along a hill's crest: midpoint displacement, one value a pixel column."""
    points = [rng.uniform(-0.5, 0.5) for _ in range(4)]
    spread = 0.5
    while len(points) < width:
        middles = [(a + b) / 2 + rng.uniform(-spread, spread) for a, b in itertools.pairwise(points)]
        points = [p for pair in zip(points, middles, strict=False) for p in pair] + [points[-1]]
        spread *= roughness
    return [p * amplitude for p in points[:width]]


def _wooded(points: list[tuple[float, float]], rng: random.Random, height: int) -> list[tuple[float, float]]:
    """Stand conifers along a crest."""
    crest: list[tuple[float, float]] = []
    x = 0
    while x < len(points):
        tall, half = height * rng.uniform(0.012, 0.05), max(2.0, height * rng.uniform(0.003, 0.007))
        ground = points[x][1]
        for tier in range(4):
            level = ground - tall * tier / 4
            crest.append((x + half * tier / 4, level))
            crest.append((x + half * (tier + 0.6) / 4, level - tall * 0.05))
        crest.append((x + half, ground - tall))
        for tier in reversed(range(4)):
            level = ground - tall * tier / 4
            crest.append((x + half * 2 - half * (tier + 0.6) / 4, level - tall * 0.05))
            crest.append((x + half * 2 - half * tier / 4, level))
        x += max(2, round(half * rng.uniform(1.1, 2.6)))
    return crest


def _stars(sky: Image.Image, rng: random.Random) -> None:
    draw = ImageDraw.Draw(sky)
    for _ in range(sky.width // 3):
        level = rng.randint(90, 240)
        x, y = rng.randrange(sky.width), round(sky.height * 0.6 * rng.random() ** 1.4)
        draw.point((x, y), fill=(level, level, min(255, level + 12)))


def _finish(scene: Image.Image, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """Bring a half-size scene to `size` with sensor grain and a slight vignette, as a camera would."""
    full = scene.resize(size, Image.Resampling.BICUBIC)
    tile = (min(1024, size[0]), min(1024, size[1]))
    grain_tile = Image.frombytes("L", tile, rng.randbytes(tile[0] * tile[1])).filter(ImageFilter.GaussianBlur(0.6))
    grain_tile = grain_tile.point(lambda v: 128 + round((v - 128) * 0.16))
    grain = Image.new("L", size)
    for left in range(0, size[0], tile[0]):
        for top in range(0, size[1], tile[1]):
            grain.paste(grain_tile, (left, top))
    full = ImageChops.add(full, Image.merge("RGB", (grain, grain, grain)), 1, -128)
    edge = Image.radial_gradient("L").point(lambda v: 255 - round((v / 255) ** 2.5 * 70)).resize(size)
    return ImageChops.multiply(full, Image.merge("RGB", (edge, edge, edge)))


def _disc(size: tuple[int, int], centre: tuple[int, int], radius: float) -> Image.Image:
    """A soft disc, white at its centre, black from `radius` on, and where it lies outside `size` cut off."""
    side = max(2, round(radius * 2))
    disc = ImageOps.invert(Image.radial_gradient("L")).point(lambda v: max(0, round((v - 75) * 255 / 180)))
    canvas = Image.new("L", size)
    canvas.paste(disc.resize((side, side)), (round(centre[0] - radius), round(centre[1] - radius)))
    return canvas


def _circle(size: tuple[int, int], centre: tuple[int, int], radius: float) -> Image.Image:
    mask = Image.new("L", size)
    x, y = centre
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return mask


def _tinted(light: Image.Image, colour: Colour) -> Image.Image:
    """Grey light as light of one colour."""
    return ImageOps.colorize(light, (0, 0, 0), colour)


def _polar(centre: float, radius: float, degrees: float) -> tuple[float, float]:
    return (
        centre + radius * math.cos(math.radians(degrees)),
        centre + radius * math.sin(math.radians(degrees)),
    )


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    share = min(1.0, max(0.0, share))
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


# -- files -----------------------------------------------------------------------------------------


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _jpeg(image: Image.Image, **options: object) -> bytes:
    return _saved(image, "JPEG", quality=90, **options)


def _webp(image: Image.Image) -> bytes:
    return _saved(image, "WEBP", quality=88, method=2)


def _cmyk(image: Image.Image) -> bytes:
    return _saved(image.convert("CMYK"), "JPEG", quality=90)


def _truncated(jpeg: bytes) -> bytes:
    """What an interrupted upload leaves: the first three fifths."""
    return jpeg[: len(jpeg) * 3 // 5]


_MAKERS: dict[str, Callable[[], bytes]] = {
    "lake at dusk.jpg": lambda: photo(4000, 3000, seed=4),
    "night lights.jpg": lambda: _jpeg(_night_lights(3000, 2000, random.Random(7))),
    "balloon.jpg": lambda: _balloon(2000, 3000, random.Random(5)),
    "logo.png": lambda: _logo(1200),
    "print/hills cmyk.jpg": lambda: _cmyk(_landscape(1800, 1200, random.Random(1), DAWN)),
    "misty.webp": lambda: _webp(_landscape(2000, 1333, random.Random(10), NOON)),
    AWKWARD_NAME: lambda: photo(2000, 1500, seed=2),
    "broken/truncated.jpg": lambda: _truncated(photo(1600, 1200, seed=3)),
    "broken/notes.jpg": lambda: b"Dear diary,\n\nthis is not a picture, whatever my name says.\n",
}
NAMES = tuple(_MAKERS)
