"""A source's own bytes as a rendition: the same pixels without another loss, and without the source's metadata.

For a JPEG or a WebP that is upright, still and in sRGB. What is copied is what a decoder needs, and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from engine import decoding, parts, signalling
from engine.pillow import Image

if TYPE_CHECKING:
    from contracts import Format, ImageFacts, Recipe

# Encoders' numbers below this spoil a picture more than some bytes are worth.
_DECENT = 40


class Original:
    """The source of a set, as a bound to those of its renditions that have the source's own pixels.

    `names`: those renditions. `size`: the source's bytes. `lowest`: the lowest number to which an encoder may go for a
    file that is no larger. `read`: reads the source; called once, and only if its bytes may be of use.
    """

    def __init__(
        self, image: ImageFacts, recipe: Recipe, names: Iterable[str], size: int, read: Callable[[], bytes]
    ) -> None:
        self.names = frozenset(names)
        self.size = size
        self.lowest = _DECENT if recipe["never_larger"] == "source" else 1
        plain = image["orientation"] == 1 and image["frames"] == 1 and image["mode"] in ("L", "RGB", "RGBA", "RGBX")
        self._format = image["format"] if plain and recipe["never_larger"] == "source" else None
        self._read, self._lock = read, Lock()
        self._data: bytes | None = None

    def own(self, format_: Format, xmp: bytes | None) -> bytes | None:
        """The source's bytes with this XMP packet in place of its own; None if they are of no use."""
        if format_ != self._format or format_ not in _WITHOUT_METADATA:
            return None
        with self._lock:
            if self._data is None:
                self._data = self._read()
        with suppress(Exception):  # an odd file is encoded like all others
            if _is_srgb(self._data, format_):
                return _WITHOUT_METADATA[format_](self._data, xmp)
        return None


def whole(image: ImageFacts, recipe: Recipe, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """The sizes of the recipe that have the source's own pixels: neither scaled nor cropped nor marked.

    `sizes`: width and height of each rendition.
    """
    mark = recipe["watermark"]
    return [
        name
        for name, size in recipe["sizes"].items()
        if size["fit"] == "inside"
        and sizes[name] == (image["width"], image["height"])
        and not (mark and sizes[name][0] >= mark["min_width"])
    ]


def _is_srgb(data: bytes, format_: Format) -> bool:
    """Whether a file says nothing of its colours, or what changes none of them."""
    with decoding.open_image(data, "webp" if format_ == "webp" else "jpeg") as image:
        colours = signalling.read(format_, data, image)
        if not colours:
            return image.mode != "CMYK"
        from engine import colour  # lazily: sources that say nothing do not pay for it

        probe = Image.new("RGB", (1, 1))
        return image.mode in ("RGB", "RGBA", "RGBX") and colour.convert(probe, colours) is probe


# --------------------------------------------------------------------------- JPEG

_JPEG_TABLES = (0xC4, 0xDB, 0xDD)  # Huffman, quantization, restart interval
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what every browser decodes
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"


def _jpeg(data: bytes, xmp: bytes | None) -> bytes | None:
    """Tables, frame and scans, with the two segments that say how colours are coded (JFIF, Adobe), up to the end of the
    first image. None if there is anything else that a decoder may need."""
    pieces: list[bytes] = []
    heading, scanned = b"", False
    segments = list(parts.segments(data))
    for segment, following in itertools.pairwise(segments):
        code, body = segment.kind[0], data[segment.start : segment.end]
        if code in parts.BARE:
            if scanned:  # a damaged scan: decoders differ in what they make of the rest
                return None
        elif code == parts.SCAN:
            scanned = True
            pieces.append(data[segment.head : following.head])
        elif code in _JPEG_TABLES or (code in _JPEG_FRAMES and body[0] == 8):
            pieces.append(data[segment.head : segment.end])
        elif code == 0xE0 and body.startswith(b"JFIF\0"):
            heading = _jpeg_segment(0xE0, body[:12] + b"\0\0")  # without its thumbnail
        elif code == 0xEE and body.startswith(b"Adobe"):
            pieces.append(_jpeg_segment(0xEE, body[:12]))
        elif not (0xE0 <= code <= 0xEF or code == 0xFE):
            return None
    if segments[-1].kind[0] != parts.END:
        return None
    packet = _jpeg_segment(0xE1, _XMP_IN_JPEG + xmp) if xmp else b""
    return b"".join((b"\xff\xd8", heading, packet, *pieces, b"\xff\xd9"))


def _jpeg_segment(code: int, body: bytes) -> bytes:
    """Raises OverflowError if it is too long for a segment."""
    return bytes((0xFF, code)) + (len(body) + 2).to_bytes(2, "big") + body


# --------------------------------------------------------------------------- WebP

_WEBP_ALPHA, _WEBP_XMP = 0x10, 0x04  # flags of VP8X


def _webp(data: bytes, xmp: bytes | None) -> bytes | None:
    """The picture and its alpha channel, in a file that is extended only if it needs to be. None for an animation."""
    found: dict[bytes, bytes] = {}
    for kind, _, start, end in parts.webp_chunks(data):
        found.setdefault(kind, data[start:end])
    if found.keys() & {b"ANIM", b"ANMF"} or len(found.keys() & {b"VP8 ", b"VP8L"}) != 1:
        return None
    chunks: list[tuple[bytes, bytes]] = [(kind, found[kind]) for kind in (b"ALPH", b"VP8 ", b"VP8L") if kind in found]
    if xmp or b"ALPH" in found:
        with decoding.open_image(data, "webp") as image:
            size = b"".join((side - 1).to_bytes(3, "little") for side in image.size)
            flags = (_WEBP_ALPHA if image.mode == "RGBA" else 0) | (_WEBP_XMP if xmp else 0)
        chunks.insert(0, (b"VP8X", bytes((flags, 0, 0, 0)) + size))
    if xmp:
        chunks.append((b"XMP ", xmp))
    body = b"WEBP" + b"".join(
        kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


_WITHOUT_METADATA = {"jpeg": _jpeg, "webp": _webp}
