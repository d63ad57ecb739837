"""Pictures that carry metadata, put into each format by hand: nothing here is the engine's own."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from tests.hostile import files
from tests.unit.pictures import HEIC, chunk, data, png, quarters

FORMATS = ("jpeg", "png", "webp", "gif", "avif", "heic", "tiff")
WRAPPED = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{}<?xpacket end="w"?>'
PREFIXES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "cc": "http://creativecommons.org/ns#",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
}


def xmp(properties: str = "", attributes: str = "") -> str:
    """A packet with these properties of the one resource, as elements and as attributes."""
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in PREFIXES.items())
    description = f'<rdf:Description rdf:about="" {attributes}>{properties}</rdf:Description>'
    return WRAPPED.format(f"<x:xmpmeta {spaces}><rdf:RDF>{description}</rdf:RDF></x:xmpmeta>")


def with_xmp(name: str, packet: bytes, compressed: bool = False) -> bytes:
    """A picture of a format with an XMP packet."""
    if name == "jpeg":
        return with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))
    if name == "png":
        body = zlib.compress(packet) if compressed else packet
        return with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes((compressed, 0)) + b"\0\0" + body))
    if name == "webp":
        return with_riff((b"XMP ", packet), flags=4)
    if name == "gif":
        trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
        return with_blocks(b"!\xff\x0bXMP DataXMP" + packet + trailer)
    if name == "avif":
        return data(quarters(), "AVIF", xmp=packet)
    if name == "heic":
        return heic(xmp=packet)
    return tiff({700: (1, len(packet), packet)})


def with_exif(name: str, block: bytes) -> bytes:
    """A picture of a format with an EXIF block (TIFF has its entries in its own directory: see `tiff`)."""
    if name == "jpeg":
        return with_segments(segment(0xE1, b"Exif\0\0" + block))
    if name == "png":
        return with_chunks(chunk(b"eXIf", block))
    if name == "webp":
        return with_riff((b"EXIF", block), flags=8)
    if name == "avif":
        return data(quarters(), "AVIF", exif=block)
    if name == "heic":
        return heic(exif=block)
    raise ValueError(name)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 255, marker, len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    content = data(quarters(), "JPEG")
    return content[:2] + b"".join(segments) + content[2:]


def with_chunks(*chunks: bytes) -> bytes:
    return png(2, 1, 8, 2, b"\0" + bytes(6), *chunks)


def with_riff(*chunks: tuple[bytes, bytes], flags: int = 0) -> bytes:
    return files.riff(files.vp8x(80, 60, flags), files.frames_of(data(quarters(), "WEBP")), *chunks)


def with_blocks(*blocks: bytes) -> bytes:
    return files.gif(80, 60, *blocks, files.gif_frame(0, 0, 80, 60))


def tiff(entries: dict[int, tuple[int, int, int | bytes]]) -> bytes:
    """Gray, with further entries of its directory: tag → type, count, value or bytes."""
    padded: dict[str, Any] = {}
    for tag, (kind, count, value) in entries.items():
        if isinstance(value, bytes) and len(value) <= 4:
            value = int.from_bytes(value.ljust(4, b"\0"), "little")
        padded[f"t{tag}"] = (kind, count, value + b"\0" * (len(value) % 2) if isinstance(value, bytes) else value)
    return files.plain_tiff(8, 8, bytes(64), **padded)


def heic(xmp: bytes | None = None, exif: bytes | None = None) -> bytes:
    """The sample HEIC with metadata items of its own, each described by an item reference."""
    config, picture = files.box_in(HEIC, b"hvcC"), files.box_in(HEIC, b"mdat")[8:][:0x11F]
    items = [(1, b"hvc1", picture, b"")]
    if exif is not None:
        items.append((2, b"Exif", struct.pack(">I", 0) + exif, b""))
    if xmp is not None:
        items.append((3, b"mime", xmp, b"application/rdf+xml\0"))

    def boxes(place: int) -> bytes:
        where, at = [], place
        for number, _, content, _ in items:
            where.append(struct.pack(">HHHII", number, 0, 1, at, len(content)))
            at += len(content)
        named = [
            files.box(b"infe", struct.pack(">IHH4sB", 0x02000000, number, 0, kind, 0), mime)
            for number, kind, _, mime in items
        ]
        links = [files.box(b"cdsc", struct.pack(">HHH", number, 1, 1)) for number, *_ in items[1:]]
        ipco = files.box(
            b"ipco",
            config,
            files.box(b"pixi", b"\0\0\0\0\3\x08\x08\x08"),
            files.box(b"ispe", struct.pack(">III", 0, 64, 64)),
        )
        ipma = files.box(b"ipma", struct.pack(">II", 0, 1), struct.pack(">HBBBB", 1, 3, 1, 2, 3))
        meta = files.box(
            b"meta",
            bytes(4),
            files.box(b"hdlr", bytes(8), b"pict", bytes(13)),
            files.box(b"pitm", struct.pack(">IH", 0, 1)),
            files.box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(where)), *where),
            files.box(b"iinf", struct.pack(">IH", 0, len(named)), *named),
            files.box(b"iprp", ipco, ipma),
            files.box(b"iref", bytes(4), *links),
        )
        return files.box(b"ftyp", b"heic", bytes(4), b"mif1", b"heic") + meta

    return boxes(len(boxes(0)) + 8) + files.box(b"mdat", *(content for _, _, content, _ in items))
