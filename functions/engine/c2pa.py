"""C2PA manifests ("Content Credentials"): noticed, and asked how the picture was made.

They sign the source's bytes, so no rendition can keep one. Nothing is verified, and nothing else is read.
C2PA Technical Specification 2.1: appendix A says where each format has them; actions have a digitalSourceType.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.parts import parts

if TYPE_CHECKING:
    from contracts import SourceFormat
    from engine.pillow import Image

_STORE = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")  # the kind of JUMBF box that holds all manifests
_MANIFEST = bytes.fromhex("63326D61 0011 0010 8000 00AA00389B71")  # of one; the last is that of the picture itself
_BOX = bytes.fromhex("D8FEC3D6 1B0E 483C 9297 5828877EC481")
_GIF_HEAD = b"\x21\xff\x0bC2PA_GIF"
_TIFF_TAG = 0xCD41
# In CBOR: a text of 17 bytes as key; as value, a text of 24 to 255 bytes after their number.
_SOURCE_TYPE = re.compile(rb"\x71digitalSourceType\x78(.)(https?://[!-~]+)", re.DOTALL)


def manifests(image: Image.Image, data: bytes, name: SourceFormat) -> bytes:
    """The manifests in `data`, of which `image` is what Pillow opened; empty if there are none."""
    if name == "jpeg":
        return _in_segments([bytes(body) for kind, body in parts(data, name) if kind == b"\xeb"])
    if name == "png":
        return b"".join(body for kind, body in parts(data, name) if kind == b"caBX")
    if name == "webp":
        return b"".join(body for kind, body in parts(data, name) if kind == b"C2PA")
    if name == "gif":
        return _in_blocks(data, data.find(_GIF_HEAD))
    if name == "tiff":
        raw: dict[int, bytes] = image.tag.tagdata  # type: ignore[attr-defined]
        return raw.get(_TIFF_TAG, b"")
    return b"".join(body[16:] for kind, body in parts(data, name) if kind == b"uuid" and body[:16] == _BOX)


def source_type(manifests: bytes) -> str:
    """How the picture was made, as the actions of its own manifest say: a URI, mostly of IPTC's; "" if they do not.

    An algorithm goes before what was done later; of several, the last counts.
    """
    own = manifests[max(0, manifests.rfind(_MANIFEST)) :]
    found = [text[: length[0]].decode() for length, text in _SOURCE_TYPE.findall(own)]
    by_algorithm = [uri for uri in found if "algorithmic" in uri.lower()]
    return next(reversed(by_algorithm or found), "")


def _in_segments(bodies: list[bytes]) -> bytes:
    """JPEG: a box is spread over segments: "JP", its number (2 bytes), theirs (4), then a part of the box.

    Each part begins with the box's length and type, "jumb"; in the first, those of a box "jumd" follow, and its kind.
    """
    heads = {body[:4] for body in bodies if body[:2] == b"JP" and body[12:16] == b"jumb" and body[24:40] == _STORE}
    pieces = [body[8:] if body[24:40] == _STORE else body[16:] for body in bodies if body[:4] in heads]
    return b"".join(pieces)


def _in_blocks(data: bytes, start: int) -> bytes:
    """GIF: the content of the blocks after the extension's head (14 bytes)."""
    pieces, position = [], start + 14
    while start >= 0 and position < len(data) and (length := data[position]):
        pieces.append(data[position + 1 : position + 1 + length])
        position += 1 + length
    return b"".join(pieces)
