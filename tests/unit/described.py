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
    return files.gif(1, 1, *blocks, files.gif_frame(0, 0, 1, 1))


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


# --------------------------------------------------------------------------- what is written, and what must be read

SECRET = "SECRET"  # in all that no rendition may carry
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
BY = "https://creativecommons.org/licenses/by/4.0/"
SHOP = "https://shop.example/buy?id=7&from=picture"
FULL: dict[str, Any] = {
    "rights": {"creator": ["Zoë Ünal"], "credit": "Agency", "copyright": "© Zoë & Co", "licence": BY, "licensor": SHOP},
    "digital_source_type": AI,
    "alt": "A cat on a mat",
}
Fixture = tuple[str, bytes, dict[str, Any]]  # format, content, what is kept of it


def fixtures() -> dict[str, Fixture]:
    """Pictures with what a recipe may keep, and with positions and serial numbers, by what is special about each."""
    made: dict[str, Fixture] = {}
    for name in FORMATS:
        for form in (as_elements, as_attributes, as_links):
            made[f"{name}-{form.__name__}"] = (name, with_xmp(name, xmp(*form(FULL)).encode()), FULL)
    made |= _exif() | _iim() | _encodings() | _texts() | _structures() | _contradictions()
    return made


LEAKS = (
    f"<exif:GPSLatitude>{SECRET}52,31.12N</exif:GPSLatitude><exif:GPSLongitude>{SECRET}13,24.5E</exif:GPSLongitude>"
    f"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>{SECRET} description</rdf:li></rdf:Alt></dc:description>"
)
LEAK = f'aux:SerialNumber="{SECRET}4711" photoshop:City="{SECRET} Berlin"'


def quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def localized(name: str, **texts: str) -> str:
    """A text in several languages; x_default for the default."""
    items = "".join(
        f'<rdf:li xml:lang="{language.replace("_", "-")}">{quoted(text)}</rdf:li>' for language, text in texts.items()
    )
    return f"<{name}><rdf:Alt>{items}</rdf:Alt></{name}>"


def alt_text(**texts: str) -> str:
    return localized("Iptc4xmpCore:AltTextAccessibility", **texts)


def creators(*names: str) -> str:
    return (
        f"<dc:creator><rdf:Seq>{''.join(f'<rdf:li>{quoted(name)}</rdf:li>' for name in names)}</rdf:Seq></dc:creator>"
    )


def as_elements(kept: dict[str, Any]) -> tuple[str, str]:
    """Every property an element, as most programs write."""
    rights = kept["rights"]
    licensor = f"<rdf:li rdf:parseType='Resource'><plus:LicensorURL>{quoted(SHOP)}</plus:LicensorURL></rdf:li>"
    return (
        creators(*rights["creator"])
        + LEAKS
        + f"<photoshop:Credit>{rights['credit']}</photoshop:Credit>"
        + localized("dc:rights", de=f"{SECRET} auf Deutsch", x_default=rights["copyright"])
        + f"<xmpRights:WebStatement>{BY}</xmpRights:WebStatement>"
        + f"<plus:Licensor><rdf:Seq>{licensor}</rdf:Seq></plus:Licensor>"
        + f"<Iptc4xmpExt:DigitalSourceType>{AI}</Iptc4xmpExt:DigitalSourceType>"
        + alt_text(x_default=kept["alt"]),
        LEAK,
    )


def as_attributes(kept: dict[str, Any]) -> tuple[str, str]:
    """Every property an attribute, as RDF's short form allows."""
    rights = kept["rights"]
    values = {
        "dc:creator": rights["creator"][0],
        "photoshop:Credit": rights["credit"],
        "dc:rights": rights["copyright"],
        "xmpRights:WebStatement": BY,
        "Iptc4xmpExt:DigitalSourceType": AI,
        "Iptc4xmpCore:AltTextAccessibility": kept["alt"],
    }
    licensor = f'<rdf:li><rdf:Description plus:LicensorURL="{quoted(SHOP)}"/></rdf:li>'
    return (
        f"<plus:Licensor><rdf:Bag>{licensor}</rdf:Bag></plus:Licensor>{LEAKS}",
        LEAK + "".join(f' {name}="{quoted(value)}"' for name, value in values.items()),
    )


def as_links(kept: dict[str, Any]) -> tuple[str, str]:
    """Addresses as links, names in a bag."""
    elements, attributes = as_elements(kept)
    for name, prefixed in ((BY, "xmpRights:WebStatement"), (AI, "Iptc4xmpExt:DigitalSourceType")):
        elements = elements.replace(f"<{prefixed}>{name}</{prefixed}>", f'<{prefixed} rdf:resource="{name}"/>')
    elements = elements.replace(f"<plus:LicensorURL>{quoted(SHOP)}</plus:LicensorURL>", "")
    elements = elements.replace("rdf:parseType='Resource'", f'plus:LicensorURL="{quoted(SHOP)}"')
    return elements.replace("rdf:Seq", "rdf:Bag"), attributes


def exif_block(big: bool = False, **texts: bytes) -> bytes:
    """EXIF with an artist and a copyright, a serial number, a maker and a position."""
    order = ">" if big else "<"
    entries = [
        (0x010F, 2, f"{SECRET} maker\0".encode()),
        (0x013B, 2, texts.get("artist", b"") + b"\0"),
        (0x8298, 2, texts.get("copyright", b"") + b"\0"),
        (0x8769, 4, [(0xA431, 2, f"{SECRET}4711\0".encode())]),
        (0x8825, 4, [(1, 2, b"N\0"), (2, 5, struct.pack(f"{order}6I", 52, 1, 31, 1, 7, 1)), (29, 2, b"SECRETDATE\0")]),
    ]
    return (b"MM\0*" if big else b"II*\0") + struct.pack(f"{order}I", 8) + _directory(order, entries, 8)


def _directory(order: str, entries: list[Any], start: int) -> bytes:
    rows, extra, end = b"", b"", start + 6 + 12 * len(entries)
    for tag, kind, value in entries:
        if isinstance(value, list):
            rows += struct.pack(f"{order}HHII", tag, kind, 1, end + len(extra))
            extra += _directory(order, value, end + len(extra))
            continue
        count = len(value) // (8 if kind == 5 else 1)
        rows += struct.pack(f"{order}HHI", tag, kind, count)
        if len(value) <= 4:
            rows += value.ljust(4, b"\0")
        else:
            rows += struct.pack(f"{order}I", end + len(extra))
            extra += value + b"\0" * (len(value) % 2)
    return struct.pack(f"{order}H", len(entries)) + rows + bytes(4) + extra


def _exif() -> dict[str, Fixture]:
    texts = {"artist": "Zoë Ünal".encode(), "copyright": "© Zoë".encode("latin-1")}
    kept = {"rights": {"creator": ["Zoë Ünal"], "copyright": "© Zoë"}}
    formats = ("jpeg", "png", "webp", "avif", "heic")
    made = {f"exif-{name}": (name, with_exif(name, exif_block(**texts)), kept) for name in formats}
    artist, notice = texts["artist"] + b"\0", texts["copyright"] + b"\0"
    entries = {0x013B: (2, len(artist), artist), 0x8298: (2, len(notice), notice), 0xC62F: (2, 7, b"SECRET\0")}
    return {
        **made,
        "exif-tiff": ("tiff", tiff(entries), kept),
        "exif-motorola": ("jpeg", with_exif("jpeg", exif_block(big=True, **texts)), kept),
        "exif-blank": ("jpeg", with_exif("jpeg", exif_block(artist=b"   ", copyright=b"Ann\0Bob")), _notice("Ann Bob")),
    }


def _notice(text: str) -> dict[str, Any]:
    return {"rights": {"copyright": text}}


def dataset(record: int, number: int, content: bytes, extended: bool = False) -> bytes:
    head = struct.pack(">BBBH", 0x1C, record, number, 0x8004 if extended else len(content))
    return head + (struct.pack(">I", len(content)) if extended else b"") + content


def iim(*contents: tuple[int, bytes], charset: bytes | None = b"\x1b%G", extended: bool = False) -> bytes:
    first = dataset(1, 90, charset) if charset is not None else b""
    city = dataset(2, 90, f"{SECRET} Berlin".encode())
    return first + city + b"".join(dataset(2, number, content, extended) for number, content in contents)


def photoshop(records: bytes) -> bytes:
    """Photoshop's blocks: a thumbnail's, one with a name, and that with the records."""
    blocks = [(0x040C, b"\0\0", b"thumbnail"), (0x0BB7, b"\x04path\0", b"odd"), (0x0404, b"\0\0", records)]
    return b"".join(
        b"8BIM" + struct.pack(">H", number) + name + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
        for number, name, body in blocks
    )


def with_iim(records: bytes) -> bytes:
    return with_segments(segment(0xED, b"Photoshop 3.0\0" + photoshop(records)))


def _iim() -> dict[str, Fixture]:
    kept = {"rights": {"creator": ["Zoë Ünal", "Max"], "credit": "Agency", "copyright": "© Zoë"}}
    texts = [(80, "Zoë Ünal"), (80, "Max"), (110, "Agency"), (116, "© Zoë")]
    utf8 = [(number, text.encode()) for number, text in texts]
    latin = [(number, text.encode("latin-1")) for number, text in texts]
    records, blocks = iim(*utf8), photoshop(iim(*utf8))
    padded = records + b"\0" * (-len(records) % 4)
    half = len(blocks) // 2
    parts = [segment(0xED, b"Photoshop 3.0\0" + part) for part in (blocks[:half], blocks[half:])]
    contents = {
        "iim-utf8": ("jpeg", with_iim(records)),
        "iim-latin1": ("jpeg", with_iim(iim(*latin, charset=b"\x1b.A"))),
        "iim-unnamed-utf8": ("jpeg", with_iim(iim(*utf8, charset=None))),
        "iim-unnamed-latin1": ("jpeg", with_iim(iim(*latin, charset=None))),
        "iim-extended": ("jpeg", with_iim(iim(*utf8, extended=True))),
        "iim-two-segments": ("jpeg", with_segments(*parts)),
        "iim-cut": ("jpeg", with_iim(records + b"\x1c\2\x50\0\xffcut short")),
        "iim-tiff": ("tiff", tiff({33723: (7, len(records), records)})),
        "iim-tiff-longs": ("tiff", tiff({33723: (4, len(padded) // 4, padded)})),
        "iim-tiff-photoshop": ("tiff", tiff({34377: (1, len(blocks), blocks)})),
    }
    return {name: (format_, content, kept) for name, (format_, content) in contents.items()}


def _encodings() -> dict[str, Fixture]:
    text = xmp(*as_elements(FULL))
    ways = [("jpeg", "utf-16-be"), ("png", "utf-16-le"), ("webp", "utf-16"), ("tiff", "utf-32"), ("avif", "utf-8-sig")]
    made = {f"xmp-{encoding}": (name, with_xmp(name, text.encode(encoding)), FULL) for name, encoding in ways}
    latin = text.replace("\ufeff", "").encode("latin-1")
    return {
        **made,
        "xmp-latin1": ("jpeg", with_xmp("jpeg", latin), FULL),
        "xmp-compressed": ("png", with_xmp("png", text.encode(), compressed=True), FULL),
        "xmp-padded": ("webp", with_xmp("webp", text.encode() + b" " * 2000 + b"\0"), FULL),
    }


def _texts() -> dict[str, Fixture]:
    texts = {
        "persian": ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
        "family": ("👩\u200d👩\u200d👧 on a beach", "👩\u200d👩\u200d👧 on a beach"),
        "chinese": ("席子上的猫", "席子上的猫"),
        "markup": ('"><script>alert(1)</script>', '"><script>alert(1)</script>'),
        "ampersands": ("&amp; &lt; ' \u00a0 ]]>", "&amp; &lt; ' ]]>"),
        "lines": (" one\n\ttwo\r\nthree ", "one two three"),
        "turned": ("safe\u202egpj.exe\u2066", "safe gpj.exe"),
        "long": ("cat " * 5000, ("cat " * 500).strip()),
    }
    made: dict[str, Fixture] = {}
    for name, (text, kept) in texts.items():
        packet = xmp(alt_text(x_default=text) + LEAKS, LEAK).encode()
        made[f"text-{name}"] = ("jpeg", with_xmp("jpeg", packet), {"alt": kept})
    return made


def _structures() -> dict[str, Fixture]:
    alt = "Iptc4xmpCore:AltTextAccessibility"
    space = f'xmlns:dc="{PREFIXES["dc"]}" xmlns:rdf="{PREFIXES["rdf"]}" xmlns:i="{PREFIXES["Iptc4xmpCore"]}"'
    qualified = "<dc:creator><rdf:Seq><rdf:li rdf:parseType='Resource'><rdf:value>Zoe</rdf:value></rdf:li></rdf:Seq>"
    nested = f"<dc:source><rdf:Description><dc:creator>{SECRET}</dc:creator></rdf:Description></dc:source>"
    zoe = {"rights": {"creator": ["Zoe"]}}
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "default-second": (xmp(alt_text(de="Katze", x_default="Cat")), {"alt": "Cat"}),
        "no-default": (xmp(alt_text(de="Katze", fr="Chat")), {"alt": "Katze"}),
        "empty-default": (xmp(alt_text(x_default="", fr="Chat")), {"alt": "Chat"}),
        "plain": (xmp(f"<{alt}>Cat</{alt}>"), {"alt": "Cat"}),
        "cdata": (xmp(f"<{alt}><![CDATA[<Cat>]]></{alt}>"), {"alt": "<Cat>"}),
        "comment": (xmp(f"<{alt}>Ca<!-- {SECRET} -->t</{alt}>"), {"alt": "Cat"}),
        "qualified": (xmp(qualified + "</dc:creator>"), zoe),
        "nested": (xmp(nested + creators("Zoe")), zoe),
        "markup": (xmp(creators('"O\'Hara" & <Sons>')), {"rights": {"creator": ['"O\'Hara" & <Sons>']}}),
        "many": (xmp(creators(*(f"Zoe {number}" for number in range(20)), "Zoe 1")), _creators(10)),
        "bare": (f'<rdf:RDF {space}><rdf:Description i:AltTextAccessibility="Cat"/></rdf:RDF>', {"alt": "Cat"}),
        "two": (
            f'<a {space}><rdf:RDF><rdf:Description dc:creator="Zoe"/><rdf:Description i:AltTextAccessibility="Cat"/>'
            "</rdf:RDF></a>",
            {**zoe, "alt": "Cat"},
        ),
        "licence": (xmp(f'<cc:license rdf:resource="{BY}"/>'), {"rights": {"licence": BY}}),
        "script": (xmp("<xmpRights:WebStatement>javascript:alert(1)</xmpRights:WebStatement>"), {}),
        "camera": (xmp(LEAKS, LEAK), {}),
    }
    return {f"rdf-{name}": ("webp", with_xmp("webp", packet.encode()), kept) for name, (packet, kept) in ways.items()}


def _creators(count: int) -> dict[str, Any]:
    return {"rights": {"creator": [f"Zoe {number}" for number in range(count)]}}


def _contradictions() -> dict[str, Fixture]:
    """XMP before IIM before EXIF, for each field."""
    exif = segment(0xE1, b"Exif\0\0" + exif_block(artist=b"SECRET Exif", copyright=b"Exif"))
    legacy = segment(0xED, b"Photoshop 3.0\0" + photoshop(iim((80, b"SECRET IIM"), (110, b"IIM"))))
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp(creators("XMP") + LEAKS, LEAK).encode()
    kept = {"rights": {"creator": ["XMP"], "credit": "IIM", "copyright": "Exif"}}
    broken = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta")
    fallen = segment(0xED, b"Photoshop 3.0\0" + photoshop(iim((80, b"IIM"))))
    remark = segment(0xFE, b"SECRET comment")
    return {
        "all-three": ("jpeg", with_segments(exif, legacy, segment(0xE1, packet), remark), kept),
        "broken-xmp": (
            "jpeg",
            with_segments(broken, fallen, exif, remark),
            {"rights": {"creator": ["IIM"], "copyright": "Exif"}},
        ),
        "broken-all": ("jpeg", with_segments(broken, segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0"), remark), {}),
    }
