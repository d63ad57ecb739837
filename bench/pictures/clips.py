"""GIF animations of the kinds that people upload, made here: the same pixels every time."""

from __future__ import annotations

import functools
import io
import math
import random
from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw, ImageFont

from darkroom import samples

INK, PAPER = (24, 26, 32), (250, 250, 247)


def clips() -> dict[str, Callable[[], bytes]]:
    """Makers of the clips by name."""
    return {
        "photo-pan": lambda: _dithered(_pan(480, 270, 30, seed=0), 60),
        "photo-zoom": lambda: _dithered(_zoom(320, 240, 30, seed=2), 60),
        "slideshow": lambda: _dithered(_slides(400, 300, 4, 6), 120),
        "screen": lambda: _flat(_screen(640, 400, 40), 100),
        "cartoon": lambda: _flat(_cartoon(400, 300, 36), 50),
        "sticker": lambda: _sticker(240, 24),
        "scroller": lambda: _flat(_scroller(480, 80, 60), 40),
        "spinner": lambda: _flat(_spinner(96, 16), 60),
    }


@functools.cache
def _photo(seed: int) -> Image.Image:
    return Image.open(io.BytesIO(samples.photo(1600, 1200, seed))).convert("RGB")


def _dithered(frames: Iterator[Image.Image], ms: int) -> bytes:
    """With one palette of 255 colours, and dithering: as video becomes a GIF."""
    pictures = list(frames)
    palette = _palette(pictures)
    return _saved([picture.quantize(palette=palette) for picture in pictures], ms)


def _flat(frames: Iterator[Image.Image], ms: int) -> bytes:
    """Without dithering: drawings and screens."""
    pictures = list(frames)
    palette = _palette(pictures)
    return _saved([each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures], ms)


def _palette(pictures: list[Image.Image]) -> Image.Image:
    few = (pictures[0], pictures[len(pictures) // 2], pictures[-1])
    strip = Image.new("RGB", (few[0].width, 3 * few[0].height))
    for place, picture in enumerate(few):
        strip.paste(picture, (0, place * picture.height))
    return strip.quantize(255)


def _saved(frames: list[Image.Image], ms: int, **options: object) -> bytes:
    output = io.BytesIO()
    frames[0].save(output, "GIF", save_all=True, append_images=frames[1:], duration=ms, loop=0, **options)
    return output.getvalue()


def _pan(width: int, height: int, count: int, seed: int) -> Iterator[Image.Image]:
    base = _photo(seed).resize((2 * width, 2 * height), Image.Resampling.LANCZOS)
    for number in range(count):
        left, top = number * width // count, number * height // (2 * count)
        yield base.crop((left, top, left + width, top + height))


def _zoom(width: int, height: int, count: int, seed: int) -> Iterator[Image.Image]:
    base = _photo(seed)
    for number in range(count):
        part = 1 - 0.5 * number / count
        across, down = base.width * part, base.height * part
        left, top = (base.width - across) * 0.6, (base.height - down) * 0.4
        yield base.resize((width, height), Image.Resampling.LANCZOS, (left, top, left + across, top + down))


def _slides(width: int, height: int, count: int, steps: int) -> Iterator[Image.Image]:
    """Each photo fades into the next."""
    photos = [_photo(seed).resize((width, height), Image.Resampling.LANCZOS) for seed in range(count)]
    for number, photo in enumerate(photos):
        for step in range(steps):
            yield Image.blend(photo, photos[(number + 1) % count], max(0.0, (step - steps / 2) / (steps / 2)))


def _screen(width: int, height: int, count: int) -> Iterator[Image.Image]:
    """A window in which a text is typed, and a pointer."""
    face = ImageFont.load_default(15)
    text = "A picture is worth what it shows when it is seen and every frame must come in its own time"
    words = text.split()
    for number in range(count):
        page = Image.new("RGB", (width, height), (226, 230, 236))
        draw = ImageDraw.Draw(page)
        draw.rectangle((20, 20, width - 20, height - 20), PAPER, (180, 184, 190))
        draw.rectangle((20, 20, width - 20, 46), (70, 110, 180))
        for line in range(number // 5 + 1):
            shown = words[: 2 * (number % 5) + 2] if line == number // 5 else words
            draw.text((36, 60 + 30 * line), f"{line + 1}  {' '.join(shown)}"[:74], INK, face)
        x, y = width * (0.2 + 0.6 * number / count), height * (0.7 - 0.4 * math.sin(number / 6))
        draw.polygon([(x, y), (x, y + 18), (x + 12, y + 12)], (0, 0, 0), (255, 255, 255))
        yield page


def _cartoon(width: int, height: int, count: int) -> Iterator[Image.Image]:
    """A ball that rolls through a landscape of flat colours; drawn large, for smooth edges."""
    for number in range(count):
        large = Image.new("RGB", (2 * width, 2 * height), (150, 210, 245))
        draw = ImageDraw.Draw(large)
        draw.ellipse((-200, 380, 600, 900), (90, 180, 90))
        draw.ellipse((400, 420, 1300, 1000), (60, 150, 80))
        draw.ellipse((620, 40, 740, 160), (255, 220, 80))
        x, y = 60 + number * 18, 380 - abs(math.sin(number / 4)) * 160
        draw.ellipse((x - 60, y - 60, x + 60, y + 60), (220, 60, 60), (40, 20, 20), 6)
        for spoke in range(3):
            angle = number / 3 + spoke * math.tau / 3
            draw.line((x, y, x + 50 * math.cos(angle), y + 50 * math.sin(angle)), (250, 240, 230), 8)
        yield large.resize((width, height), Image.Resampling.LANCZOS)


def _sticker(side: int, count: int) -> bytes:
    """A star that turns on nothing: pixels are opaque or transparent."""
    frames = []
    for number in range(count):
        star = Image.new("RGBA", (2 * side, 2 * side))
        turn, middle = number / count * math.tau / 5, side
        points = [
            (
                middle + reach * math.cos(turn + point * math.tau / 10),
                middle + reach * math.sin(turn + point * math.tau / 10),
            )
            for point, reach in enumerate([0.92 * side, 0.42 * side] * 5)
        ]
        draw = ImageDraw.Draw(star)
        draw.polygon(points, (255, 200, 40, 255), (150, 90, 0, 255), 8)
        for eye in (-0.15, 0.15):
            x = middle + eye * 2 * side * 0.6
            draw.ellipse((x - 14, middle - 40, x + 14, middle + 4 - 8 * (number % 6 == 0)), (60, 30, 0, 255))
        small = star.resize((side, side), Image.Resampling.BOX)
        small.putalpha(small.getchannel("A").point([255 if level > 127 else 0 for level in range(256)]))
        frames.append(small)
    return _saved(frames, 50, disposal=2)


def _scroller(width: int, height: int, count: int) -> Iterator[Image.Image]:
    face = ImageFont.load_default(36)
    text = "Sale until Sunday: prints in every size, framed or not"
    for number in range(count):
        banner = Image.new("RGB", (width, height), (30, 40, 90))
        ImageDraw.Draw(banner).text((width - number * 16, 18), text, (255, 210, 60), face)
        yield banner


def _spinner(side: int, count: int) -> Iterator[Image.Image]:
    chance = random.Random(1)
    tint = tuple(chance.randint(40, 120) for _ in range(3))
    for number in range(count):
        large = Image.new("RGB", (4 * side, 4 * side), PAPER)
        draw = ImageDraw.Draw(large)
        for dot in range(count):
            angle, light = dot / count * math.tau, (dot - number) % count / count
            x, y = 2 * side + 1.5 * side * math.cos(angle), 2 * side + 1.5 * side * math.sin(angle)
            color = tuple(round(part + (250 - part) * (1 - light)) for part in tint)
            draw.ellipse((x - side / 5, y - side / 5, x + side / 5, y + side / 5), color)
        yield large.resize((side, side), Image.Resampling.LANCZOS)
