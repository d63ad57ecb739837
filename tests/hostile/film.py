"""Animations that are built to hurt, or damaged, under a recipe that keeps them: refused, or the right film."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from engine import animation
from tests.unit import films
from tests.unit.films import CLEAR, COLORS, RESTORE, Cel, Story, png_chunk
from tests.unit.pictures import data, quarters

Cases = Iterator[tuple[str, Callable[[], bytes], str]]
GOOD, BROKEN = "SUCCEEDED", "CORRUPT"
DOT = b"\2\2\x44\1\0"  # the coded pixel of a GIF of 1 x 1
FRAMES = 6


def cases() -> Cases:
    """Name, maker, and how the file must end; "" for either."""
    for make in (_gifs, _gif_times, _gif_pixels, _apngs, _apng_numbers, _webps, _avifs, _bombs):
        for name, maker, end in make():
            yield f"film/{name}", maker, end


@functools.cache
def sources() -> dict[str, bytes]:
    """Sound films, for mutants."""
    story = films.story(1, [0, 1, 2], holes=True, frames=FRAMES)
    even = films.story(2, [0, 1], overs=(True, False), even=True, frames=FRAMES)
    return {
        "film.gif": films.gif(story, global_table=False),
        "film.png": films.apng(story, parts=2),
        "film.webp": films.webp(even),
        "film.avif": _undated(_avif()),
    }


def _avif() -> bytes:
    pictures = [quarters(64, 48).rotate(20 * number) for number in range(FRAMES)]
    return data(pictures[0], "AVIF", save_all=True, append_images=pictures[1:], duration=[40, 50, 60] * 2, speed=8)


def _undated(content: bytes) -> bytes:
    """Without the dates of its making, so that it is always the same."""
    changed = bytearray(content)
    for name, box in animation.boxes(content):
        if name[-4:] in ("mvhd", "tkhd", "mdhd"):
            changed[box.start + 4 : box.start + 20] = bytes(16)
    return bytes(changed)


# --------------------------------------------------------------------------- GIF


def _gif_of(*blocks: bytes, size: tuple[int, int] = (8, 8)) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"".join(blocks) + b";"


def _control(delay: int = 5, disposal: int = 1, flags: int = 0, index: int = 0) -> bytes:
    return b"!\xf9\4" + struct.pack("<BHBB", disposal << 2 | flags, delay, index, 0)


def _dot(left: int = 0, top: int = 0, width: int = 1, height: int = 1, flags: int = 0, coded: bytes = DOT) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + coded


def _gifs() -> Cases:
    two = (_control() + _dot(), _control() + _dot(1, 1))
    for name, blocks, end in (
        ("plain", two, GOOD),
        ("no-control", (_dot(), _dot(1, 1), _dot(2, 2)), GOOD),
        ("two-controls", (_control(5) + _control(9) + _dot(), _dot(1, 1)), GOOD),
        ("control-last", (*two, _control()), GOOD),
        ("empty-control", (b"!\xf9\0" + _dot(), _dot(1, 1)), ""),
        ("short-control", (b"!\xf9\2\0\0\0" + _dot(), _dot(1, 1)), ""),
        ("long-control", (b"!\xf9\x08" + bytes(8) + b"\0" + _dot(), _dot(1, 1)), GOOD),
        ("control-of-blocks", (b"!\xf9" + b"\4\0\5\0\0" * 50 + b"\0" + _dot(), _dot(1, 1)), GOOD),
        ("comments", (b"!\xfe" + b"\x03abc" * 500 + b"\0" + two[0], b"!\xfe\0" + two[1]), GOOD),
        ("text", (b"!\x01\x0c" + bytes(12) + b"\x02hi\0" + two[0], two[1]), GOOD),
        ("unknown", (b"!\x42\x01\xff\0" + two[0], two[1]), GOOD),
        ("loops-short", (b"!\xff\x0bNETSCAPE2.0\0" + two[0], two[1]), ""),
        ("loops-tiny", (b"!\xff\x0bNETSCAPE2.0\1\1\0" + two[0], two[1]), GOOD),
        ("loops-most", (b"!\xff\x0bNETSCAPE2.0\3\1\xff\xff\0" + two[0], two[1]), GOOD),
        ("loops-twice", (b"!\xff\x0bNETSCAPE2.0\3\1\1\0\0" * 2 + two[0], two[1]), GOOD),
        ("loops-late", (two[0], b"!\xff\x0bNETSCAPE2.0\3\1\7\0\0" + two[1]), GOOD),
        ("buffer", (b"!\xff\x0bNETSCAPE2.0\5\2\1\0\0\0\0" + two[0], two[1]), GOOD),
        ("stray", (b"\0\0\7" + two[0], b"\0" * 90 + two[1]), ""),
        ("outside", (two[0], _dot(8, 8), _dot(65535, 65535)), GOOD),
        ("half-outside", (_dot(), _dot(7, 7, 2, 2, coded=b"\2\3\x44\1\5\0")), ""),
        ("first-outside", (_dot(300, 300), _dot()), GOOD),
        ("no-size", (two[0], _dot(0, 0, 0, 0), two[1]), ""),
        ("no-width", (two[0], _dot(0, 0, 0, 9), two[1]), ""),
        ("first-no-size", (_dot(0, 0, 0, 0), two[1]), ""),
        ("table-missing", (two[0], _dot(flags=0x87)), BROKEN),
        ("interlaced", (two[0], _dot(flags=0x40), two[1]), GOOD),
        ("index-beyond", (_control(flags=1, index=255) + _dot(), two[1]), GOOD),
        ("cut-descriptor", (two[0], b",\0\0"), BROKEN),
        ("cut-blocks", (two[0], b"," + bytes(9) + b"\2\xff\0\0"), BROKEN),
        ("two-trailers", (two[0], b";", two[1]), GOOD),
    ):
        yield f"{name}.gif", partial(_gif_of, *blocks), end
    for disposal in range(8):
        blocks = (_control(disposal=disposal) + _dot(), _control(disposal=disposal) + _dot(4, 4), _dot(2, 2))
        yield f"disposal-{disposal}.gif", partial(_gif_of, *blocks), GOOD
    yield "no-table.gif", lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + _dot() + _dot(1, 1) + b";", GOOD
    yield "no-canvas.gif", partial(_gif_of, *two, size=(0, 0)), GOOD
    yield "87a.gif", lambda: b"GIF87a" + _gif_of(*two)[6:], GOOD


def _gif_times() -> Cases:
    for delay, end in ((0, GOOD), (1, GOOD), (5999, "TOO_LONG"), (65535, "TOO_LONG")):
        blocks = (_control(delay) + _dot(), _control(delay) + _dot(1, 1))
        yield f"delay-{delay}.gif", partial(_gif_of, *blocks), end
    # 601 frames without a delay are shown for a minute.
    yield "hasty.gif", lambda: _gif_of(*[_control(0) + _dot(n % 8, n // 8 % 8) for n in range(601)]), "TOO_LONG"
    yield "many.gif", lambda: _gif_of(*[_control(2) + _dot(n % 8, n // 8 % 8) for n in range(1000)]), GOOD
    yield "more.gif", lambda: _gif_of(*[_control(2) + _dot()] * 1001), "TOO_MANY_FRAMES"


def _gif_pixels() -> Cases:
    """Wrong code in frame 5 of 6."""
    whole = sources()["film.gif"]

    def with_code(code: bytes) -> bytes:
        film = animation.read("gif", whole)
        assert film is not None
        ((start, end),) = film.pieces[4].coded
        return whole[:start] + code + whole[end:]

    for name, code, end in (
        ("empty", b"\x08\0", BROKEN),
        ("ends", b"\x08\x02\x00\x03\0", BROKEN),  # clear, end
        ("wild", b"\x08\xff" + b"\xff" * 255 + b"\0", ""),
        ("no-clear", b"\x08\x08" + bytes(8) + b"\0", BROKEN),
        ("wide", b"\x0c\x08" + bytes(8) + b"\0", BROKEN),
        ("narrow", b"\0\x08" + bytes(8) + b"\0", ""),
        ("widest", b"\xff\x08" + bytes(8) + b"\0", BROKEN),
        ("long", films.lzw([1] * 99_999), GOOD),
    ):
        yield f"code-{name}.gif", partial(with_code, code), end
    yield "code-cut.gif", lambda: whole[:-100], BROKEN
    yield "code-half.gif", lambda: whole[: len(whole) // 2], BROKEN


# --------------------------------------------------------------------------- APNG


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        found.append((kind, content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks)


def _apngs() -> Cases:
    def changed(change: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> Callable[[], bytes]:
        return lambda: _png_of(change(_chunks(sources()["film.png"])))

    def first(chunks: list[tuple[bytes, bytes]], kind: bytes) -> int:
        return next(number for number, each in enumerate(chunks) if each[0] == kind)

    def last(chunks: list[tuple[bytes, bytes]], kind: bytes) -> int:
        return max(number for number, each in enumerate(chunks) if each[0] == kind)

    def without(kind: bytes, find: Callable[[list[tuple[bytes, bytes]], bytes], int]) -> Callable[[], bytes]:
        return changed(lambda chunks: [each for number, each in enumerate(chunks) if number != find(chunks, kind)])

    def doubled(kind: bytes) -> Callable[[], bytes]:
        return changed(
            lambda chunks: [each for each in chunks for _ in range(1 + (each is chunks[first(chunks, kind)]))]
        )

    def pixels(coded: bytes) -> Callable[[], bytes]:
        """This, in place of each piece of the later frames' pixels."""
        return changed(lambda chunks: [(kind, body[:4] + coded if kind == b"fdAT" else body) for kind, body in chunks])

    yield "no-actl.png", without(b"acTL", first), GOOD  # a still with chunks that mean nothing
    yield "actl-twice.png", doubled(b"acTL"), GOOD
    yield "no-first-fctl.png", without(b"fcTL", first), BROKEN
    yield "no-last-fctl.png", without(b"fcTL", last), BROKEN
    yield "fctl-twice.png", doubled(b"fcTL"), BROKEN
    yield "no-first-fdat.png", without(b"fdAT", first), BROKEN
    yield "no-last-fdat.png", without(b"fdAT", last), BROKEN
    yield "fdat-twice.png", doubled(b"fdAT"), BROKEN
    yield "idat-twice.png", doubled(b"IDAT"), ""
    yield "no-idat.png", changed(lambda chunks: [each for each in chunks if each[0] != b"IDAT"]), BROKEN
    yield "iend-early.png", changed(lambda chunks: [*chunks[:-6], (b"IEND", b"")]), BROKEN
    yield "fdat-first.png", changed(lambda chunks: [*chunks[:2], (b"fdAT", bytes(4)), *chunks[2:]]), BROKEN
    yield "fdat-empty.png", changed(lambda chunks: [*chunks[:-1], (b"fdAT", b""), chunks[-1]]), BROKEN
    yield "fctl-empty.png", changed(lambda chunks: [*chunks[:-1], (b"fcTL", b""), chunks[-1]]), BROKEN
    yield "actl-late.png", changed(lambda chunks: [*chunks[:1], *chunks[2:-1], chunks[1], chunks[-1]]), GOOD
    yield "actl-short.png", changed(lambda chunks: [chunks[0], (b"acTL", b"\0\0\0\6"), *chunks[2:]]), ""
    yield "pixels-wrong.png", pixels(b"~" * 40), BROKEN
    yield "pixels-empty.png", pixels(b""), BROKEN
    yield "pixels-flood.png", lambda: pixels(zlib.compress(bytes(5_000_000)))(), ""
    yield "cut.png", lambda: sources()["film.png"][:-200], BROKEN
    poster = films.story(3, [0, 1], frames=3)
    yield "poster.png", lambda: films.apng(poster, poster=poster.cels[0].pixels), GOOD
    yield "one.png", lambda: films.apng(poster._replace(cels=poster.cels[:1]), poster=poster.cels[0].pixels), GOOD
    yield "restore-first.png", lambda: films.apng(films.story(4, [RESTORE])), GOOD


def _apng_numbers() -> Cases:
    """Numbers that make no sense, in the second frame's control and in the header."""

    def with_control(at: int, width: int, number: int) -> bytes:
        chunks = _chunks(sources()["film.png"])
        _, which, *_ = (number for number, (kind, _) in enumerate(chunks) if kind == b"fcTL")
        body = chunks[which][1]
        chunks[which] = (b"fcTL", body[:at] + number.to_bytes(width, "big") + body[at + width :])
        return _png_of(chunks)

    def with_header(count: int, plays: int) -> bytes:
        chunks = _chunks(sources()["film.png"])
        chunks[1] = (b"acTL", struct.pack(">II", count, plays))
        return _png_of(chunks)

    for field, at, width, numbers in (
        ("sequence", 0, 4, (0, 9, 2**32 - 1)),
        ("width", 4, 4, (0, 25, 2**31, 2**32 - 1)),
        ("height", 8, 4, (0, 19, 2**32 - 1)),
        ("left", 12, 4, (25, 2**32 - 1)),
        ("top", 16, 4, (19, 2**32 - 1)),
        ("disposal", 24, 1, (3, 255)),
        ("blend", 25, 1, (2, 255)),
    ):
        for number in numbers:
            yield f"{field}-{number}.png", partial(with_control, at, width, number), BROKEN
    yield "time-none.png", partial(with_control, 20, 4, 0), GOOD
    yield "time-long.png", partial(with_control, 20, 4, 0xFFFF0001), "TOO_LONG"
    yield "time-short.png", partial(with_control, 20, 4, 0x0001FFFF), GOOD
    for count, end in ((0, GOOD), (1, GOOD), (2, BROKEN), (7, BROKEN), (1000, BROKEN), (1001, "TOO_MANY_FRAMES")):
        yield f"claims-{count}.png", partial(with_header, count, 0), "" if count < 2 else end
    yield "claims-most.png", partial(with_header, 2**32 - 1, 0), "TOO_MANY_FRAMES"
    yield "plays-most.png", partial(with_header, FRAMES, 2**32 - 1), GOOD


# --------------------------------------------------------------------------- WebP


def _webps() -> Cases:
    def patched(kind: bytes, at: int, new: bytes, which: int = 0) -> bytes:
        content = sources()["film.webp"]
        start = -1
        for _ in range(which + 1):
            start = content.index(kind, start + 1)
        at += start + 8
        return content[:at] + new + content[at + len(new) :]

    # A frame's size is that of its picture: libwebp does not ask for the one in its header.
    for name, at, new, end in (
        ("left", 0, b"\xff\xff\xff", BROKEN),
        ("top", 3, b"\xff\xff\xff", BROKEN),
        ("width", 6, b"\xff\xff\xff", GOOD),
        ("height", 9, b"\xff\xff\xff", GOOD),
        ("small", 6, b"\0\0\0", GOOD),
        ("long", 12, b"\xff\xff\xff", "TOO_LONG"),
        ("hasty", 12, b"\0\0\0", GOOD),
        ("flags", 15, b"\xff", GOOD),
        ("kind", 16, b"XXXX", BROKEN),
        ("length", 20, b"\xff\xff\xff\x7f", BROKEN),
        ("pixels", 24, b"~" * 12, BROKEN),
    ):
        yield f"{name}.webp", partial(patched, b"ANMF", at, new, 2), end
    yield "no-frames.webp", lambda: sources()["film.webp"].replace(b"ANMF", b"ANMX"), ""
    yield "one-frame.webp", lambda: sources()["film.webp"].replace(b"ANMF", b"ANMX", FRAMES - 1), ""
    yield "no-anim.webp", lambda: sources()["film.webp"].replace(b"ANIM", b"ANIX"), ""
    yield "still.webp", partial(patched, b"VP8X", 0, b"\x10"), ""
    yield "loops.webp", partial(patched, b"ANIM", 4, b"\xff\xff"), GOOD
    yield "canvas.webp", partial(patched, b"VP8X", 4, b"\0\0\0\0\0\0"), BROKEN
    yield "canvas-large.webp", partial(patched, b"VP8X", 4, b"\xff\x0f\0\xff\x0f\0"), "TOO_MANY_PIXELS"
    yield "cut.webp", lambda: _cut_riff(sources()["film.webp"], 60), BROKEN


def _cut_riff(content: bytes, count: int) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) - 8 - count) + content[8:-count]


# --------------------------------------------------------------------------- AVIF


def _avifs() -> Cases:
    def patched(kind: str, at: int, new: bytes) -> bytes:
        content = sources()["film.avif"]
        box = next(box for name, box in animation.boxes(content) if name.endswith(kind))
        return content[: box.start + at] + new + content[box.start + at + len(new) :]

    most = b"\xff\xff\xff\xff"
    many = "TOO_MANY_FRAMES"
    for name, kind, at, new, end in (
        ("stts-entries", "stts", 4, most, ""),
        ("stts-none", "stts", 4, bytes(4), ""),
        ("stts-count", "stts", 8, most, many),
        ("stts-zero", "stts", 8, bytes(4), ""),
        ("stts-time", "stts", 12, most, "TOO_LONG"),
        ("stts-hasty", "stts", 12, bytes(4), GOOD),
        ("stsz-count", "stsz", 8, most, many),
        ("stsz-few", "stsz", 8, b"\0\0\0\2", ""),
        ("stsz-one", "stsz", 8, b"\0\0\0\1", ""),
        ("stsz-none", "stsz", 8, bytes(4), ""),
        ("stsz-more", "stsz", 8, b"\0\0\1\0", ""),
        ("stsz-size", "stsz", 12, most, ""),
        ("stsz-same", "stsz", 4, b"\0\0\0\x10", ""),
        ("stsc", "stsc", 8, most * 3, ""),
        ("stsc-none", "stsc", 4, bytes(4), ""),
        ("stco", "stco", 8, most, ""),
        ("stco-none", "stco", 4, bytes(4), ""),
        ("stss", "stss", 8, most, ""),
        ("timescale", "mdhd", 20, bytes(4), ""),
        ("timescale-most", "mdhd", 20, most, ""),
        ("version", "mdhd", 0, b"\7", ""),
        ("plays-none", "tkhd", 28, bytes(8), ""),
        ("plays-most", "tkhd", 28, most + b"\xff\xff\xff\xfe", GOOD),
        ("edit-none", "elst", 8, bytes(8), ""),
        ("edit-flags", "elst", 3, b"\0", GOOD),
        ("edit-version", "elst", 0, b"\0", ""),
        ("edits", "elst", 4, most, ""),
        ("width", "tkhd", 88, b"\x40\0\0\0", ""),
        ("size-none", "tkhd", 88, bytes(8), ""),
        ("handler", "hdlr", 8, b"vide", ""),
        ("no-description", "stsd", 4, bytes(4), ""),
        ("description", "stsd", 12, b"hvc1", ""),
        ("codec", "mdat", 100, b"~" * 40, ""),
        ("first", "mdat", 2, b"~" * 40, ""),
    ):
        yield f"{name}.avif", partial(patched, kind, at, new), end
    for kind in (b"stts", b"stsz", b"stco", b"stsc", b"mdhd", b"tkhd", b"elst", b"edts", b"mdia", b"trak", b"moov"):
        yield f"no-{kind.decode()}.avif", lambda kind=kind: sources()["film.avif"].replace(kind, b"free"), ""
    yield "box-long.avif", lambda: sources()["film.avif"].replace(b"stbl", b"stbl\xff\xff\xff\xff"), ""
    yield "cut.avif", lambda: sources()["film.avif"][:-50], ""
    yield "still-brand.avif", lambda: sources()["film.avif"].replace(b"avis", b"avif", 1), ""
    yield "towers.avif", lambda: sources()["film.avif"].replace(b"moov", b"trak") + _nested(2000), ""


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = struct.pack(">I4s", 8 + len(content), b"trak") + content
    return struct.pack(">I4s", 8 + len(content), b"moov") + content


# --------------------------------------------------------------------------- what would cost much


def _bombs() -> Cases:
    large = "TOO_MANY_PIXELS"
    dots = [_control(2) + _dot(n % 8, n // 8) for n in range(60)]
    yield "bomb-canvas.gif", partial(_gif_of, *dots, size=(16384, 12000)), large
    yield "bomb-film.gif", partial(_gif_of, *dots, size=(3000, 2000)), large
    yield "bomb-side.gif", partial(_gif_of, *dots, size=(65535, 1)), large
    yield "bomb-frame.gif", partial(_gif_of, dots[0], _dot(0, 0, 60000, 60000)), large
    yield "bomb-frames.gif", partial(_gif_of, dots[0], *[_dot(0, 0, 4000, 4000)] * 9), large
    yield "bomb-offset.gif", partial(_gif_of, _dot(65535, 65535), dots[0]), large
    wide = Story(4000, 3000, [Cel(0, 0, [[COLORS[0]]], 50, CLEAR)] * 20)
    yield "bomb.png", lambda: _large_apng(wide), large
    yield "bomb.webp", lambda: films.webp(wide), large


def _large_apng(story: Story) -> bytes:
    """An APNG whose picture is not there, but its frames are."""
    return films.apng(story, poster=[[COLORS[0]]])
