"""What a file says of its colours outside of an ICC profile: nclx of AVIF and HEIC, chunks of PNG, EXIF of JPEG.

Strangers' bytes: every loop is bounded, pixels are never passed over, and what is damaged counts as not said.
"""

from __future__ import annotations

import functools
import itertools
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import parts

if TYPE_CHECKING:
    from contracts import SourceFormat
    from engine.pillow import Image


class Signal(NamedTuple):
    """Code points of ITU-T H.273 (CICP). 2 is "unspecified".

    `peak`: luminance of the brightest thing shown, in cd/m2; None if the file does not say. `narrow`: whether black is
    coded as 16 and white as 235 (the decoders of AVIF and HEIC undo that, and the matrix).
    """

    primaries: int
    transfer: int
    peak: float | None = None
    narrow: bool = False


class Measured(NamedTuple):
    """A power for the coded value, or None for sRGB's curve; CIE x and y of white, red, green, blue, or None."""

    gamma: float | None
    chromaticities: tuple[float, ...] | None


Colours = bytes | Signal | Measured | None  # bytes: an ICC profile; None: sRGB


def read(name: SourceFormat, data: bytes, image: Image.Image) -> Colours:
    """The colours of an opened image, by the standard of its format: see `_of_png` and `_of_boxes`."""
    profile: bytes | None = image.info.get("icc_profile")
    with suppress(Exception):  # a damaged statement is none
        if name == "png":
            return _of_png(data, profile)
        if name in ("avif", "heic") and not profile:  # ISO/IEC 23000-22 (MIAF): a profile is preferred to nclx
            return _of_boxes(data)
        if name == "jpeg" and not profile and _is_adobe_rgb(image):
            return _ADOBE_RGB
    return profile


# --------------------------------------------------------------------------- PNG

_MOST_CHUNKS = 1000
_UNIT = 1 / 10000  # of luminance, in cd/m2: for mastering displays, and in PNG


def _of_png(data: bytes, profile: bytes | None) -> Colours:
    """PNG, third edition, 4.3: cICP counts first, then iCCP, then sRGB, then gAMA and cHRM."""
    chunks = _chunks(data)
    if (coded := chunks.get(b"cICP", b"")) and len(coded) == 4 and coded[2] == 0 and coded[3] < 2:
        # After MaxCLL, the luminance of the screen on which the picture was made.
        peak = struct.unpack_from(">I", chunks.get(b"cLLI", bytes(4)))[0] * _UNIT
        peak = peak or struct.unpack_from(">I", chunks.get(b"mDCV", bytes(24)), 16)[0] * _UNIT
        return Signal(coded[0], coded[1], peak or None, not coded[3])
    if profile or b"sRGB" in chunks:
        return profile
    gamma, points = None, None
    if b"gAMA" in chunks:
        (stated,) = struct.unpack(">I", chunks[b"gAMA"])
        # 45455 is what the standard has programs write of sRGB pictures, whose curve is only near to it.
        gamma = None if abs(stated - 45455) <= 500 or not 10_000 <= stated <= 1_000_000 else 100_000 / stated
    if b"cHRM" in chunks:
        points = tuple(each / 100_000 for each in struct.unpack(">8I", chunks[b"cHRM"]))
        if max(abs(each - srgb) for each, srgb in zip(points, _SRGB_POINTS, strict=True)) < 0.005:
            points = None
    return Measured(gamma, points) if gamma or points else None


_SRGB_POINTS = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ABOUT_COLOUR = frozenset((b"cICP", b"cLLI", b"mDCV", b"sRGB", b"gAMA", b"cHRM"))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The sound chunks about colour in their place, before the palette and the pixels. The first of a kind counts."""
    found: dict[bytes, bytes] = {}
    for kind, _, start, end in itertools.islice(parts.png_chunks(data), _MOST_CHUNKS):
        if kind in (b"PLTE", b"IDAT", b"IEND"):
            break
        if kind in _ABOUT_COLOUR and kind not in found and end - start <= 32:
            body = data[start:end]
            if zlib.crc32(body, zlib.crc32(kind)) == int.from_bytes(data[end : end + 4], "big"):
                found[kind] = body
    return found


# --------------------------------------------------------------------------- AVIF and HEIC

_MOST_ITEMS = 10_000
_MOST_REPEATED = 10  # of the boxes in which there are many others
_TO_SAMPLES = (b"mdia", b"minf", b"stbl", b"stsd")  # from a track
_Place = tuple[int, int]  # where the body of a box begins and ends


def _of_boxes(data: bytes) -> Signal | None:
    """ISO/IEC 23008-12: properties of the primary item; of a film (as libavif reads it), of the first track."""
    said: dict[bytes, bytes] = {}
    if data[8:12] == b"avis":
        with suppress(StopIteration):
            said = _of_film(data)
    if b"nclx" not in said:
        said = _of_items(data)
    if b"nclx" not in said:
        return None
    primaries, transfer = struct.unpack_from(">HH", said[b"nclx"])
    peak: float = struct.unpack_from(">H", said.get(b"clli", bytes(2)))[0]
    peak = peak or struct.unpack_from(">I", said.get(b"mdcv", bytes(24)), 16)[0] * _UNIT
    return Signal(primaries, transfer, peak or None)


def _boxes(data: bytes, place: _Place) -> Iterator[tuple[bytes, _Place]]:
    """The boxes in a place. Raises ValueError at one that does not fit."""
    return ((box.kind, (box.start, box.end)) for box in itertools.islice(parts.boxes(data, *place), parts.MOST_BOXES))


def _first(data: bytes, place: _Place, wanted: bytes) -> _Place:
    """The first box of a kind. Raises StopIteration."""
    return next(found for kind, found in _boxes(data, place) if kind == wanted)


def _colours_of(data: bytes, boxes: Iterator[tuple[bytes, _Place]]) -> dict[bytes, bytes]:
    """What boxes say about colours: bodies of clli and mdcv, and that of colr without its type, under that type."""
    said: dict[bytes, bytes] = {}
    for kind, (start, end) in boxes:
        if kind == b"colr":
            said.setdefault(data[start : start + 4], data[start + 4 : min(end, start + 16)])
        elif kind in (b"clli", b"mdcv"):
            said.setdefault(kind, data[start : min(end, start + 32)])
    return said


def _of_film(data: bytes) -> dict[bytes, bytes]:
    """Of the first track whose first sample description has an nclx."""
    moov = _first(data, (0, len(data)), b"moov")
    tracks = (place for kind, place in _boxes(data, moov) if kind == b"trak")
    for track in itertools.islice(tracks, _MOST_REPEATED):
        with suppress(StopIteration):
            start, end = functools.reduce(functools.partial(_first, data), _TO_SAMPLES, track)
            _, (start, end) = next(_boxes(data, (start + 8, end)))  # behind version and count
            if b"nclx" in (said := _colours_of(data, _boxes(data, (start + 78, end)))):
                return said
    return {}


def _of_items(data: bytes) -> dict[bytes, bytes]:
    start, end = _first(data, (0, len(data)), b"meta")
    meta = (start + 4, end)
    at, _ = _first(data, meta, b"pitm")
    primary = int.from_bytes(data[at + 4 : at + (8 if data[at] else 6)], "big")
    said = _of_item(data, meta, primary)
    if b"nclx" not in said:  # a grid may leave it to its tiles
        with suppress(StopIteration):
            said = _of_item(data, meta, _first_tile(data, meta, primary)) | said
    return said


def _of_item(data: bytes, meta: _Place, item: int) -> dict[bytes, bytes]:
    iprp = _first(data, meta, b"iprp")
    properties = list(_boxes(data, _first(data, iprp, b"ipco")))
    ties = (_tied(data, at, item) for kind, at in _boxes(data, iprp) if kind == b"ipma")
    numbers: list[int] = next(filter(None, itertools.islice(ties, _MOST_REPEATED)), [])
    return _colours_of(data, (properties[number - 1] for number in numbers if 0 < number <= len(properties)))


def _tied(data: bytes, place: _Place, item: int) -> list[int]:
    """The numbers of the properties that an ipma box ties to an item, from 1."""
    position, end = place
    version, wide = data[position], data[position + 3] & 1
    (count,) = struct.unpack_from(">I", data, position + 4)
    position += 8
    form = struct.Struct(">IB" if version else ">HB")
    for _ in range(min(count, _MOST_ITEMS)):
        if position + form.size > end:
            break
        found, ties = form.unpack_from(data, position)
        position += form.size
        if found == item:
            numbers = struct.unpack_from(f">{ties}{'H' if wide else 'B'}", data, position)
            return [number & (0x7FFF if wide else 0x7F) for number in numbers]
        position += ties * (2 if wide else 1)
    return []


def _first_tile(data: bytes, meta: _Place, item: int) -> int:
    """The first item that this one is derived from. Raises StopIteration."""
    start, end = _first(data, meta, b"iref")
    form = struct.Struct(">IHI" if data[start] else ">HHH")
    links = (form.unpack_from(data, at) for kind, (at, _) in _boxes(data, (start + 4, end)) if kind == b"dimg")
    return next(int(to) for of, count, to in links if of == item and count)


# --------------------------------------------------------------------------- what decoders stumble over

_OF_PNG = _ABOUT_COLOUR | {b"iCCP"}
_MATRICES = frozenset((0, 1, 2, 4, 5, 6, 7, 9))
_SRGB_CODES = (1, 13)
_FULL_RANGE = 0x80


def mended(name: SourceFormat, data: bytes) -> bytes | None:
    """The file without chunks about colour, or with boxes about it that any decoder reads; None if it has none."""
    with suppress(Exception):
        if name == "png":
            return _without_chunks(data)
        if name in ("avif", "heic"):
            return _with_common_codes(data)
    return None


def _without_chunks(data: bytes) -> bytes | None:
    kept, position = [], 0
    for kind, head, _, end in itertools.islice(parts.png_chunks(data), _MOST_CHUNKS):
        if kind in (b"IDAT", b"IEND"):
            break
        if kind in _OF_PNG:
            kept.append(data[position:head])
            position = end + 4
    return b"".join((*kept, data[position:])) if kept else None


def _with_common_codes(data: bytes) -> bytes | None:
    start, end = _first(data, (0, len(data)), b"meta")
    properties = _first(data, _first(data, (start + 4, end), b"iprp"), b"ipco")
    made = bytearray(data)
    for kind, (at, stop) in _boxes(data, properties):
        if kind == b"colr" and data[at : at + 4] == b"nclx" and stop - at >= 11:
            matrix, flags = struct.unpack_from(">HB", data, at + 8)
            codes = (*_SRGB_CODES, matrix if matrix in _MATRICES else 6, flags & _FULL_RANGE)
            struct.pack_into(">HHHB", made, at + 4, *codes)
    return bytes(made) if made != data else None


# --------------------------------------------------------------------------- JPEG

# DCF 2.0: cameras that are set to Adobe RGB say so by this, many of them without a profile.
_ADOBE_RGB = Measured(563 / 256, (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))
_EXIF_IFD, _INTEROPERABILITY_IFD, _INDEX = 0x8769, 0xA005, 1


def _is_adobe_rgb(image: Image.Image) -> bool:
    if b"R03" not in image.info.get("exif", b""):
        return False
    exif: Any = image.getexif()
    return str(exif.get_ifd(_INTEROPERABILITY_IFD).get(_INDEX, "")).rstrip("\0") == "R03"
