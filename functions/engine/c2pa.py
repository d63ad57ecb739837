"""C2PA manifests ("Content Credentials"): noticed, not read. They sign the source's bytes: no rendition can keep one.

C2PA Technical Specification 2.1, appendix A: where each format has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.parts import parts

if TYPE_CHECKING:
    from contracts import SourceFormat
    from engine.pillow import Image

_JUMBF_KIND = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
_BOX_KIND = bytes.fromhex("D8FEC3D6 1B0E 483C 9297 5828877EC481")
_GIF_HEAD = b"\x21\xff\x0bC2PA_GIF"
_TIFF_TAG = 0xCD41


def size(image: Image.Image, data: bytes, name: SourceFormat) -> int:
    """Bytes of the manifests in `data`, of which `image` is what Pillow opened; 0 if there are none."""
    if name == "jpeg":
        return _in_segments([bytes(body) for kind, body in parts(data, name) if kind == b"\xeb"])
    if name == "png":
        return sum(len(body) for kind, body in parts(data, name) if kind == b"caBX")
    if name == "webp":
        return sum(len(body) for kind, body in parts(data, name) if kind == b"C2PA")
    if name == "gif":
        return _in_blocks(data, data.find(_GIF_HEAD))
    if name == "tiff":
        return len(image.tag_v2.get(_TIFF_TAG, b""))  # type: ignore[attr-defined]
    return sum(len(body) for kind, body in parts(data, name) if kind == b"uuid" and body[:16] == _BOX_KIND)


def _in_segments(bodies: list[bytes]) -> int:
    """JPEG: a box is spread over segments: "JP", its number (2 bytes), theirs (4), then a part of the box.

    The first one begins with the box's length and type "jumb", and those of a box "jumd" that says of which kind it is.
    """
    heads = {body[:4] for body in bodies if body[:2] == b"JP" and body[12:16] == b"jumb" and body[24:40] == _JUMBF_KIND}
    return sum(max(0, len(body) - 8) for body in bodies if body[:4] in heads)


def _in_blocks(data: bytes, start: int) -> int:
    """GIF: the content of the blocks after the extension's head (14 bytes)."""
    if start < 0:
        return 0
    found, position = 0, start + 14
    while position < len(data) and (length := data[position]):
        found += length
        position += 1 + length
    return found
