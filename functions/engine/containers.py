"""Containers: which format some bytes are, and what their structure says before anything is decoded.

A file can be built so that Pillow's own parser, or a decoder, spends minutes or gigabytes on it: this comes first.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, cast

from engine import parts
from engine.limits import (
    COEFFICIENT_BYTES,
    DECODER_BYTES_PER_PIXEL,
    check_frames,
    check_size,
    count_parts,
    part_counter,
)
from engine.rejection import FORMATS, reject

if TYPE_CHECKING:
    from contracts import Limits, SourceFormat

# By content: a file's name proves nothing. The first match counts.
_SIGNATURES = [
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("avif", re.compile(rb"....ftyp(?:avi[fs]|(?:mif1|msf1)(?:....){1,9}?avi[fs])", re.DOTALL)),
    ("heic", re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)),
    ("tiff", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("a video", re.compile(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL)),
    ("a PDF", re.compile(rb"%PDF")),
    ("a PostScript file", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("a JPEG XL image", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("a JPEG 2000 image", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("a BMP image", re.compile(rb"BM")),
    ("an icon", re.compile(rb"\0\0[\x01\x02]\0")),
    ("an archive", re.compile(rb"PK\x03\x04|Rar!|\x1f\x8b|7z\xbc\xaf")),
    ("an SVG drawing", re.compile(rb"\s*(?:<[?!][^>]*>\s*)*<svg")),
    ("a text or web page", re.compile(rb"[\t\n\r -~]{32}")),
]


def format_of(data: bytes, accepted: Collection[str]) -> SourceFormat:
    """The format of `data`, one of `accepted`. Raises Rejection."""
    head = data[:512]
    format_ = next((name for name, signature in _SIGNATURES if signature.match(head)), "of an unknown kind")
    if format_ not in accepted:
        article = f"a {FORMATS[format_]} image" if format_ in FORMATS else format_
        *names, last = (FORMATS[name] for name in accepted)
        alternatives = f"{', '.join(names)} or {last}" if names else last
        raise reject("UNSUPPORTED_FORMAT", content=article, accepted=alternatives)
    return cast("SourceFormat", format_)


def walk(name: SourceFormat, data: bytes, limits: Limits) -> tuple[int, float]:
    """Read a file's structure without decoding it: the number of frames, and the decoder's bytes per pixel.

    Raises Rejection; or ValueError, IndexError or struct.error if the structure is broken. HEIC has no walk, and AVIF
    one of its frames only: their size is known only when they are opened, which allocates no pixels.
    """
    return _WALKS[name](data, limits) if name in _WALKS else (1, DECODER_BYTES_PER_PIXEL[name])


_JUNK_BYTES = 65536
# Pixels times scans of a JPEG: a scan passes over every pixel, however few bytes it has, at 800 million per second.
_SCANNED_PIXELS = 2_500_000_000
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What every decoder reads: baseline, extended and progressive, in Huffman or arithmetic code.
_JPEG_CODED = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
_JPEG_PROGRESSIVE = frozenset((0xC2, 0xCA))


def _walk_jpeg(data: bytes, limits: Limits) -> tuple[int, float]:
    """Count scans and segments up to the end of the first image: what follows (a gain map, a video) is not decoded."""
    scans, most_scans, junk, position = 0, limits["scans"], 0, 2
    coefficients, progressive = 0.0, False
    pattern = parts.MARKER
    steps = part_counter("jpeg", "segments", limits["chunks"])
    for _ in steps:
        marker = pattern.search(data, position)
        if not scans:  # Pillow's parser reads stray bytes between the first segments one by one
            junk += (marker.start() if marker else len(data)) - position
            if junk > _JUNK_BYTES:
                raise reject("TOO_COMPLEX", format="jpeg", problem=f"has more than {_JUNK_BYTES:,} stray bytes")
        if marker is None:
            break
        position = marker.end()
        code = marker[1][0]
        if code == parts.END:
            break
        if code in parts.BARE:
            continue
        if code == parts.SCAN:
            scans += 1
            pattern = parts.MARKER_AFTER_SCAN
            if scans > most_scans:
                raise reject("TOO_COMPLEX", format="jpeg", problem=f"has more than {most_scans:,} scans")
        elif code == 0xED:  # Photoshop's segment: Pillow reads its blocks one by one
            end = position + int.from_bytes(data[position : position + 2], "big")
            count_parts(steps, data.count(b"8BIM", position, end))
        elif code in _JPEG_FRAMES:
            bits, height, width = struct.unpack_from(">BHH", data, position + 2)
            if code not in _JPEG_CODED or bits != 8:
                rare = "a JPEG of a rare kind (lossless, or not of 8 bits)"
                raise reject("UNSUPPORTED_FORMAT", content=rare, accepted="an ordinary JPEG")
            check_size("jpeg", (width, height), limits)
            most_scans = min(most_scans, _SCANNED_PIXELS // (width * height))
            coefficients = max(coefficients, _coefficients(data, position + 7))
            progressive = progressive or code in _JPEG_PROGRESSIVE
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
    kept = COEFFICIENT_BYTES * coefficients if progressive or scans > 1 else 0
    return 1, DECODER_BYTES_PER_PIXEL["jpeg"] + kept


def _coefficients(data: bytes, position: int) -> float:
    """Coefficients per pixel of a JPEG, by the sampling factors of its components: 1.5 for most photos, 4 for CMYK."""
    factors = data[position + 2 : position + 1 + 3 * data[position] : 3]
    across, down = [factor >> 4 for factor in factors], [factor & 15 for factor in factors]
    samples = sum(x * y for x, y in zip(across, down, strict=True))
    return samples / max(1, max(across) * max(down))


def _walk_png(data: bytes, limits: Limits) -> tuple[int, float]:
    """Check every chunk up to IEND, and the CRC of the critical ones: the decoder does not check that of IDAT."""
    frames, position, view = 1, 8, memoryview(data)
    for step in part_counter("png", "chunks", limits["chunks"]):
        length, kind = struct.unpack_from(">I4s", data, position)
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        body = view[position + 8 : position + 8 + length]
        if kind[:1].isupper() and zlib.crc32(body, zlib.crc32(kind)) != crc:
            raise ValueError(f"CRC of {kind!r}")
        if step == 0:
            check_size("png", struct.unpack_from(">II", body), limits)
        elif kind == b"acTL":
            frames = max(frames, *struct.unpack_from(">I", body))
            check_frames("png", frames, limits)
        elif kind == b"IEND":
            break
        position += 12 + length
    return frames, DECODER_BYTES_PER_PIXEL["png"]


def _walk_webp(data: bytes, limits: Limits) -> tuple[int, float]:
    """Check the canvas, which the decoder allocates when the file is opened, and count animation frames."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) + 1:  # encoders sometimes leave out the last padding byte
        raise ValueError("shorter than its RIFF header says")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        size = (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        size = (int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF)
    check_size("webp", size, limits)
    steps = part_counter("webp", "chunks", limits["chunks"])
    frames = sum(chunk.kind == b"ANMF" for _, chunk in zip(steps, parts.webp_chunks(data), strict=False))
    check_frames("webp", frames, limits)
    return max(1, frames), DECODER_BYTES_PER_PIXEL["webp"]


def _walk_gif(data: bytes, limits: Limits) -> tuple[int, float]:
    """Count frames. Only blocks that are not full count as parts: the file's size bounds the number of full ones."""

    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    steps = part_counter("gif", "blocks", limits["chunks"])
    frames, position = 0, 13 + table(data[10])
    while position < len(data) and data[position] != 0x3B:
        next(steps)
        if data[position] == 0x2C:
            frames += 1
            check_frames("gif", frames, limits)
            position += 11 + table(data[position + 9])
        elif data[position] == 0x21:
            position += 2
        else:
            position += 1  # a stray byte, which every reader skips
            continue
        while length := data[position]:
            if length < 255:
                next(steps)
            position += 1 + length
        position += 1
    return max(1, frames), DECODER_BYTES_PER_PIXEL["gif"]


def _walk_tiff(data: bytes, limits: Limits) -> tuple[int, float]:
    """Count pages by the chain of directories, and the numbers (such as the strips' offsets) in the first one."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"+" in data[2:4]
    count, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    steps = part_counter("tiff", "directory entries and numbers", limits["chunks"])
    pages = 0
    stated: dict[int, int] = {}
    (position,) = struct.unpack_from(order + link, data, 8 if big else 4)
    while position:
        pages += 1
        check_frames("tiff", pages, limits)
        (entries,) = struct.unpack_from(order + count, data, position)
        position += struct.calcsize(order + count)
        count_parts(steps, entries)
        if pages == 1:  # the page that is decoded: Pillow makes a Python object of each of its numbers
            for at in range(position, position + entries * entry, entry):
                kind, values = struct.unpack_from(order + "H" + link, data, at + 2)
                count_parts(steps, 0 if kind in _TIFF_BYTES else values)
                stated |= _stated(data, order, at, kind, values)
            _check_tiff(stated)
        position += entries * entry
        (position,) = struct.unpack_from(order + link, data, position)
    return pages, DECODER_BYTES_PER_PIXEL["tiff"]


def _walk_avif(data: bytes, limits: Limits) -> tuple[int, float]:
    """Count the frames that an AVIF claims to have: libavif makes an entry for each when it opens the file."""
    if data[8:12] == b"avis":
        from engine import animation  # lazily: stills do not pay for it

        check_frames("avif", animation.most_samples(data), limits)
    return 1, DECODER_BYTES_PER_PIXEL["avif"]


_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_FLOATING_POINT = 3


def _stated(data: bytes, order: str, at: int, kind: int, values: int) -> dict[int, int]:
    """The first number of a directory's entry that says what the pixels are."""
    (tag,) = struct.unpack_from(order + "H", data, at)
    if kind != 3 or tag not in (_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT):
        return {}
    inline, link = (8, "Q") if b"+" in data[2:4] else (4, "I")
    place = at + 4 + inline
    if 2 * values > inline:
        (place,) = struct.unpack_from(order + link, data, place)
    return {tag: int.from_bytes(data[place : place + 2], "little" if order == "<" else "big")}


def _check_tiff(stated: dict[int, int]) -> None:
    """Refuse what the decoder does not read, though nothing is wrong with the file. Raises Rejection."""
    bits, kind = stated.get(_BITS, 1), stated.get(_PHOTOMETRIC, 1)
    if bits in (24, 32, 64):
        raise reject(
            "UNSUPPORTED_FORMAT", content=f"an image of {bits} bits per channel", accepted="one of 8 or 16 bits"
        )
    if bits == 16 and stated.get(_SAMPLE_FORMAT) == _FLOATING_POINT:
        raise reject("UNSUPPORTED_FORMAT", content="an image of floating-point numbers", accepted="one of 8 or 16 bits")
    if kind in _TIFF_RARE:
        rare, common = f"a TIFF of a rare kind ({_TIFF_RARE[kind]})", "one in RGB, CMYK, gray or CIELAB"
        raise reject("UNSUPPORTED_FORMAT", content=rare, accepted=common)
    if bits == 16 and kind == _CIELAB:
        raise reject("UNSUPPORTED_FORMAT", content="a TIFF in CIELAB of 16 bits", accepted="one of 8 bits, or in RGB")


_CIELAB = 8
_TIFF_RARE = {9: "ICCLAB", 10: "ITULAB", 32803: "raw", 32844: "LogL", 32845: "LogLuv", 34892: "raw"}
# Types of one byte each: texts, profiles, previews.
_TIFF_BYTES = frozenset((1, 2, 6, 7))

_WALKS: dict[str, Callable[[bytes, Limits], tuple[int, float]]]
_WALKS = {
    "jpeg": _walk_jpeg,
    "png": _walk_png,
    "webp": _walk_webp,
    "gif": _walk_gif,
    "tiff": _walk_tiff,
    "avif": _walk_avif,
}
