"""The parts of a file that hold metadata: JPEG segments, PNG and WebP chunks, boxes of AVIF and HEIC.

For files that `decoding.inspect` has accepted: it has counted their parts. Nothing here decodes or copies pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts import SourceFormat

# AVIF and HEIC have a handful of boxes at the top; nobody has counted them.
_MOST_BOXES = 1000
_BARE = frozenset(b"\x01\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8")


def parts(data: bytes, name: SourceFormat) -> Iterator[tuple[bytes, memoryview]]:
    """(kind, content) of each part, in the file's order. A damaged file ends early.

    The kind is a JPEG's marker (one byte; up to the first scan), or the four characters of a chunk or box. Other
    formats have none.
    """
    view = memoryview(data)
    if name == "jpeg":
        yield from _segments(view)
    elif name == "png":
        yield from _chunks(view, 8, "big", 4)
    elif name == "webp":
        yield from _chunks(view, 12, "little", 0)
    elif name in ("avif", "heic"):
        yield from _boxes(view)


def _segments(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    position, end = 2, len(view)
    while position + 4 <= end:
        code = view[position + 1]
        if view[position] != 0xFF or code == 0xFF:  # stray or filling bytes
            position += 1
            continue
        if code in _BARE:
            position += 2
            continue
        if code in (0xDA, 0xD9):
            return
        length = int.from_bytes(view[position + 2 : position + 4], "big")
        yield bytes((code,)), view[position + 4 : position + 2 + length]
        position += 2 + max(2, length)


def _chunks(view: memoryview, position: int, order: str, checksum: int) -> Iterator[tuple[bytes, memoryview]]:
    """PNG: length, kind, content, checksum. WebP: kind, length, content, padded to an even length."""
    end = len(view)
    while position + 8 <= end:
        first, second = view[position : position + 4], view[position + 4 : position + 8]
        kind, length = (second, first) if order == "big" else (first, second)
        size = int.from_bytes(length, "big" if order == "big" else "little")
        yield bytes(kind), view[position + 8 : position + 8 + size]
        position += 8 + size + (checksum or size % 2)


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    position, end = 0, len(view)
    for _ in range(_MOST_BOXES):
        if position + 8 > end:
            return
        size, head = int.from_bytes(view[position : position + 4], "big"), 8
        if size == 1:  # the real one follows, in eight bytes
            size, head = int.from_bytes(view[position + 8 : position + 16], "big"), 16
        elif size == 0:  # up to the end
            size = end - position
        if size < head:
            return
        yield bytes(view[position + 4 : position + 8]), view[position + head : position + size]
        position += size
