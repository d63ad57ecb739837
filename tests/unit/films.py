"""Animations that are known frame by frame: written from raw blocks, and put together in plain Python.

The writers and `shown` follow the specifications of GIF89a, APNG and WebP, and share nothing with the engine or Pillow
(but that the still pictures within a WebP are Pillow's). Pixels are (red, green, blue, alpha); canvases begin, and are
cleared, transparent.
"""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from typing import NamedTuple

from PIL import Image

Pixel = tuple[int, int, int, int]
Rows = list[list[Pixel]]
CLEAR_PIXEL = (0, 0, 0, 0)
KEEP, CLEAR, RESTORE = range(3)


class Cel(NamedTuple):
    """One frame as it is stored."""

    left: int
    top: int
    pixels: Rows
    ms: float = 50
    disposal: int = KEEP
    over: bool = True

    @property
    def size(self) -> tuple[int, int]:
        return len(self.pixels[0]), len(self.pixels)


class Story(NamedTuple):
    """An animation: what a file is written from, and what must be seen of it."""

    width: int
    height: int
    cels: list[Cel]
    plays: int = 0  # 0: for ever


# --------------------------------------------------------------------------- what is seen


def shown(story: Story) -> list[tuple[Rows, float]]:
    """Every frame as it is shown, and its milliseconds. Frames that look the same follow each other as one."""
    canvas: Rows = [[CLEAR_PIXEL] * story.width for _ in range(story.height)]
    seen: list[tuple[Rows, float]] = []
    for number, cel in enumerate(story.cels):
        before = [list(row) for row in canvas]
        places = [
            (cel.left + x, cel.top + y, pixel)
            for y, row in enumerate(cel.pixels)
            for x, pixel in enumerate(row)
            if cel.left + x < story.width and cel.top + y < story.height
        ]
        for x, y, pixel in places:
            canvas[y][x] = blended(pixel, canvas[y][x]) if cel.over else pixel
        ms = cel.ms if cel.ms > 10 else 100
        if seen and seen[-1][0] == canvas:
            seen[-1] = (seen[-1][0], seen[-1][1] + ms)
        else:
            seen.append(([list(row) for row in canvas], ms))
        if cel.disposal == CLEAR or (cel.disposal == RESTORE and number == 0):
            for x, y, _ in places:
                canvas[y][x] = CLEAR_PIXEL
        elif cel.disposal == RESTORE:
            canvas = before
    return seen


def blended(above: Pixel, below: Pixel) -> Pixel:
    """Porter and Duff's `over`."""
    if above[3] in (0, 255) or not below[3]:
        return above if above[3] else below
    a, b = above[3] / 255, below[3] / 255
    alpha = a + b * (1 - a)
    red, green, blue = (round((s * a + d * b * (1 - a)) / alpha) for s, d in zip(above[:3], below[:3], strict=True))
    return red, green, blue, round(255 * alpha)


def whole_times(story: Story) -> list[int]:
    """The times of what is shown, in whole milliseconds whose rounding errors do not add up."""
    ends, passed = [0], 0.0
    for _, ms in shown(story):
        passed += ms
        ends.append(round(passed))
    return [after - before for before, after in itertools.pairwise(ends)]


# --------------------------------------------------------------------------- GIF


def gif(story: Story, *, global_table: bool = True, background: int = 0) -> bytes:
    """Of pixels that are opaque or transparent. `global_table`: one table of colours for all frames."""
    tables = [_table(cel.pixels for cel in story.cels)] * len(story.cels)
    if not global_table:
        tables = [_table([cel.pixels]) for cel in story.cels]
    flags = 0xF7 if global_table else 0x70
    parts = [b"GIF89a", struct.pack("<HHBBB", story.width, story.height, flags, background, 0)]
    if global_table:
        parts.append(_padded(tables[0]))
    if story.plays != 1:
        loops = story.plays and story.plays - 1
        parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loops) + b"\0")
    for cel, table in zip(story.cels, tables, strict=True):
        disposal = (1, 2, 3)[cel.disposal]
        parts.append(b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | 1, round(cel.ms / 10), 255, 0))
        parts.append(b"," + struct.pack("<HHHHB", cel.left, cel.top, *cel.size, 0 if global_table else 0x87))
        if not global_table:
            parts.append(_padded(table))
        colors = {color: index for index, color in enumerate(table)}
        parts.append(lzw([255 if not pixel[3] else colors[pixel[:3]] for row in cel.pixels for pixel in row]))
    return b"".join(parts) + b";"


def _table(pictures: Iterable[Rows]) -> list[tuple[int, int, int]]:
    return sorted({pixel[:3] for rows in pictures for row in rows for pixel in row if pixel[3]})


def _padded(table: list[tuple[int, int, int]]) -> bytes:
    assert len(table) <= 255, "the last colour is the transparent one"
    return b"".join(map(bytes, table)).ljust(768, b"\x7f")


def lzw(indices: Iterable[int]) -> bytes:
    """GIF's code for indices of 8 bits, in sub-blocks. Cleared so often that every code has 9 bits."""
    bits = length = 0
    coded = bytearray()
    codes = [256]
    for position, index in enumerate(indices):
        codes.append(index)
        if position % 250 == 249:
            codes.append(256)
    for code in [*codes, 257]:
        bits |= code << length
        length += 9
        while length >= 8:
            coded.append(bits & 255)
            bits, length = bits >> 8, length - 8
    coded.append(bits & 255)
    blocks = [coded[start : start + 255] for start in range(0, len(coded), 255)]
    return b"\x08" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


# --------------------------------------------------------------------------- APNG


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def apng(story: Story, *, kind: str = "RGBA", poster: Rows | None = None, parts: int = 1) -> bytes:
    """`kind`: RGBA, RGB, RGBA16, L or P. `poster`: a picture for readers of still images. `parts`: chunks a frame."""
    table = sorted({pixel for cel in story.cels for row in cel.pixels for pixel in row})
    depth, colors = {"RGBA": (8, 6), "RGB": (8, 2), "RGBA16": (16, 6), "L": (8, 0), "P": (8, 3)}[kind]
    written = [
        b"\x89PNG\r\n\x1a\n",
        png_chunk(b"IHDR", struct.pack(">IIBBBBB", story.width, story.height, depth, colors, 0, 0, 0)),
    ]
    written.append(png_chunk(b"acTL", struct.pack(">II", len(story.cels), story.plays)))
    if kind == "P":
        written.append(png_chunk(b"PLTE", b"".join(bytes(pixel[:3]) for pixel in table)))
        written.append(png_chunk(b"tRNS", bytes(pixel[3] for pixel in table)))
    if poster:
        written.append(png_chunk(b"IDAT", zlib.compress(_scanlines(poster, kind, table))))
    sequence = 0
    for number, cel in enumerate(story.cels):
        numerator, denominator = (round(cel.ms), 1000) if cel.ms == round(cel.ms) else (1, round(1000 / cel.ms))
        times = struct.pack(">HHBB", numerator, denominator, cel.disposal, cel.over)
        control = struct.pack(">IIIII", sequence, *cel.size, cel.left, cel.top)
        written.append(png_chunk(b"fcTL", control + times))
        sequence += 1
        coded = zlib.compress(_scanlines(cel.pixels, kind, table))
        step = -(-len(coded) // parts)
        for start in range(0, len(coded), step):
            if number or poster:
                written.append(png_chunk(b"fdAT", struct.pack(">I", sequence) + coded[start : start + step]))
                sequence += 1
            else:
                written.append(png_chunk(b"IDAT", coded[start : start + step]))
    return b"".join(written) + png_chunk(b"IEND", b"")


def _scanlines(rows: Rows, kind: str, table: list[Pixel]) -> bytes:
    def coded(pixel: Pixel) -> bytes:
        if kind == "P":
            return bytes((table.index(pixel),))
        if kind == "RGBA16":
            return b"".join(struct.pack(">H", level * 257) for level in pixel)
        return bytes(pixel[: {"RGBA": 4, "RGB": 3, "L": 1}[kind]])

    return b"".join(b"\0" + b"".join(map(coded, row)) for row in rows)


# --------------------------------------------------------------------------- WebP


def webp(story: Story, background: int = 0) -> bytes:
    """Of lossless frames, whose offsets are even, as WebP has them."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    def u24(number: int) -> bytes:
        return number.to_bytes(3, "little")

    chunks = [chunk(b"VP8X", b"\x12\0\0\0" + u24(story.width - 1) + u24(story.height - 1))]
    chunks.append(chunk(b"ANIM", struct.pack("<IH", background, story.plays)))
    for cel in story.cels:
        assert cel.left % 2 == cel.top % 2 == 0 != RESTORE - cel.disposal
        still = BytesIO()
        image(cel.pixels).save(still, "WEBP", lossless=True, exact=True)
        picture = still.getvalue()[12:]
        if picture[:4] == b"VP8X":
            picture = picture[18:]
        flags = (0 if cel.over else 2) | (1 if cel.disposal == CLEAR else 0)
        head = u24(cel.left // 2) + u24(cel.top // 2) + u24(cel.size[0] - 1) + u24(cel.size[1] - 1)
        chunks.append(chunk(b"ANMF", head + u24(round(cel.ms)) + bytes((flags,)) + picture))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def image(rows: Rows) -> Image.Image:
    made = Image.new("RGBA", (len(rows[0]), len(rows)))
    made.putdata([pixel for row in rows for pixel in row])
    return made


# --------------------------------------------------------------------------- stories

SIZE = (24, 18)
COLORS: list[Pixel] = [
    (220, 30, 30, 255),
    (30, 180, 30, 255),
    (30, 30, 220, 255),
    (250, 250, 250, 255),
    (0, 0, 0, 255),
    (240, 200, 0, 255),
]


def story(
    seed: int,
    disposals: Iterable[int],
    *,
    overs: Iterable[bool] = (True,),
    holes: bool = False,
    alphas: bool = False,
    covers: bool = True,
    gray: bool = False,
    even: bool = False,
    beyond: bool = False,
    times: Iterable[float] = (50, 70, 120),
    plays: int = 0,
    frames: int = 7,
) -> Story:
    """Patches of random colours at random places. The disposals, blends and times repeat in turn.

    `holes`: some pixels are transparent; `alphas`: half transparent; `covers`: the first frame fills the canvas;
    `beyond`: some frames reach over its edges.
    """
    chance = random.Random(seed)
    width, height = SIZE
    turns = [list(each) for each in (disposals, overs, times)]

    def pixel() -> Pixel:
        red, green, blue, _ = chance.choice(COLORS)
        if gray:
            return red, red, red, 255
        alpha = chance.choice((255, 200, 128, 60, 0)) if alphas else 0 if holes and chance.random() < 0.3 else 255
        return (red, green, blue, alpha) if alpha or alphas else CLEAR_PIXEL

    def cel(number: int) -> Cel:
        across, down = (width, height) if covers and not number else (chance.randint(1, 14), chance.randint(1, 12))
        left, top = chance.randint(0, width - across), chance.randint(0, height - down)
        if even:
            left, top = left // 2 * 2, top // 2 * 2
        if beyond and number:
            left, top = chance.randint(width - across, width + 3), chance.randint(height - down, height + 3)
        colors = [pixel() for _ in range(3)]
        rows = [[colors[(x // 3 + y // 3) % 3] for x in range(across)] for y in range(down)]
        disposal, over, ms = (turn[number % len(turn)] for turn in turns)
        return Cel(left, top, rows, ms, int(disposal), bool(over))

    return Story(width, height, [cel(number) for number in range(frames)], plays)


def stories() -> dict[str, tuple[Story, bytes]]:
    """30 animations of all kinds of disposal and blend, by names that end in their format: what is seen, the file."""
    made: dict[str, tuple[Story, bytes]] = {}
    orders = {"keep": [0], "clear": [1], "restore": [2], "all": [0, 1, 2], "back": [2, 1, 0, 0]}
    for number, (name, order) in enumerate(orders.items()):
        each = story(number, order)
        made[f"{name}.gif"] = (each, gif(each))
        each = story(10 + number, order, holes=True, covers=number % 2 == 0, plays=number)
        made[f"{name}-holes.gif"] = (each, gif(each, global_table=False, background=1))
        each = story(20 + number, order, overs=(True, False), holes=True, alphas=number % 2 == 0)
        made[f"{name}.png"] = (each, apng(each, parts=1 + number % 3))
    each = story(30, [0, 1, 2], beyond=True, holes=True, times=(0, 10, 20, 30))
    made["beyond.gif"] = (each, gif(each))
    each = story(31, [0], frames=4)
    each = each._replace(cels=[cel for cel in each.cels for _ in range(3)])
    made["same.gif"] = (each, gif(each))
    each = story(32, [1, 2, 0], overs=(False, True), alphas=True, plays=3)
    made["poster.png"] = (each, apng(each, poster=each.cels[0].pixels[::-1]))
    each = story(33, [0, 2], times=(1000 / 60, 1000 / 30), frames=9)
    made["sixty.png"] = (each, apng(each, kind="RGB"))
    each = story(34, [0, 1, 2], alphas=True, overs=(True, True, False))
    made["wide.png"] = (each, apng(each, kind="RGBA16"))
    each = story(35, [0, 1, 2], gray=True)
    made["gray.png"] = (each, apng(each, kind="L"))
    each = story(36, [0, 1, 2], alphas=True, overs=(False, True))
    made["palette.png"] = (each, apng(each, kind="P"))
    each = story(37, [0, 2], times=(0, 65535, 7), plays=1)
    made["long.png"] = (each, apng(each))
    for number, (order, overs) in enumerate(
        (([0], [True]), ([1], [True]), ([0, 1], [False]), ([1, 0, 0], [True, False]), ([0, 1], [False, True, True]))
    ):
        each = story(40 + number, order, overs=overs, alphas=number > 2, holes=True, even=True, plays=number)
        made[f"{number}.webp"] = (each, webp(each, background=(0, 0xFFFFFFFF)[number % 2]))
    each = story(45, [0, 1], even=True, alphas=True, covers=False, times=(1, 11, 333))
    made["times.webp"] = (each, webp(each))
    each = story(46, [0], even=True, overs=(False,), plays=2)
    made["plain.webp"] = (each, webp(each))
    return made
