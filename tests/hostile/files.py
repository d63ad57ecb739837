"""Bad input that the tests make themselves.

Each file comes with how it must end: the code of its rejection, SUCCEEDED, or "" for either. Makers are called when
their file is needed, as some take a second.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

from PIL import AvifImagePlugin, Image, ImageCms, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from tests.unit.pictures import HEIC, chunk, data, png, quarters

Maker = Callable[[], bytes]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIC", "TIFF")
ENDINGS = {"JPEG": "jpg", "TIFF": "tif"}


def files(every: int = 1) -> dict[str, tuple[Maker, str]]:
    """Name → maker, and how the file must end. `every`: only each so-many-th of those about colours and films."""
    from tests.hostile import colour, film, gravity, kept  # here, as they are built of what this module has

    groups = (bombs, floods, scans, metadata, polyglots, cut, wrong_names, modes, odd, gravity.files, kept.files)
    many = (islice(group(), 0, None, every) for group in (colour.files, film.cases))
    return {name: (make, end) for name, make, end in chain(*(group() for group in groups), *many)}


Files = Iterator[tuple[str, Maker, str]]


def valid(format_: str, size: tuple[int, int] = (96, 64), **options: Any) -> bytes:
    """A small picture with something to see in it."""
    if format_ == "HEIC":
        return HEIC
    noise = random.Random(0).randbytes(size[0] * size[1])
    image = Image.frombytes("L", size, noise).convert("RGB")
    image.paste(quarters(size[0] // 2, size[1] // 2))
    return data(image, format_, **options)


# --------------------------------------------------------------------------- building blocks


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for kind, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    body = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", body


def frames_of(content: bytes) -> tuple[bytes, bytes]:
    """The one picture in a plain WebP file, as a chunk."""
    return content[12:16], content[20 : 20 + int.from_bytes(content[16:20], "little")]


def tiff(entries: dict[int, tuple[int, int, int | bytes]], pixels: bytes = b"", after: int = 0) -> bytes:
    """A little-endian TIFF: {tag: (type, count, value or the bytes of it)}; where a value is "@", `pixels` begin."""
    start = 8 + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack("<H", len(entries)), b""
    for tag, (kind, count, value) in sorted(entries.items()):
        if value == b"@":
            value = start
        if isinstance(value, bytes):
            directory += struct.pack("<HHII", tag, kind, count, start + len(pixels) + len(extra))
            extra += value
        else:
            directory += struct.pack("<HHII", tag, kind, count, value)
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", after) + pixels + extra


def plain_tiff(width: int, height: int, pixels: bytes, **changes: tuple[int, int, int | bytes]) -> bytes:
    """Gray of 8 bits, not compressed, in one strip."""
    entries: dict[str, tuple[int, int, int | bytes]] = {
        "256": (4, 1, width),
        "257": (4, 1, height),
        "258": (3, 1, 8),
        "259": (3, 1, 1),
        "262": (3, 1, 1),
        "273": (4, 1, b"@"),
        "277": (3, 1, 1),
        "278": (4, 1, height),
        "279": (4, 1, len(pixels)),
    } | {name.removeprefix("t"): change for name, change in changes.items()}
    return tiff({int(tag): entry for tag, entry in entries.items()}, pixels)


def exif(entries: list[tuple[int, int, int, int]], rest: bytes = b"", after: int = 0) -> bytes:
    """EXIF from entries of (tag, type, count, value or offset), and bytes that offsets may lead to."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries) % 65536) + packed + struct.pack("<I", after) + rest


def in_jpeg(block: bytes) -> bytes:
    content = valid("JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    return content[:2] + segment + content[2:]


def in_png(block: bytes) -> bytes:
    return png(2, 1, 8, 2, b"\0" + bytes(6), chunk(b"eXIf", block))


def in_webp(block: bytes) -> bytes:
    return riff(vp8x(96, 64, 8), frames_of(valid("WEBP")), (b"EXIF", block))


def in_avif(block: bytes) -> bytes:
    block = block.ljust(16, b"\0")
    sound = exif([]).ljust(len(block), b"~")  # Pillow writes no other
    return patched(data(quarters(), "AVIF", exif=sound), sound, block)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def box_in(content: bytes, kind: bytes) -> bytes:
    start = content.index(kind) - 4
    return content[start : start + int.from_bytes(content[start : start + 4], "big")]


Items = list[tuple[int, bytes, bytes, tuple[int, int]]]  # of a HEIC or AVIF: number, type, content, size


def container(brand: bytes, config: bytes, items: Items, links: dict[int, range]) -> bytes:
    """A HEIC or AVIF of these items, the first being the picture; `links`: which ones an item is derived from.

    Items with the same content share it. `config` is the box hvcC or av1C of those that are coded.
    """
    contents = list(dict.fromkeys(content for _, _, content, _ in items))
    offsets = {content: sum(map(len, contents[:index])) for index, content in enumerate(contents)}
    sizes = list(dict.fromkeys(size for _, _, _, size in items))
    pixels = box(b"pixi", b"\0\0\0\0\3\x08\x08\x08")
    extents = [box(b"ispe", struct.pack(">III", 0, *size)) for size in sizes]
    ties = [
        struct.pack(">HBBBB", number, 3, 1 if kind in (b"hvc1", b"av01") else 2, 2, 3 + sizes.index(size))
        for number, kind, _, size in items
    ]

    def boxes(place: int) -> bytes:
        """All that stands before the contents, which are at `place`."""
        where = [(number, 0, 1, place + offsets[content], len(content)) for number, _, content, _ in items]
        named = [struct.pack(">IHH4sB", 0x02000000, number, 0, kind, 0) for number, kind, _, _ in items]
        derived = [(number, list(sources)) for number, sources in links.items()]
        meta = box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", struct.pack(">IH", 0, items[0][0])),
            box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(where)), *(struct.pack(">HHHII", *at) for at in where)),
            box(b"iinf", struct.pack(">IH", 0, len(named)), *(box(b"infe", name) for name in named)),
            box(b"iprp", box(b"ipco", config, pixels, *extents), box(b"ipma", struct.pack(">II", 0, len(ties)), *ties)),
            box(
                b"iref",
                bytes(4),
                *(box(b"dimg", struct.pack(f">HH{len(of)}H", number, len(of), *of)) for number, of in derived),
            ),
        )
        return box(b"ftyp", brand, bytes(4), b"mif1", brand) + meta

    return boxes(len(boxes(0)) + 8) + box(b"mdat", *contents)


def tile(kind: bytes, content: bytes = b"") -> tuple[bytes, bytes]:
    """The configuration and the coded picture of a HEIC (kind hvc1; of 64 x 64 pixels) or an AVIF (av01)."""
    if kind == b"hvc1":
        return box_in(HEIC, b"hvcC"), box_in(HEIC, b"mdat")[8:][:0x11F]  # EXIF is behind it
    content = content or data(quarters(64, 64), "AVIF")
    return box_in(content, b"av1C"), box_in(content, b"mdat")[8:]


def grid(
    kind: bytes,
    columns: int,
    rows: int,
    *,
    tiles: int | None = None,
    size: tuple[int, int] | None = None,
    content: bytes = b"",
    side: int = 64,
) -> bytes:
    """A HEIC or AVIF of tiles that are all the same picture: few bytes for many pixels."""
    config, picture = tile(kind, content)
    whole = size or (side * columns, side * rows)
    count = columns * rows if tiles is None else tiles
    shape = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *whole)
    items = [(1, b"grid", shape, whole), *((number, kind, picture, (side, side)) for number in range(2, 2 + count))]
    return container(b"heic" if kind == b"hvc1" else b"avif", config, items, {1: range(2, 2 + count)})


def tower(kind: bytes, derived: bytes, levels: int) -> bytes:
    """Each level is made of two items of the one below, which are both made of two: 2^levels pictures in all."""
    config, picture = tile(kind)
    size = (64, 64)
    if derived == b"iovl":
        shape = struct.pack(">BB4HII", 0, 1, 0, 0, 0, 0, *size) + bytes(16)
    else:
        shape = struct.pack(">BBBBII", 0, 1, 0, 1, *size)
    items: Items = [(1, derived, shape, size)]
    links = {1: range(2, 4)}
    for level in range(1, levels):
        pair = range(2 * level, 2 * level + 2)
        items += [(number, derived, shape, size) for number in pair]
        links |= dict.fromkeys(pair, range(pair.stop, pair.stop + 2))
    items += [(number, kind, picture, size) for number in range(2 * levels, 2 * levels + 2)]
    return container(b"heic" if kind == b"hvc1" else b"avif", config, items, links)


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def jpeg_of_size(width: int, height: int, **options: Any) -> bytes:
    """A JPEG that says that it is larger than it is."""
    content = valid("JPEG", **options)
    return patched(content, struct.pack(">HH", 64, 96), struct.pack(">HH", height, width))


def gif(width: int, height: int, *frames: bytes) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"".join(frames) + b";"


def gif_frame(left: int, top: int, width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\2\2\x44\1\0"


# --------------------------------------------------------------------------- what claims to be large


def bombs() -> Files:
    big = "TOO_MANY_PIXELS"
    yield "bombs/65535.jpg", partial(jpeg_of_size, 65535, 65535), big
    yield "bombs/16384.jpg", partial(jpeg_of_size, 16384, 16384), big
    yield "bombs/progressive.jpg", partial(jpeg_of_size, 16000, 16000, progressive=True), big
    yield "bombs/wide.jpg", partial(jpeg_of_size, 16385, 1), big
    yield "bombs/no-height.jpg", partial(jpeg_of_size, 100, 0), "CORRUPT"
    yield "bombs/missing.jpg", partial(jpeg_of_size, 12000, 12000), ""
    yield "bombs/second-frame.jpg", _two_frames, ""

    yield "bombs/60000.png", lambda: png(60000, 60000, 8, 6, b""), big
    yield "bombs/most.png", lambda: png(2**31 - 1, 2**31 - 1, 16, 6, b""), big
    yield "bombs/negative.png", lambda: png(2**32 - 1, 2**32 - 1, 8, 6, b""), big
    yield "bombs/bits.png", lambda: png(16384, 16384, 1, 0, bytes(2049 * 16384)), big
    yield "bombs/interlaced.png", lambda: _interlaced(8000, 8000), "CORRUPT"
    yield "bombs/missing.png", lambda: png(8000, 8000, 8, 6, bytes(100)), "CORRUPT"
    yield "bombs/too-much.png", lambda: png(1, 1, 8, 0, bytes(200_000_000)), ""
    yield "bombs/second-header.png", lambda: png(1, 1, 8, 0, b"\0\0", _header(50000, 50000)), big
    yield "bombs/empty.png", lambda: png(0, 1, 8, 0, b"\0\0"), "CORRUPT"

    yield "bombs/canvas.webp", lambda: riff(vp8x(16384, 16384)), big
    yield "bombs/most.webp", lambda: riff(vp8x(2**24, 2**24)), big
    yield "bombs/lossless.webp", lambda: riff((b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(99))), big
    yield "bombs/lossy.webp", lambda: riff((b"VP8 ", b"\x30\1\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(99))), big
    yield "bombs/missing.webp", lambda: riff(vp8x(7000, 7000), frames_of(valid("WEBP"))), "CORRUPT"
    yield "bombs/frames.webp", _many_frames_webp, "TOO_MANY_FRAMES"

    yield "bombs/65535.gif", lambda: gif(65535, 65535, gif_frame(0, 0, 1, 1)), big
    yield "bombs/frame.gif", lambda: gif(1, 1, gif_frame(0, 0, 60000, 60000)), ""
    yield "bombs/offset.gif", lambda: gif(1, 1, gif_frame(65535, 65535, 1, 1)), ""
    yield "bombs/second.gif", lambda: gif(1, 1, gif_frame(0, 0, 1, 1), gif_frame(0, 0, 65535, 65535)), ""
    yield "bombs/missing.gif", lambda: gif(9000, 9000, gif_frame(0, 0, 9000, 9000)), "CORRUPT"
    yield "bombs/frames.gif", lambda: gif(1, 1, *[gif_frame(0, 0, 1, 1)] * 1001), "TOO_MANY_FRAMES"
    yield "bombs/empty.gif", lambda: gif(0, 0, gif_frame(0, 0, 0, 0)), "CORRUPT"

    avif = partial(data, quarters(96, 64), "AVIF")
    side = struct.pack(">II", 96, 64)
    for width, height, end in ((60000, 60000, ""), (16000, 16000, ""), (2**32 - 1, 2**32 - 1, ""), (9000, 9000, "")):
        claimed = struct.pack(">II", width, height)
        yield f"bombs/{width}.avif", lambda claimed=claimed: patched(avif(), side, claimed), end
        claimed_heic = partial(patched, HEIC, struct.pack(">II", 64, 64), claimed)
        yield f"bombs/{width}.heic", claimed_heic, end
    for kind, end in ((b"hvc1", "heic"), (b"av01", "avif")):
        yield f"bombs/grid-small.{end}", partial(grid, kind, 4, 3), "SUCCEEDED"
        yield f"bombs/grid-medium.{end}", partial(grid, kind, 30, 30), "SUCCEEDED"
        yield f"towers/grid-large.{end}", partial(grid, kind, 256, 255), ""
        yield f"bombs/grid-short.{end}", partial(grid, kind, 4, 3, tiles=1), ""
        yield f"bombs/grid-claims.{end}", partial(grid, kind, 2, 2, size=(9000, 9000)), ""
        for derived in (b"iovl", b"grid"):
            name = f"towers/{derived.decode()}"
            yield f"{name}-2.{end}", partial(tower, kind, derived, 2), ""
            yield f"{name}-40.{end}", partial(tower, kind, derived, 40), "CORRUPT" if end == "avif" else "TOO_COMPLEX"

    yield "bombs/60000.tif", lambda: plain_tiff(60000, 60000, b"\0"), big
    yield "bombs/most.tif", lambda: plain_tiff(2**32 - 1, 2**32 - 1, b"\0"), big
    yield "bombs/missing.tif", lambda: plain_tiff(9000, 9000, b"\0"), "CORRUPT"
    yield "bombs/tile.tif", lambda: plain_tiff(8, 8, bytes(64), t322=(4, 1, 60000), t323=(4, 1, 60000)), ""
    yield "bombs/deflate-tile.tif", partial(_deflated_tile, 16384, 16384**2), ""
    yield "bombs/short-tile.tif", partial(_deflated_tile, 65504, 1000), "CORRUPT"
    yield "bombs/deflate.tif", lambda: _deflated(9000, 9000), "SUCCEEDED"
    yield "bombs/deflate-200.tif", lambda: _deflated(1, 1, bytes(200_000_000)), ""
    yield "bombs/samples.tif", lambda: plain_tiff(64, 64, bytes(9999), t277=(3, 1, 65535)), ""
    yield "bombs/bits.tif", lambda: plain_tiff(64, 64, bytes(9999), t258=(3, 1, 65535)), ""
    yield "bombs/strips.tif", lambda: plain_tiff(64, 64, bytes(64), t279=(4, 1, 2**32 - 1)), ""
    yield "bombs/many-strips.tif", _many_strips, ""
    yield "bombs/pages.tif", lambda: tiff({256: (3, 1, 1)}, after=8), "TOO_MANY_FRAMES"
    yield "bombs/big.tif", lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**64 - 1), "CORRUPT"


def _two_frames() -> bytes:
    """A second header within the first picture says that it is large."""
    content = valid("JPEG")
    start = content.index(b"\xff\xc0")
    second = content[start : start + 5] + struct.pack(">HH", 14000, 14000) + content[start + 9 : start + 19]
    return content[: start + 19] + second + content[start + 19 :]


def _header(width: int, height: int, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, interlaced))


def _interlaced(width: int, height: int) -> bytes:
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + _header(width, height, True) + pixels + chunk(b"IEND", b"")


def _many_frames_webp() -> bytes:
    kind, body = frames_of(data(Image.new("RGB", (1, 1)), "WEBP"))
    picture = kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    frame = (b"ANMF", bytes(12) + b"\1\0\0\0" + picture)
    return riff(vp8x(1, 1, 2), (b"ANIM", bytes(6)), *[frame] * 1001)


def _deflated(width: int, height: int, pixels: bytes | None = None) -> bytes:
    packed = zlib.compress(bytes(width * height) if pixels is None else pixels)
    return plain_tiff(width, height, packed, t259=(3, 1, 8))


def _deflated_tile(side: int, size: int) -> bytes:
    """A picture of 8 x 8 pixels in a tile of many, of which the first are there."""
    packed = zlib.compress(bytes(size))
    return plain_tiff(
        8,
        8,
        packed,
        t259=(3, 1, 8),
        t322=(4, 1, side),
        t323=(4, 1, side),
        t324=(4, 1, b"@"),
        t325=(4, 1, len(packed)),
    )


def _many_strips() -> bytes:
    count = 1_000_000
    places = struct.pack("<I", 8) * count
    return plain_tiff(64, 64, bytes(64), t278=(4, 1, 1), t273=(4, count, places), t279=(4, count, places))


# --------------------------------------------------------------------------- structures without end


def floods() -> Files:
    deep = "TOO_COMPLEX"
    text = chunk(b"tEXt", b"a\0b")
    yield "floods/chunks.png", lambda: png(1, 1, 8, 0, b"\0\0", *[text] * 100_000), deep
    yield "floods/few-chunks.png", lambda: png(1, 1, 8, 0, b"\0\0", *[text] * 99_000), "SUCCEEDED"
    yield "floods/empty-pixels.png", lambda: png(1, 1, 8, 0, b"\0\0", *[chunk(b"IDAT", b"")] * 99_000), ""
    profile = chunk(b"iCCP", b"a\0\0" + _packed(900))
    yield "floods/profiles.png", lambda: png(1, 1, 8, 0, b"\0\0", *[profile] * 9_000), ""
    yield "floods/segments.jpg", lambda: _segments(b"\xff\xe0\0\2", 200_000), deep
    yield "floods/few-segments.jpg", lambda: _segments(b"\xff\xe0\0\2", 99_000), "SUCCEEDED"
    yield "floods/profiles.jpg", lambda: _segments(_icc_segment(), 1_000), ""
    yield "floods/pictures.jpg", lambda: _segments(_mpf_segment(), 1_000), ""
    yield "floods/tables.jpg", lambda: _segments(b"\xff\xdb\0\x43\0" + b"\1" * 64, 90_000), ""
    yield "floods/photoshop.jpg", lambda: _segments(_photoshop_segment(), 1_000), ""
    yield "floods/restarts.jpg", lambda: _segments(b"\xff\xd0", 500_000), deep
    yield "floods/fill.jpg", lambda: b"\xff\xd8" + b"\xff" * 5_000_000, ""
    yield "floods/stuffing.jpg", lambda: b"\xff\xd8\xff\xe0\0\2" + b"\xff\0" * 2_000_000, deep
    yield "floods/zeros.jpg", lambda: b"\xff\xd8\xff\xe0\0\2" + bytes(5_000_000), deep
    yield "floods/chunks.webp", lambda: riff(vp8x(96, 64), frames_of(valid("WEBP")), *[(b"junk", b"")] * 100_000), deep
    yield "floods/junk.gif", lambda: b"GIF89a\1\0\1\0\0\0\0" + bytes(200_000), deep
    yield "floods/comments.gif", lambda: gif(1, 1, b"!\xfe" + b"\1a" * 90_000 + b"\0", gif_frame(0, 0, 1, 1)), ""
    yield "floods/full-comments.gif", lambda: gif(1, 1, b"!\xfe" + (b"\xff" + b"a" * 255) * 20_000 + b"\0"), ""
    yield "floods/many-comments.gif", lambda: gif(1, 1, b"!\xfe\1a\0" * 45_000, gif_frame(0, 0, 1, 1)), ""
    yield "floods/entries.tif", lambda: tiff(dict.fromkeys(range(65535), (3, 1, 1)), after=8), deep
    yield "floods/boxes.avif", lambda: _boxes("AVIF"), ""
    yield "floods/boxes.heic", lambda: _boxes("HEIC"), ""
    yield "floods/deep.heic", lambda: _nested(b"heic"), "CORRUPT"
    yield "floods/deep.avif", lambda: _nested(b"avif"), "CORRUPT"


def _packed(size: int) -> bytes:
    return zlib.compress(bytes(size))


def _segments(segment: bytes, count: int) -> bytes:
    content = valid("JPEG")
    return content[:2] + segment * count + content[2:]


def _icc_segment() -> bytes:
    return b"\xff\xe2" + struct.pack(">H", 65533) + b"ICC_PROFILE\0\1\1" + bytes(65533 - 16)


def _mpf_segment() -> bytes:
    block = exif([(0xB000, 7, 4, 0x30303130), (0xB001, 4, 1, 60000), (0xB002, 7, 60000, 50)], bytes(60000))
    return b"\xff\xe2" + struct.pack(">H", len(block) + 6) + b"MPF\0" + block


def _photoshop_segment() -> bytes:
    blocks = b"8BIM\x04\x04\0\0\0\0\0\0" * 5_000
    return b"\xff\xed" + struct.pack(">H", len(blocks) + 16) + b"Photoshop 3.0\0" + blocks


def _boxes(format_: str) -> bytes:
    content = valid(format_)
    first = int.from_bytes(content[:4], "big")
    # In front of the real ones, so that every offset would have to move: readers go through all of them first.
    return content[:first] + box(b"free") * 500_000 + content[first:]


def _nested(brand: bytes) -> bytes:
    count = 100_000
    inner = b"".join(struct.pack(">I", 8 * (count - depth)) + b"dinf" for depth in range(count))
    return box(b"ftyp", brand, bytes(4), b"mif1", brand) + box(b"meta", bytes(4), inner)


# --------------------------------------------------------------------------- scans


def scans() -> Files:
    yield "scans/2000.jpg", lambda: many_scans((500, 500), 2000), "TOO_COMPLEX"
    yield "scans/101.jpg", lambda: many_scans((64, 64), 101), "TOO_COMPLEX"
    yield "scans/100.jpg", lambda: many_scans((64, 64), 100), "SUCCEEDED"
    yield "scans/large.jpg", lambda: many_scans((7000, 5000), 90), "TOO_COMPLEX"
    yield "scans/large-enough.jpg", lambda: many_scans((5000, 5000), 99), ""
    yield "scans/after-the-end.jpg", lambda: valid("JPEG") + b"\xff\xda" * 5000, "SUCCEEDED"
    yield "scans/no-picture.jpg", lambda: b"\xff\xd8" + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 5000, ""


def many_scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    content = data(Image.linear_gradient("L").resize(size), "JPEG", progressive=True)
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    return content[:end] + content[last:end] * (count - content.count(b"\xff\xda")) + content[end:]


# --------------------------------------------------------------------------- metadata


def metadata() -> Files:
    hosts: dict[str, Callable[[bytes], bytes]] = {"jpg": in_jpeg, "png": in_png, "webp": in_webp, "avif": in_avif}
    for ending, host in hosts.items():
        for name, block in exif_blocks().items():
            yield f"exif/{name}.{ending}", partial(host, block), "" if ending == "avif" else "SUCCEEDED"
        if ending != "jpg":  # a segment has no room for it
            yield f"exif/bomb.{ending}", lambda host=host: host(exif_bomb(65535, 4_000_000)), ""
    yield "exif/bomb.jpg", lambda: in_jpeg(exif_bomb(3_500, 20_000)), ""
    yield "exif/bomb.tif", _tag_bomb, ""
    yield "exif/loop.tif", lambda: plain_tiff(8, 8, bytes(64), t34665=(4, 1, 8), t34853=(4, 1, 8)), "SUCCEEDED"
    yield "exif/sub.tif", lambda: plain_tiff(8, 8, bytes(64), t330=(4, 1, 8)), "SUCCEEDED"

    profile = srgb_profile()
    broken = {
        "nonsense": b"nonsense",
        "zeros": bytes(500),
        "cut": profile[: len(profile) // 2],
        "size": b"\xff\xff\xff\xff" + profile[4:],
        "tags": profile[:128] + b"\xff\xff\xff\xff" + profile[132:],
        "offsets": profile[:132] + b"\xff\xff\xff\xf0" * ((len(profile) - 132) // 4),
        "space": profile[:16] + b"CMYK" + profile[20:],
        "connection": profile[:20] + b"????" + profile[24:],
        "link": profile[:12] + b"link" + profile[16:],
        "flipped": bytes(byte ^ (index % 7 == 0) for index, byte in enumerate(profile)),
    }
    for name, content in broken.items():
        for format_ in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
            end = ENDINGS.get(format_, format_.lower())
            yield f"icc/{name}.{end}", partial(data, quarters(), format_, icc_profile=content), "SUCCEEDED"
        ink = Image.new("CMYK", (8, 8))
        yield f"icc/{name}-cmyk.jpg", partial(data, ink, "JPEG", icc_profile=content), "SUCCEEDED"
    yield "icc/bomb.png", lambda: png(1, 1, 8, 2, b"\0\0\0\0", chunk(b"iCCP", b"a\0\0" + _packed(300_000_000))), ""
    yield "icc/large.tif", lambda: plain_tiff(8, 8, bytes(64), t34675=(7, 20_000_000, bytes(20_000_000))), ""

    for kind in (b"zTXt", b"iTXt"):
        prefix = b"a\0\0" if kind == b"zTXt" else b"a\0\1\0\0\0"
        made = partial(_text_bomb, kind, prefix)
        yield f"text/{kind.decode()}.png", made, ""
    yield "text/long.png", lambda: png(1, 1, 8, 0, b"\0\0", chunk(b"tEXt", b"a\0" + b"b" * 9_000_000)), ""
    entities = b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>&b;"
    yield "text/xmp.jpg", lambda: _segments(_xmp(entities), 1), "SUCCEEDED"
    yield "text/xmp.webp", lambda: riff(vp8x(96, 64, 4), frames_of(valid("WEBP")), (b"XMP ", b"<a>" * 1_000_000)), ""


def srgb_profile() -> bytes:
    """Without the date of its making, so that it is always the same."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]


def exif_blocks() -> dict[str, bytes]:
    """EXIF that goes wrong in some way; what it is the EXIF of is sound."""
    orientation = (0x0112, 3, 1, 6)
    return {
        "nothing": b"",
        "short": b"II*",
        "far": b"II*\0\xff\xff\xff\x7f",
        "loop": exif([orientation], after=8),
        "ifd-loop": exif([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)]),
        "many": exif([orientation] * 3_000),
        "cut": exif([orientation])[:-7],
        "claims": exif([(0x010E, 2, 2**32 - 1, 8)]),
        "type": exif([(0x0112, 99, 1, 6)]),
        "rational": exif([(0x0112, 5, 1, 26)], bytes(8)),
        "text": exif([(0x0112, 2, 1, 0x36)]),
        "nine": exif([(0x0112, 3, 1, 9)]),
        "huge": exif([(0x0112, 4, 1, 2**32 - 1)]),
        "list": exif([(0x0112, 3, 4, 26)], struct.pack("<4H", 6, 7, 8, 1)),
        "maker": exif([(0x8769, 4, 1, 26)], exif([(0x927C, 7, 2**31, 8)])[8:]),
        "big-endian": b"MM\0*\0\0\0\x08\xff\xff",
        "bigtiff": b"II+\0\x08\0\0\0" + bytes(24),
    }


def exif_bomb(entries: int, size: int) -> bytes:
    """A few kilobytes or megabytes that are all of them the value of every one of many entries."""
    return exif([(tag, 7, size, 8) for tag in range(entries)], bytes(size))


def _tag_bomb() -> bytes:
    entries: dict[int, tuple[int, int, int | bytes]] = dict.fromkeys(range(40_000, 60_000), (7, 4_000_000, 8))
    content = plain_tiff(8, 8, bytes(64))
    (count,) = struct.unpack_from("<H", content, 8)
    more = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in entries.items())
    directory = content[10 : 10 + 12 * count]
    start = 8 + 2 + len(directory) + len(more) + 4
    directory = directory.replace(struct.pack("<HHI", 273, 4, 1) + directory[60 + 8 : 60 + 12], b"")
    pixels = struct.pack("<HHII", 273, 4, 1, start)
    whole = b"".join(sorted((directory + pixels)[at : at + 12] for at in range(0, len(directory + pixels), 12)))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count + len(entries)) + whole + more + bytes(4) + bytes(4_000_000)


def _text_bomb(kind: bytes, prefix: bytes) -> bytes:
    return png(1, 1, 8, 0, b"\0\0", *[chunk(kind, prefix + _packed(50_000_000))] * 4)


def _xmp(text: bytes) -> bytes:
    head = b"http://ns.adobe.com/xap/1.0/\0"
    return b"\xff\xe1" + struct.pack(">H", 2 + len(head) + len(text)) + head + text


# --------------------------------------------------------------------------- what is two things, or a part of one


def polyglots() -> Files:
    script = b"<script>alert(1)</script><?php system($_GET[0]); ?>"
    for format_ in FORMATS:
        end = ENDINGS.get(format_, format_.lower())
        yield f"polyglots/html.{end}", lambda format_=format_: valid(format_) + script, "SUCCEEDED"
        yield f"polyglots/zip.{end}", lambda format_=format_: valid(format_) + b"PK\3\4" + bytes(99), "SUCCEEDED"
        for other in FORMATS:
            name = f"polyglots/{other.lower()}-behind.{end}"
            yield name, lambda format_=format_, other=other: valid(format_) + valid(other), ""
            name = f"polyglots/{other.lower()}-spliced.{end}"
            yield name, lambda format_=format_, other=other: valid(format_)[:16] + valid(other)[16:], ""
    yield "polyglots/gif-js.gif", lambda: b"GIF89a=1;/*" + bytes(300) + b"*/alert(1)", ""
    yield "polyglots/jpeg-js.jpg", lambda: _segments(b"\xff\xfe\0\x20" + b"*/=alert(1);/*".ljust(30), 1), "SUCCEEDED"
    yield "polyglots/pdf.jpg", lambda: _segments(b"\xff\xfe\0\x20" + b"%PDF-1.7".ljust(30), 1), "SUCCEEDED"
    yield "polyglots/eps.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n" + valid("JPEG"), "UNSUPPORTED_FORMAT"
    yield "polyglots/svg.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "UNSUPPORTED_FORMAT"


def cut() -> Files:
    yield "cut/nothing.jpg", bytes, "EMPTY"
    for format_ in FORMATS:
        end = ENDINGS.get(format_, format_.lower())
        content = valid(format_)
        places = {1, 2, 3, 4, 8, 11, 12, 13, 16, 20, 24, 25, 26, 30, 32, 33, 40, 48, 64, 100}
        places |= {len(content) * part // 24 for part in range(1, 24)} | {len(content) - left for left in range(1, 20)}
        for place in sorted(place for place in places if 0 < place < len(content)):
            yield f"cut/{place}.{end}", partial(content.__getitem__, slice(place)), ""
        for size in (1, 100, 5000):
            yield f"cut/zeros-{size}.{end}", partial(_zeroed, content, size), ""


def _zeroed(content: bytes, size: int) -> bytes:
    """As an interrupted copy leaves it: the right length, and zeros from somewhere on."""
    return content[: max(12, len(content) // 2 - size)].ljust(len(content), b"\0")


def wrong_names() -> Files:
    for format_ in FORMATS:
        for end in ("jpg", "png", "webp", "gif", "avif", "heic", "tif", "txt", "exe", "html"):
            yield f"names/{format_.lower()}-as.{end}", partial(valid, format_), "SUCCEEDED"
    others = {
        "film.jpg": b"\0\0\0\x1cftypisom\0\0\2\0isommp42" + bytes(99),
        "page.png": b"<!DOCTYPE html><html><body>Hello</body></html>",
        "program.gif": b"MZ" + bytes(999),
        "elf.webp": b"\x7fELF" + bytes(999),
        "archive.heic": b"PK\3\4" + bytes(99),
        "bitmap.jpg": data(quarters(), "BMP"),
        "drawing.svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        "zeros.jpg": bytes(100_000),
        "one-byte.jpg": b"\xff",
        "newline.jpg": b"\n",
    }
    for name, content in others.items():
        yield f"names/{name}", partial(bytes, content), "UNSUPPORTED_FORMAT"


# --------------------------------------------------------------------------- modes and sizes


def modes() -> Files:
    """Every colour mode of every format, in one pixel."""
    stored = {
        "JPEG": ("L", "RGB", "CMYK"),
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "WEBP": ("L", "RGB", "RGBA"),
        "GIF": ("1", "L", "P", "RGBA"),
        "AVIF": ("L", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I;16B"),
    }
    for format_, names in stored.items():
        end = ENDINGS.get(format_, format_.lower())
        for mode in names:
            made = partial(data, Image.new(mode, (1, 1)), format_)
            yield f"modes/{mode.replace(';', '-')}.{end}", made, "SUCCEEDED"
    for mode in ("I", "F"):
        yield f"modes/{mode}.tif", partial(data, Image.new(mode, (1, 1)), "TIFF"), "UNSUPPORTED_FORMAT"
    for color, channels in ((0, 1), (2, 3), (3, 1), (4, 2), (6, 4)):
        for depth in (1, 2, 4, 8, 16):
            row = b"\0" + bytes(max(1, depth * channels // 8))
            palette = [chunk(b"PLTE", bytes(6))] if color == 3 else []
            for name, more in (("", []), ("-key", [chunk(b"tRNS", bytes(2 * channels))])):
                yield f"modes/{color}-{depth}{name}.png", partial(png, 1, 1, depth, color, row, *palette, *more), ""
    yield "modes/no-palette.png", partial(png, 1, 1, 8, 3, b"\0\0"), ""
    yield "modes/palette-short.png", partial(png, 1, 1, 8, 3, b"\0\xff", chunk(b"PLTE", bytes(3))), ""
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "group3", "group4", "jpeg", "lzma", "zstd"):
        mode = "1" if compression.startswith("group") else "RGB"
        made = partial(data, quarters(mode=mode), "TIFF", compression=compression)
        yield f"modes/{compression}.tif", made, ""
    for width, height in ((1, 16384), (16384, 1)):
        for format_ in ("JPEG", "PNG", "GIF", "TIFF"):
            end = ENDINGS.get(format_, format_.lower())
            made = partial(data, Image.new("RGB", (width, height)), format_)
            yield f"thin/{width}x{height}.{end}", made, "SUCCEEDED"


def odd() -> Files:
    content = valid("JPEG")
    for name, rare in (("lossless", b"\xff\xc3\0\x11\x08"), ("12-bits", b"\xff\xc1\0\x11\x0c")):
        yield f"odd/{name}.jpg", partial(patched, content, b"\xff\xc0\0\x11\x08", rare), "UNSUPPORTED_FORMAT"
    yield "odd/no-tables.jpg", partial(patched, content, b"\xff\xdb", b"\xff\xfe"), ""
    yield "odd/components.jpg", partial(patched, content, b"\3\1\x22", b"\xff\1\x22"), ""
    yield "odd/sampling.jpg", partial(patched, content, b"\3\1\x22", b"\3\1\xff"), ""
    yield "odd/two-properties.avif", _two_property_boxes, "CORRUPT"
    yield "odd/clap.heic", partial(patched, HEIC, struct.pack(">II", 0x30, 1), struct.pack(">II", 2**31, 1)), ""
    yield "odd/clap-zero.heic", partial(patched, HEIC, struct.pack(">II", 0x30, 1), struct.pack(">II", 0x30, 0)), ""
    animation = [quarters().rotate(angle) for angle in (90, 180)]
    for format_ in ("PNG", "WEBP", "GIF", "AVIF", "TIFF"):
        made = partial(data, quarters(), format_, save_all=True, append_images=animation)
        yield f"odd/frames.{ENDINGS.get(format_, format_.lower())}", made, "SUCCEEDED"
    yield "odd/frames-claimed.png", lambda: png(1, 1, 8, 0, b"\0\0", chunk(b"acTL", b"\xff" * 8)), "TOO_MANY_FRAMES"
    yield "odd/no-frames.png", lambda: png(1, 1, 8, 0, b"\0\0", chunk(b"acTL", bytes(8))), ""


def _two_property_boxes() -> bytes:
    """As early versions of cavif wrote them: ISO 23008-12 allows one ipma box of a kind, and libavif insists."""
    content = data(quarters(), "AVIF")
    ties = box_in(content, b"ipma")
    second = box(b"ipma", bytes(4), bytes(4))
    grown = content.replace(ties, ties + second)
    for kind in (b"meta", b"iprp"):
        old = box_in(content, kind)[:8]
        size = int.from_bytes(old[:4], "big") + len(second)
        grown = grown.replace(old, struct.pack(">I", size) + kind, 1)
    return grown


# --------------------------------------------------------------------------- what is only just accepted


def giants() -> dict[str, Maker]:
    """Files that take about what the default limits let them, of the kinds that take most; for the default sizes."""
    png_side, webp_side, avif_side = 10240, 7552, 151 * 64
    noise = partial(Image.effect_noise, (webp_side, webp_side), 60)
    return {
        "giant/keyed.png": partial(tall_png, png_side, 16, 0, bytes(2 * png_side), chunk(b"tRNS", bytes(2))),
        "giant/wide.png": partial(tall_png, png_side, 16, 4, bytes(4 * png_side)),
        "giant/palette.gif": lambda: data(Image.new("P", (png_side, png_side)), "GIF", transparency=0),
        "giant/deflated.tif": lambda: data(
            Image.new("RGBA", (png_side, png_side)), "TIFF", compression="tiff_adobe_deflate"
        ),
        "giant/lossy.webp": lambda: data(noise().convert("RGB"), "WEBP", quality=50, method=0),
        "giant/tiles.avif": partial(grid, b"av01", avif_side // 64, avif_side // 64),
        "giant/progressive.jpg": partial(_large_jpeg, progressive=True),
        "giant/plain.jpg": _large_jpeg,
        "giant/scans.jpg": lambda: many_scans((5000, 5000), 99),
    }


def tall_png(side: int, depth: int, color: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of one row again and again, filtered by Paeth."""
    pack = zlib.compressobj(1)
    pixels = b"".join([*(pack.compress(b"\4" + row) for _ in range(side)), pack.flush()])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _large_jpeg(**options: Any) -> bytes:
    return data(Image.linear_gradient("L").resize((16384, 12200)).convert("RGB"), "JPEG", **options)
