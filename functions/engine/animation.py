"""Animations: what their structure says about frames, times and loops. Nothing is decoded here.

Times are those that browsers show: a frame of 10 ms or less is shown for 100 ms, in every format.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import parts, resizing
from engine.limits import check_frames, check_size, part_counter
from engine.rejection import reject

if TYPE_CHECKING:
    from contracts import Format, ImageFacts, Limits, Playing, Recipe, SourceFormat
    from engine.parts import Part

# Formats of renditions that move. The others have the first frame.
MOVING: frozenset[Format]
MOVING = frozenset(("avif", "webp"))
# Disposal: what becomes of a frame's box before the next frame is drawn.
KEEP, CLEAR, RESTORE = range(3)
_HASTY_MS, _DEFAULT_MS = 10, 100
# Peak memory for each pixel of the canvas while frames are put together, compared and resized, in bytes.
_BYTES_PER_PIXEL = 40
# WebP counts loops in 16 bits.
_MOST_PLAYS = 65535


class Piece(NamedTuple):
    """A frame of a GIF or an APNG as it is stored: a box of the canvas."""

    left: int
    top: int
    width: int
    height: int
    disposal: int  # KEEP, CLEAR or RESTORE
    over: bool  # drawn over what is there; False: in place of it
    coded: list[tuple[int, int]]  # where its coded pixels are in the file: start, end
    table: tuple[int, int] | None = None  # of a GIF: where its colours are; None: it has none
    flags: int = 0  # of a GIF's image descriptor
    transparent: int | None = None  # of a GIF: the index that draws nothing


class Film(NamedTuple):
    """An animation."""

    width: int  # pixels
    height: int  # pixels
    plays: int  # times that it is shown; 0: for ever
    times: list[int]  # milliseconds for each frame
    pieces: list[Piece]  # of a GIF or an APNG, one per frame: what decoders of the others put together themselves


def is_kept(recipe: Recipe, formats: Iterable[Format]) -> bool:
    """Whether an animation moves in some of these formats."""
    return recipe["animation"] == "keep" and not MOVING.isdisjoint(formats)


def formats(recipe: Recipe) -> set[Format]:
    """All formats that a recipe makes."""
    return {*recipe["formats"], *(each for rendition in recipe["filtered"].values() for each in rendition["formats"])}


def may_move(name: SourceFormat, data: bytes) -> bool:
    """Whether a file can be an animation, by its first bytes: most are none."""
    return name in _READERS and bool(_MAY_MOVE[name](data))


def read(name: SourceFormat, data: bytes) -> Film | None:
    """The animation in a file whose structure `containers.walk` has accepted; None if it is a still image.

    Raises ValueError, IndexError or struct.error if the structure is broken.
    """
    film = _READERS[name](data) if may_move(name, data) else None
    return film if film and len(film.times) > 1 else None


def check(name: SourceFormat, film: Film, limits: Limits) -> None:
    """Refuse an animation by its frames, their pixels and its playing time. Raises Rejection."""
    frames = len(film.times)
    check_frames(name, frames, limits)
    check_size(name, (film.width, film.height), limits, _BYTES_PER_PIXEL)
    drawn = 0
    for piece in film.pieces:  # one may be larger than the canvas, which shows only a part of it
        if piece.width and piece.height:
            check_size(name, (piece.width, piece.height), limits, _BYTES_PER_PIXEL)
        drawn += piece.width * piece.height
    if max(film.width * film.height * frames, drawn) > limits["film_pixels"]:
        together = f"{limits['film_pixels']:,} in all of its {frames:,} frames together"
        raise reject("TOO_MANY_PIXELS", format=name, width=film.width, height=film.height, limit=together)
    if sum(film.times) > 1000 * limits["film_seconds"]:
        raise reject("TOO_LONG", format=name, seconds=math.ceil(sum(film.times) / 1000), limit=limits["film_seconds"])


def check_renditions(image: ImageFacts, recipe: Recipe) -> None:
    """Refuse an animation whose moving renditions would have too many pixels together. Raises Rejection.

    Encoding them takes the time: 20 sizes take 20 times that of one.
    """
    if image["frames"] == 1 or image["format"] not in _READERS or not is_kept(recipe, formats(recipe)):
        return
    source = (image["width"], image["height"])
    pixels, limit = image["frames"] * _moving_pixels(source, recipe), recipe["limits"]["film_pixels"]
    if pixels > limit:
        together = f"{limit:,} in all frames of its renditions together"
        raise reject("TOO_MANY_PIXELS", format=image["format"], width=source[0], height=source[1], limit=together)


def _moving_pixels(source: tuple[int, int], recipe: Recipe) -> int:
    """Pixels of one frame of all renditions that move."""
    sizes, pixels = recipe["sizes"], 0
    if not MOVING.isdisjoint(recipe["formats"]):
        # Sizes that are larger than the source have its pixels, and are encoded once.
        different = {(resizing.dimensions(source, size), size["fit"]) for size in sizes.values()}
        pixels += sum(math.prod(dimensions) for dimensions, _ in different)
    moving = [each for each in recipe["filtered"].values() if not MOVING.isdisjoint(each["formats"])]
    return pixels + sum(math.prod(resizing.dimensions(source, sizes[each["size"]])) for each in moving)


def playing(format_: Format, data: bytes) -> Playing:
    """What the manifest says of an encoded rendition that moves; nothing of one that does not."""
    film = read(format_, data) if format_ in MOVING else None
    return {"frames": len(film.times), "duration_ms": sum(film.times)} if film else {}


def _shown(milliseconds: Iterable[float]) -> list[int]:
    """Whole milliseconds for each frame. Rounding errors do not add up."""
    shown, begins, passed = [], 0, 0.0
    for time in milliseconds:
        passed += time if time > _HASTY_MS else _DEFAULT_MS
        shown.append(round(passed) - begins)
        begins = round(passed)
    return shown


# --------------------------------------------------------------------------- GIF


def _gif(data: bytes) -> Film | None:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _table_size(flags)
    palette = (13, position) if flags & 0x80 else None
    pieces: list[Piece] = []
    times: list[float] = []
    plays = 1
    delay, disposal, transparent = 0, KEEP, None
    while position < len(data) and data[position] != 0x3B:
        if data[position] == 0x2C:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, position + 1)
            colors, position = position + 10, position + 10 + _table_size(flags)
            end = _blocks_end(data, position + 1)
            table = (colors, position) if flags & 0x80 else palette
            coded = [(position, end)]
            pieces.append(Piece(left, top, across, down, disposal, True, coded, table, flags, transparent))
            times.append(10 * delay)
            delay, disposal, transparent, position = 0, KEEP, None, end
        elif data[position] == 0x21:
            label, start = data[position + 1], position + 2
            position = _blocks_end(data, start)
            if label == 0xF9 and data[start] >= 4:
                flags, delay, index = struct.unpack_from("<BHB", data, start + 1)
                # Some programs write 4 where they mean 3.
                disposal = {2: CLEAR, 3: RESTORE, 4: RESTORE}.get(flags >> 2 & 7, KEEP)
                transparent = index if flags & 1 else None
            elif label == 0xFF and data[start + 1 : start + 12] in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
                block = start + 1 + data[start]
                if data[block] >= 3 and data[block + 1] & 7 == 1:
                    (loops,) = struct.unpack_from("<H", data, block + 2)
                    plays = loops and min(loops + 1, _MOST_PLAYS)
        else:
            position += 1  # a stray byte, which every reader skips
    if pieces:  # as browsers and Pillow have it: the first frame may enlarge the canvas
        width = max(width, pieces[0].left + pieces[0].width)
        height = max(height, pieces[0].top + pieces[0].height)
    return Film(width, height, plays, _shown(times), pieces)


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks_end(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


# --------------------------------------------------------------------------- APNG


def _png(data: bytes) -> Film | None:
    width, height = struct.unpack_from(">II", data, 16)
    plays, claimed, sequence = 0, 0, 0
    pieces: list[Piece] = []
    times: list[float] = []
    in_picture = False
    for kind, _, body, end in parts.png_chunks(data):
        if kind == b"acTL" and not in_picture:
            claimed, plays = struct.unpack_from(">II", data, body)
        elif kind in (b"fcTL", b"fdAT"):
            (number,) = struct.unpack_from(">I", data, body)
            if number != sequence:
                raise ValueError(f"part {number} of an APNG in the place of {sequence}")
            sequence += 1
            if kind == b"fcTL":
                piece, time = _apng_piece(data[body : body + 26])
                if piece.left + piece.width > width or piece.top + piece.height > height:
                    raise ValueError("a frame outside of the canvas")
                if not in_picture and (piece.left, piece.top, piece.width, piece.height) != (0, 0, width, height):
                    raise ValueError("the first frame is not the whole picture")
                pieces.append(piece)
                times.append(time)
            elif not pieces:
                raise ValueError("a frame's pixels without the frame")
            else:
                pieces[-1].coded.append((body + 4, end))
        elif kind == b"IDAT":
            in_picture = True
            if pieces:  # the default image is a frame if a frame's header is before it
                pieces[-1].coded.append((body, end))
        elif kind == b"IEND":
            break
    if not claimed:
        return None
    if claimed != len(pieces) or not all(piece.coded for piece in pieces):
        raise ValueError(f"{claimed} frames in the header of an APNG, {len(pieces)} in the file")
    return Film(width, height, min(plays, _MOST_PLAYS), _shown(times), pieces)


def _apng_piece(control: bytes) -> tuple[Piece, float]:
    _, width, height, left, top, numerator, denominator, disposal, blend = struct.unpack(">IIIIIHHBB", control)
    if min(width, height) < 1 or disposal > RESTORE or blend > 1:
        raise ValueError("a frame of an APNG that makes no sense")
    return Piece(left, top, width, height, disposal, blend == 1, []), 1000 * numerator / (denominator or 100)


# --------------------------------------------------------------------------- WebP


def _webp(data: bytes) -> Film | None:
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    plays, times = 0, []
    for kind, _, start, _ in parts.webp_chunks(data):
        if kind == b"ANIM":
            (plays,) = struct.unpack_from("<H", data, start + 4)
        elif kind == b"ANMF":
            times.append(int.from_bytes(data[start + 12 : start + 15], "little"))
    return Film(width, height, plays, _shown(times), [])


# --------------------------------------------------------------------------- AVIF

# Boxes that hold boxes.
_NESTED = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"))
_BOXES = 1000
_FOR_EVER = (2**32 - 1, 2**64 - 1)


def boxes(data: bytes, start: int = 0, end: int | None = None, path: str = "") -> Iterator[tuple[str, Part]]:
    """("moov/trak/tkhd", box) for every box within a part of an AVIF, those that hold others before these."""
    for box in parts.boxes(data, start, end):
        name = path + box.kind.decode("latin-1")
        yield name, box
        if box.kind in _NESTED:
            yield from boxes(data, box.start, box.end, name + "/")


def tracks(data: bytes) -> list[dict[str, Part]]:
    """The boxes of each track of an AVIF, by their kind."""
    found: list[dict[str, Part]] = []
    for (name, box), _ in zip(boxes(data), part_counter("avif", "boxes", _BOXES), strict=False):
        if name == "moov/trak":
            found.append({})
        elif name.startswith("moov/trak/"):
            found[-1].setdefault(name[-4:], box)
    return found


def most_samples(data: bytes) -> int:
    """The number of frames that an AVIF claims to have; 1 if that cannot be told. Nothing is allocated for them."""
    with suppress(ValueError, IndexError, struct.error):  # libavif tells whether that is damage
        counts = [1]
        for track in tracks(data) if data[8:12] == b"avis" else []:
            if "stsz" in track:
                counts.append(struct.unpack_from(">I", data, track["stsz"].start + 8)[0])
            counts.append(sum(count for count, _ in _time_entries(data, track)))
        return max(counts)
    return 1


def _time_entries(data: bytes, track: dict[str, Part]) -> Iterator[tuple[int, int]]:
    """(samples, ticks for each) of a track."""
    _, _, start, end = track["stts"]
    (entries,) = struct.unpack_from(">I", data, start + 4)
    if start + 8 + 8 * entries > end:
        raise ValueError("more times than there is room for")
    return struct.iter_unpack(">II", data[start + 8 : start + 8 + 8 * entries])


def _avif(data: bytes) -> Film | None:
    for track in tracks(data):
        if "hdlr" not in track or data[track["hdlr"].start + 8 : track["hdlr"].start + 12] != b"pict":
            continue
        timescale = _full_box(data, track["mdhd"], ">I", ">I", (12, 20))
        times = [
            1000 * ticks / timescale
            for count, ticks in _time_entries(data, track)
            for _ in range(count)  # containers.walk has bounded the sum
        ]
        width, height = (fixed >> 16 for fixed in struct.unpack_from(">II", data, track["tkhd"].end - 8))
        return Film(width, height, _avif_plays(data, track), _shown(times), [])
    return None


def _full_box(data: bytes, box: Part, short: str, long: str, at: tuple[int, int]) -> int:
    """A number of a box of version 0 or 1, which have it at another place and of another length."""
    wide = data[box.start] == 1
    number: int = struct.unpack_from(long if wide else short, data, box.start + at[wide])[0]
    return number


def _avif_plays(data: bytes, track: dict[str, Part]) -> int:
    """How often a track is shown: it repeats the part in its edit list up to its own duration. As libavif reads it."""
    if "elst" not in track:
        return 0  # not said: browsers repeat it for ever
    if not data[track["elst"].start + 3] & 1:
        return 1
    whole = _full_box(data, track["tkhd"], ">I", ">Q", (20, 28))
    part = _full_box(data, track["elst"], ">I", ">Q", (8, 8))
    if whole in _FOR_EVER or not part:
        return 0
    return min(_MOST_PLAYS, max(1, -(-whole // part)))


_READERS: dict[str, Callable[[bytes], Film | None]]
_READERS = {"gif": _gif, "png": _png, "webp": _webp, "avif": _avif}
_MAY_MOVE: dict[str, Callable[[bytes], Any]]
_MAY_MOVE = {
    "gif": lambda _: True,
    "png": lambda data: b"acTL" in data[: data.find(b"IDAT") % (len(data) + 1)],
    "webp": lambda data: data[12:16] == b"VP8X" and data[20] & 2,
    "avif": lambda data: data[8:12] == b"avis",
}
