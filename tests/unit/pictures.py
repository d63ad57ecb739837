"""Small images whose pixels are known, for the tests."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 30), (30, 30, 220), (255, 255, 255)


def quarters(width: int = 80, height: int = 60, mode: str = "RGB") -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image.convert(mode)


def disc(size: int = 64) -> Image.Image:
    """A red disc, opaque, on pixels that are transparent and green beneath."""
    alpha = Image.radial_gradient("L").resize((size, size)).point([255 if level < 128 else 0 for level in range(256)])
    image = Image.new("RGB", (size, size), (0, 255, 0))
    image.paste(RED, mask=alpha)
    image.putalpha(alpha)
    return image


def data(image: Image.Image, format_: str, **options: Any) -> bytes:
    output = BytesIO()
    image.save(output, format_, **options)
    return output.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def near(pixel: Any, expected: Any, tolerance: int = 6) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, expected, strict=True))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, color: int, rows: bytes, *others: bytes) -> bytes:
    """A PNG from its raw rows (each with its filter byte); `others` are chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + body + chunk(b"IEND", b"")
