"""The frames of an animation, one at a time, each as it is shown.

GIF and APNG are put together here from their pieces, each of which is decoded as a still image of its own: Pillow's
own way differs from browsers' where frames are half transparent, or where the background shows. Canvases begin, and
are cleared, transparent.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine import animation, containers, decoding, parts
from engine.pillow import Image

if TYPE_CHECKING:
    from contracts import Limits, Recipe, SourceFormat
    from engine.animation import Film, Piece


def kept(name: SourceFormat, data: bytes, recipe: Recipe, limits: Limits) -> Film | None:
    """The animation in a file, if the recipe keeps it, by its structure alone and within `limits`. Raises Rejection."""
    if not animation.may_move(name, data) or not animation.is_kept(recipe, animation.formats(recipe)):
        return None
    with decoding.rejecting(name):
        containers.walk(name, data, limits)
        film = animation.read(name, data)
        if film:
            animation.check(name, film, limits)
        return film


def inspect(name: SourceFormat, data: bytes, film: Film, limits: Limits) -> None:
    """Decode every frame once, one at a time, and drop it. Raises Rejection about the first that is broken.

    `film`, which `animation.check` has accepted, must say what the decoder finds.
    """
    with decoding.rejecting(name):
        if film.pieces:
            for piece in film.pieces:
                if piece.width and piece.height:
                    _opened(name, data, piece).load()
            return
        image = decoding.open_image(data, name)
        animation.check(name, film._replace(width=image.width, height=image.height), limits)
        if image.n_frames != len(film.times):  # type: ignore[attr-defined]
            raise ValueError("the decoder counts other frames")
        for number in range(len(film.times)):
            image.seek(number)
            image.load()


def shown(name: SourceFormat, data: bytes, film: Film) -> Iterator[tuple[Image.Image, int]]:
    """Each frame of an animation that has passed `inspect`, as the decoder gives it, and its time in milliseconds.

    Frames that look the same follow each other as one. The caller may change the images.
    """
    frames = zip(_composed(name, data, film) if film.pieces else _decoded(name, data, film), film.times, strict=True)
    image, time = next(frames)
    pixels = image.tobytes()
    for following, its_time in frames:
        its_pixels = following.tobytes()
        if its_pixels == pixels and following.mode == image.mode:
            time += its_time
            continue
        yield image, time
        image, time, pixels = following, its_time, its_pixels
    yield image, time


def _decoded(name: SourceFormat, data: bytes, film: Film) -> Iterator[Image.Image]:
    """Frames that the decoder itself puts together."""
    image = decoding.open_image(data, name)
    for number in range(len(film.times)):
        image.seek(number)
        yield image.copy()


def _composed(name: SourceFormat, data: bytes, film: Film) -> Iterator[Image.Image]:
    """Frames that are put together from their pieces."""
    info = decoding.open_image(data, name).info
    kept: dict[Any, Any] = {key: info[key] for key in ("icc_profile", "exif") if key in info}
    canvas = Image.new("RGBA", (film.width, film.height))
    for piece in film.pieces:
        width, height = min(piece.width, film.width - piece.left), min(piece.height, film.height - piece.top)
        box = (piece.left, piece.top, piece.left + width, piece.top + height)
        drawn = width > 0 and height > 0
        before = canvas.crop(box) if drawn and piece.disposal == animation.RESTORE else None
        if drawn:
            part = decoding.plain_mode(_opened(name, data, piece), data[24] if name == "png" else 8).convert("RGBA")
            part = part if part.size == (width, height) else part.crop((0, 0, width, height))
            if piece.over:
                canvas.alpha_composite(part, box[:2])
            else:
                canvas.paste(part, box[:2])
        frame = canvas.copy()
        frame.info = kept.copy()
        yield frame
        if before:
            canvas.paste(before, box[:2])
        elif drawn and piece.disposal == animation.CLEAR:
            canvas.paste((0, 0, 0, 0), box)


def _opened(name: SourceFormat, data: bytes, piece: Piece) -> Image.Image:
    """A piece as an image of its own, which is not decoded yet."""
    return decoding.open_image((_gif if name == "gif" else _png)(data, piece), name)


def _gif(data: bytes, piece: Piece) -> bytes:
    """A piece as a GIF of one frame."""
    size = struct.pack("<HH", piece.width, piece.height)
    flags, table = 0, b""
    if piece.table:
        table = data[slice(*piece.table)]
        flags = 0x80 | (len(table) // 3).bit_length() - 2
    control = b"" if piece.transparent is None else struct.pack("<2sBBHBB", b"!\xf9", 4, 1, 0, piece.transparent, 0)
    descriptor = b"," + bytes(4) + size + bytes((piece.flags & 0x40,))
    (coded,) = piece.coded
    return b"".join((b"GIF89a", size, bytes((flags, 0, 0)), table, control, descriptor, data[slice(*coded)], b";"))


def _png(data: bytes, piece: Piece) -> bytes:
    """A piece as a PNG of one frame: the file's own header in another size, its palette and its transparent colours."""
    header = struct.pack(">II", piece.width, piece.height) + data[24:29]
    coded = b"".join(data[slice(*part)] for part in piece.coded)
    chunks = [(b"IHDR", header), *_colors(data), (b"IDAT", coded), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in chunks
    )


def _colors(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before a PNG's pixels that say what its numbers mean."""
    for kind, _, start, end in parts.png_chunks(data):
        if kind in (b"IDAT", b"fdAT", b"IEND"):
            return
        if kind in (b"PLTE", b"tRNS"):
            yield kind, data[start:end]
