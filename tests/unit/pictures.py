"""Small images whose pixels are known, for the tests."""

from __future__ import annotations

import base64
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


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


def data(image: Image.Image, format_: str, **options: Any) -> bytes:
    output = BytesIO()
    image.save(output, format_, **options)
    return output.getvalue()


def copyright_exif(holder: str) -> bytes:
    """EXIF with nothing but a copyright."""
    exif = Image.Exif()
    exif[0x8298] = holder.encode()
    return exif.tobytes().removeprefix(b"Exif\0\0")


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


# `quarters(64, 48)` turned by orientation 6 (so 48 x 64 as displayed), with a copyright: by libheif and x265.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAcltZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAAB7QABAAAAAAAAAR8AAgAAAAADDAABAAAAAAAAADgAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABCGlwcnAAAADnaXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEAF0"
    "ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU1zcBDQYEAAADAGQAAAMABCBiAAEACEQBwXMYMAiQ"
    "AAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAAB"
    "BwaXhpAAAAAAMICAgAAAAJaXJvdAMAAAAZaXBtYQAAAAAAAAABAAEGgQIDBYSGAAAAGmlyZWYAAAAAAAAADmNkc2MAAgABAAEAAAFfbWRhdAAA"
    "ARsoAa8E+EE1jN/tq3f/7Q37/9UNy242lp2OPA+n41L9Vff/726+nsbH03/7qVhxDEMYqgorTfVdsZb+IpfcuOuaqnCIQAkrWIeGhorewK5A9u"
    "sQzVLR8TCd/OFP/65W//jRSAuNI//PKf/mCfiBfpsbj+piucGjz/b9LnPUfr85V/nqpWow+Wr2zCLu0F5KSIdycQnwRzGDQZCnzcKDaduhgFP5"
    "XT8AmMvJNa6Dq5sIWmKTQ9pPpS8sHmGAPKmNm1HM9N8fpUThTfNYW6gurdEqz2kT4cIPWfEm33US7BpU/BRVoXp2JfTCxGk5GYxWxsUFLAvv4K"
    "/wXkeRvzzbB3iCheaKz9C+k2jIyH+Ssxzmey9iZwVBQh4N5LFAAAAABkV4aWYAAE1NACoAAAAIAAIBEgADAAAAAQAGAACCmAACAAAACAAAACYA"
    "AAAAKGMpIEFubgA="
)
