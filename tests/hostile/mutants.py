"""Valid files with something wrong in them: `mutant(seed, number)` is always the same."""

from __future__ import annotations

import functools
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from tests.hostile import colour, film, gravity, kept
from tests.hostile.files import grid, srgb_profile, tower, valid
from tests.unit import described
from tests.unit.pictures import data, disc, quarters

INTEGERS = (0, 1, 2, 3, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
HEADER = 512


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """A file name and the content."""
    chance = random.Random(f"{seed}/{number}")
    name = chance.choice(list(sources()))
    content = sources()[name]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        content = chance.choice(MUTATIONS)(chance, content) or b"\0"
    if chance.random() < 0.8:
        content = mended(content)
    return f"{'film/' if name in film.sources() else ''}{seed}-{number}-{name}", content


@functools.cache
def sources() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298], exif.get_ifd(0x8769)[0x9286] = 6, "Ann", b"comment"
    laden = {"icc_profile": srgb_profile(), "exif": exif}

    def frames(format_: str, **options: Any) -> bytes:
        more = [quarters().rotate(90), disc().resize((80, 60)).convert("RGB")]
        return data(quarters(), format_, save_all=True, append_images=more, **options)

    made = {
        **film.sources(),
        "plain.jpg": valid("JPEG"),
        "progressive.jpg": valid("JPEG", progressive=True, **laden),
        "gray.jpg": data(quarters(mode="L"), "JPEG"),
        "ink.jpg": data(Image.new("CMYK", (40, 30), (9, 80, 7, 60)), "JPEG"),
        "pair.jpg": frames("MPO"),
        "restarts.jpg": valid("JPEG", restart_marker_rows=1),
        "plain.png": valid("PNG", **laden),
        "alpha.png": data(disc(), "PNG"),
        "palette.png": data(quarters(mode="P"), "PNG", transparency=0, bits=4),
        "wide.png": data(Image.linear_gradient("L").convert("I;16"), "PNG"),
        "frames.png": frames("PNG"),
        "plain.webp": valid("WEBP", **laden),
        "lossless.webp": data(disc(), "WEBP", lossless=True),
        "alpha.webp": data(disc(), "WEBP"),
        "frames.webp": frames("WEBP"),
        "plain.gif": data(quarters(), "GIF"),
        "frames.gif": frames("GIF", transparency=0, disposal=2),
        "plain.avif": valid("AVIF", **laden),
        "alpha.avif": data(disc(), "AVIF"),
        "frames.avif": undated(frames("AVIF")),
        "grid.avif": grid(b"av01", 3, 2),
        "plain.heic": valid("HEIC"),
        "grid.heic": grid(b"hvc1", 3, 2),
        "overlay.heic": tower(b"hvc1", b"iovl", 2),
        "plain.tif": valid("TIFF", **laden),
        "pages.tif": frames("TIFF"),
        "fax.tif": data(quarters(mode="1"), "TIFF", compression="group4"),
    }
    made["marked.jpg"] = gravity.laden()
    for format_ in described.FORMATS:
        made[f"described.{kept.ENDINGS.get(format_, format_)}"] = kept.laden(format_)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd"):
        made[f"{compression}.tif"] = data(quarters(), "TIFF", compression=compression)
    return made | colour.sources()


def undated(content: bytes) -> bytes:
    """A film without the dates of its making, so that it is always the same."""
    for kind in (b"mvhd", b"tkhd", b"mdhd"):
        at = content.index(kind) + 8  # behind type, version and flags
        content = content[:at] + bytes(16) + content[at + 16 :]
    return content


# --------------------------------------------------------------------------- mutations


def _place(chance: random.Random, content: bytes) -> int:
    """Somewhere, half of the time among the first bytes."""
    return chance.randrange(min(len(content), HEADER) if chance.random() < 0.5 else len(content))


def _block(chance: random.Random, content: bytes) -> tuple[int, int]:
    start = _place(chance, content)
    return start, min(len(content), start + chance.choice((1, 2, 4, 16, 64, 512)))


def flipped(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 32))):
        changed[_place(chance, content)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def renumbered(chance: random.Random, content: bytes) -> bytes:
    at, width = _place(chance, content), chance.choice("BHHII")
    number = struct.pack(chance.choice("<>") + width, chance.choice(INTEGERS) % 2 ** (8 * struct.calcsize(width)))
    return content[:at] + number + content[at + len(number) :]


def deleted(chance: random.Random, content: bytes) -> bytes:
    start, stop = _block(chance, content)
    return content[:start] + content[stop:]


def inserted(chance: random.Random, content: bytes) -> bytes:
    start, stop = _block(chance, content)
    at = _place(chance, content)
    return content[:at] + content[start:stop] * chance.choice((1, 1, 2, 100)) + content[at:]


def overwritten(chance: random.Random, content: bytes) -> bytes:
    start, stop = _block(chance, content)
    at = _place(chance, content)
    block = content[start:stop] if chance.random() < 0.5 else chance.randbytes(stop - start)
    return content[:at] + block + content[at + len(block) :]


def truncated(chance: random.Random, content: bytes) -> bytes:
    return content[: _place(chance, content)]


def spliced(chance: random.Random, content: bytes) -> bytes:
    """Parts of two files of one format (or of two), in turn."""
    alike = [each for each in sources().values() if each[:4] == content[:4]]
    other = chance.choice(alike if alike and chance.random() < 0.7 else list(sources().values()))
    ours, theirs = parts(content), parts(other)
    at = chance.randrange(1, len(ours) + 1)
    return b"".join([*ours[:at], chance.choice(theirs), *ours[at + chance.randrange(2) :]])


def shuffled(chance: random.Random, content: bytes) -> bytes:
    """A part is there twice, or not at all, or somewhere else."""
    found = parts(content)
    part = found.pop(chance.randrange(len(found)))
    for _ in range(chance.choice((0, 1, 2, 50))):
        found.insert(chance.randrange(len(found) + 1), part)
    return b"".join(found)


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [
    flipped,
    flipped,
    renumbered,
    renumbered,
    deleted,
    inserted,
    overwritten,
    truncated,
    spliced,
    shuffled,
]


# --------------------------------------------------------------------------- structure


def parts(content: bytes) -> list[bytes]:
    """The chunks, segments or boxes of a file, the rest in one; blocks of 64 bytes for what has none."""
    if content[:4] == b"\x89PNG":
        return _cut(content, 8, lambda at: 12 + int.from_bytes(content[at : at + 4], "big"))
    if content[:4] == b"RIFF":
        return _cut(content, 12, lambda at: 8 + (int.from_bytes(content[at + 4 : at + 8], "little") + 1) // 2 * 2)
    if content[:2] == b"\xff\xd8":
        in_scan = content.find(b"\xff\xda")
        end = in_scan if in_scan > 0 else len(content)
        size = functools.partial(_segment, content, end)
        return _cut(content, 2, size)
    if content[4:8] == b"ftyp":
        return _cut(content, 0, lambda at: 12 if content[at + 4 : at + 8] == b"meta" else _box(content, at))
    return _cut(content, 8, lambda _: 64)


def _segment(content: bytes, end: int, at: int) -> int:
    return 2 + int.from_bytes(content[at + 2 : at + 4], "big") if at < end else len(content)


def _box(content: bytes, at: int) -> int:
    return max(8, int.from_bytes(content[at : at + 4], "big"))


def _cut(content: bytes, at: int, size: Callable[[int], int]) -> list[bytes]:
    found = [content[:at]]
    while at < len(content):
        found.append(content[at : at + size(at)])
        at += size(at)
    return [part for part in found if part]


def mended(content: bytes) -> bytes:
    """With checksums and sizes that are right again: else nothing would be looked at beyond them."""
    if content[:4] == b"RIFF":
        return content[:4] + struct.pack("<I", max(0, len(content) - 8)) + content[8:]
    if content[:4] == b"\x89PNG":
        head, *chunks = parts(content)
        return head + b"".join(
            chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4])) if len(chunk) >= 12 else chunk for chunk in chunks
        )
    return content
