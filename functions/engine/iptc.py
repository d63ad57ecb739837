"""IPTC-IIM: the records that Photoshop and news agencies write into JPEG and TIFF, older than XMP.

IPTC's Information Interchange Model 4.2; Adobe's Photoshop File Formats Specification for the blocks around it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.parts import parts

if TYPE_CHECKING:
    from contracts import SourceFormat
    from engine.pillow import Image

BYLINE, CREDIT, COPYRIGHT = (2, 80), (2, 110), (2, 116)
_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"
_MOST_DATASETS = 1000
_MOST_BLOCKS = 1000
_JPEG_HEAD = b"Photoshop 3.0\0"
_TIFF_TAG, _TIFF_PHOTOSHOP = 33723, 34377
_IIM_BLOCK = 0x0404


def records(image: Image.Image, data: bytes, name: SourceFormat) -> bytes:
    """The IIM records in `data`, of which `image` is what Pillow opened; empty if there are none."""
    if name == "jpeg":
        bodies = (body for kind, body in parts(data, name) if kind == b"\xed")
        return _in_photoshop(b"".join(body[14:] for body in bodies if body[:14] == _JPEG_HEAD))
    if name == "tiff":
        raw: dict[int, bytes] = image.tag.tagdata  # type: ignore[attr-defined]  # some programs say: 32-bit numbers
        return raw.get(_TIFF_TAG) or _in_photoshop(raw.get(_TIFF_PHOTOSHOP, b""))
    return b""


def texts(records: bytes) -> dict[tuple[int, int], list[str]]:
    """The texts by (record, number). What is cut short is left out."""
    found: dict[tuple[int, int], list[bytes]] = {}
    for key, content in _datasets(records):
        found.setdefault(key, []).append(content)
    named = found.get(_CHARACTER_SET, [b""])[0]
    return {key: [_decoded(content, named) for content in contents] for key, contents in found.items()}


def _in_photoshop(blocks: bytes) -> bytes:
    """The IIM records among Photoshop's blocks: signature, number, name, length, content; each padded."""
    position = 0
    for _ in range(_MOST_BLOCKS):
        if blocks[position : position + 4] != b"8BIM" or position + 12 > len(blocks):
            break
        (number, length) = struct.unpack_from(">HB", blocks, position + 4)
        position += 7 + length + (length + 1) % 2
        size = int.from_bytes(blocks[position : position + 4], "big")
        if number == _IIM_BLOCK:
            return blocks[position + 4 : position + 4 + size]
        position += 4 + size + size % 2
    return b""


def _datasets(records: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    position = 0
    for _ in range(_MOST_DATASETS):
        if position + 5 > len(records) or records[position] != 0x1C:
            return
        record, number, size = struct.unpack_from(">BBH", records, position + 1)
        position += 5
        if size & 0x8000:  # an extended one: the length has this many bytes
            digits = size & 0x7FFF
            if digits > 4:
                return
            size = int.from_bytes(records[position : position + digits], "big")
            position += digits
        if position + size > len(records):
            return
        yield (record, number), records[position : position + size]
        position += size


def _decoded(content: bytes, named: bytes) -> str:
    """Many programs write UTF-8 and do not say so: without a named character set, what can be UTF-8 is."""
    if named in (b"", _UTF8):
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return content.decode("latin-1")
