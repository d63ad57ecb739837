"""The parts that a file is made of: JPEG segments, PNG and WebP chunks, boxes of AVIF and HEIC.

Strangers' bytes: each walk moves on with every part, and ends at the end of the data at the latest. How many parts a
file may have, `containers.walk` says; nobody has counted the boxes of a HEIC. Nothing here decodes or copies pixels.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from contracts import SourceFormat

# Of one level; files have a handful.
MOST_BOXES = 1000


class Part(NamedTuple):
    """A part: a JPEG's marker (one byte) or the four characters of a chunk or box, and where it is.

    `head`: where the part begins, `start` and `end`: its content. A chunk that is cut off ends beyond the data.
    """

    kind: bytes
    head: int
    start: int
    end: int


def parts(data: bytes, name: SourceFormat) -> Iterator[tuple[bytes, memoryview]]:
    """(kind, content) of each part, in the file's order; of a JPEG, up to the first scan. Other formats have none.

    For metadata: a damaged file ends early.
    """
    view = memoryview(data)
    with suppress(ValueError, struct.error):
        for part in _WALKS[name](data) if name in _WALKS else ():
            yield part.kind, view[part.start : part.end]


# --------------------------------------------------------------------------- JPEG

MARKER = re.compile(rb"\xff([^\xff\0])", re.DOTALL)
MARKER_AFTER_SCAN = re.compile(rb"\xff([^\xff\0\xd0-\xd7])", re.DOTALL)
BARE = frozenset(b"\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8")  # markers without a content
SCAN, END = 0xDA, 0xD9


def segments(data: bytes) -> Iterator[Part]:
    """The segments of a JPEG's first image, up to the one that ends it. A scan's content is its header."""
    pattern, position = MARKER, 2
    while marker := pattern.search(data, position):
        code, position = marker[1][0], marker.end()
        pattern = MARKER_AFTER_SCAN if code == SCAN else MARKER
        if code in BARE or code == END:
            yield Part(marker[1], marker.start(), position, position)
            if code == END:
                return
            continue
        start, position = position + 2, position + max(2, int.from_bytes(data[position : position + 2], "big"))
        yield Part(marker[1], marker.start(), start, position)


def _before_the_scans(data: bytes) -> Iterator[Part]:
    return itertools.takewhile(lambda part: part.kind[0] != SCAN, segments(data))


# --------------------------------------------------------------------------- PNG and WebP


def png_chunks(data: bytes) -> Iterator[Part]:
    """Length, kind, content, checksum."""
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield Part(kind, position, position + 8, position + 8 + length)
        position += 12 + length


def webp_chunks(data: bytes) -> Iterator[Part]:
    """Kind, length, content, padded to an even length; up to where the file says that it ends."""
    position, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        yield Part(kind, position, position + 8, position + 8 + length)
        position += 8 + length + length % 2


# --------------------------------------------------------------------------- AVIF and HEIC


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Part]:
    """The boxes side by side within a part of the data (ISO/IEC 14496-12). Raises ValueError if one does not fit."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:  # the real one follows, in eight bytes
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = start + size if size else end
        if not start + head <= stop <= end:
            raise ValueError("a box that is longer than the one around it")
        yield Part(kind, start, start + head, stop)
        start = stop


def _few_boxes(data: bytes) -> Iterator[Part]:
    return itertools.islice(boxes(data), MOST_BOXES)


_WALKS = {
    "jpeg": _before_the_scans,
    "png": png_chunks,
    "webp": webp_chunks,
    "avif": _few_boxes,
    "heic": _few_boxes,
}
