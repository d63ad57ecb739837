"""XMP: find the packet in a file of any source format, and parse it.

XML from strangers is parsed only in the sandbox's child, see engine.sandbox. Nothing here raises: damaged or dangerous
metadata is as good as none.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, XMLParser

from engine.parts import parts

if TYPE_CHECKING:
    from contracts import SourceFormat
    from engine.pillow import Image

# Far above what cameras and editors write: an editor's history can take some hundred kilobytes.
LONGEST_PACKET = 2**20  # bytes
MOST_ELEMENTS = 50_000
DEEPEST = 64

_JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_HEAD = b"XML:com.adobe.xmp\0"
_GIF_HEAD = b"\x21\xff\x0bXMP DataXMP"
_GIF_TAIL = b"\x01\xff\xfe\xfd"  # bytes that lead readers who know nothing of XMP to the extension's end
_TIFF_TAG = 700


def read(image: Image.Image, data: bytes, name: SourceFormat) -> Element | None:
    """The root element of the XMP in `data`, of which `image` is what Pillow opened; None if it has none of use."""
    found = packet(image, data, name)
    return parse(found) if found else None


def packet(image: Image.Image, data: bytes, name: SourceFormat) -> bytes | None:
    """The XMP packet in `data`, of which `image` is what Pillow opened; None if there is none, or none within bounds.

    The first one counts. What JPEG keeps in further segments (ExtendedXMP) is not read.
    """
    with suppress(Exception):
        found = _packet(image, data, name)
        if found and len(found) <= LONGEST_PACKET:
            return bytes(found)
    return None


def parse(packet: bytes) -> Element | None:
    """The root element of a packet in UTF-8, UTF-16 or UTF-32; None if it is no XML, has a DOCTYPE or ENTITY, or
    goes beyond LONGEST_PACKET, MOST_ELEMENTS or DEEPEST."""
    with suppress(Exception):
        text = _text(packet) if len(packet) <= LONGEST_PACKET else ""
        # Decoded first: no encoding hides a declaration. A closing tag counts too.
        if text and "<!DOCTYPE" not in text and "<!ENTITY" not in text and text.count("<") <= 2 * MOST_ELEMENTS:
            parser = XMLParser()  # noqa: S314  (what makes XML dangerous has just been refused)
            parser.feed(text)
            root = parser.close()
            return root if _is_shallow(root) else None
    return None


def _packet(image: Image.Image, data: bytes, name: SourceFormat) -> bytes | memoryview | None:
    if name == "jpeg":
        heads = (body for kind, body in parts(data, name) if kind == b"\xe1")
        return next((body[len(_JPEG_HEAD) :] for body in heads if body[: len(_JPEG_HEAD)] == _JPEG_HEAD), None)
    if name == "png":
        texts = (body for kind, body in parts(data, name) if kind == b"iTXt")
        return next((_of_text(body) for body in texts if body[: len(_PNG_HEAD)] == _PNG_HEAD), None)
    if name == "webp":
        return next((body for kind, body in parts(data, name) if kind == b"XMP "), None)
    if name == "gif":
        start = data.find(_GIF_HEAD) + len(_GIF_HEAD)
        end = data.find(_GIF_TAIL, start)
        return data[start:end] if start >= len(_GIF_HEAD) and end >= 0 else None
    if name == "tiff":
        value = image.tag_v2.get(_TIFF_TAG)  # type: ignore[attr-defined]
        return value if isinstance(value, bytes) else None
    value = image.info.get("xmp")
    return value if isinstance(value, bytes) else None


def _of_text(body: memoryview) -> bytes:
    """The text of an iTXt chunk: after its keyword, two flags, the language and the translated keyword."""
    compressed = body[len(_PNG_HEAD)]
    _, _, text = bytes(body[len(_PNG_HEAD) + 2 :]).split(b"\0", 2)
    return zlib.decompressobj().decompress(text, LONGEST_PACKET + 1) if compressed else text


def _text(packet: bytes) -> str:
    """From the first element to the end of the last one. What is no UTF-8, as it says it is, is taken for Latin-1."""
    if packet[:2] in (b"\xff\xfe", b"\xfe\xff") and packet[2:4] != b"\0\0":
        text = packet.decode("utf-16", "replace")
    elif packet[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        text = packet.decode("utf-32", "replace")
    elif encoding := _WIDE.get(bytes(map(bool, packet[:4]))):
        text = packet.decode(encoding, "replace")
    else:
        try:
            text = packet.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = packet.decode("latin-1")
    start = text.find("<")
    while text.startswith("<?", start):  # its own declaration and xpacket: the encoding they name is not believed
        start = text.find("<", text.index("?>", start))
    return text[start : text.rfind(">") + 1] if start >= 0 else ""


# Encodings without a byte order mark, by which of the first four bytes are not zero.
_WIDE = {
    b"\1\0\1\0": "utf-16-le",
    b"\0\1\0\1": "utf-16-be",
    b"\1\0\0\0": "utf-32-le",
    b"\0\0\0\1": "utf-32-be",
}


def _is_shallow(root: Element) -> bool:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return True
    return False
