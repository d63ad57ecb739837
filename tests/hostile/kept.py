"""Metadata that is built to hurt, or damaged: XMP, IPTC-IIM and C2PA manifests, in every format that has them.

The pictures around it are sound, and must come through: no picture is lost for the sake of its metadata.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.unit import described
from tests.unit.described import dataset, iim, photoshop, segment, with_segments
from tests.unit.pictures import chunk, data, quarters

Cases = Iterator[tuple[str, Callable[[], bytes], str]]
ENDINGS = {"jpeg": "jpg", "tiff": "tif"}
ALT = "Iptc4xmpCore:AltTextAccessibility"


def files() -> Cases:
    """Some of the cases, for all of the functions: test_kept.py runs each through the first one's child."""
    return itertools.islice(cases(), 0, None, 4)


def cases() -> Cases:
    """Name, maker, and how the file must end."""
    for make in (_packets, _places, _records, _manifests):
        for name, maker in make():
            yield f"kept/{name}", maker, "" if name in _BROKEN else "SUCCEEDED"


# These break the file around the metadata too: it may be refused.
_BROKEN = {
    "xmp-laughs-utf16-in.gif",
    "c2pa-long.webp",
    "c2pa-claims-1.heic",
    "c2pa-01.gif",
    "c2pa-ff.gif",
    "c2pa-05616263.gif",
}


def laden(name: str) -> bytes:
    """A picture with all that is read, for mutants."""
    if name != "jpeg":
        return described.with_xmp(name, described.xmp(*described.as_elements(described.FULL)).encode())
    packet = described.xmp(*described.as_attributes(described.FULL)).encode()
    return with_segments(
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet),
        segment(0xED, b"Photoshop 3.0\0" + photoshop(iim((80, b"Ann"), (110, b"Agency"), extended=True))),
        jumbf_segment(200),
    )


Made = Iterator[tuple[str, Callable[[], bytes]]]


# --------------------------------------------------------------------------- XMP


def packets() -> dict[str, bytes]:
    """Packets by what is wrong with them."""
    good = described.xmp(*described.as_elements(described.FULL))
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    full = good.encode()
    return {
        "nothing": b"",
        "zeros": bytes(5000),
        "spaces": b" " * 5000,
        "noise": zlib.compress(bytes(range(256)) * 20, 0),
        "half": full[: len(full) // 2],
        "headless": full[len(full) // 2 :],
        "laughs": f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l9;</a>'.encode(),
        "laughs-utf16": f'\ufeff<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l9;</a>'.encode("utf-16-le"),
        "laughs-within": good.replace("<x:xmpmeta", f"<!DOCTYPE a [<!ENTITY l0 'ha'>{laughs}]><x:xmpmeta").encode(),
        "quadratic": b"<!DOCTYPE a [<!ENTITY b '" + b"b" * 20_000 + b"'>]><a>" + b"&b;" * 5_000 + b"</a>",
        "file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        "web": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
        "parameter": b'<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///dev/zero">%b;]><a/>',
        "attribute-defaults": b"<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>",
        "unknown-entity": good.replace("A cat", "A &cat;").encode(),
        "deep": b"<a>" * 15_000 + b"</a>" * 15_000,
        "deep-open": b"<a>" * 20_000,
        "deep-known": (
            b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' + b"<rdf:Description>" * 3_000
        ),
        "wide": b"<a>" + b"<b/>" * 15_000 + b"</a>",
        "attributes": b"<a" + b"".join(b' b%d=""' % number for number in range(6_000)) + b"/>",
        "twice": b'<a b="1" b="2"/>',
        "spaces-of-names": b"<a" + b"".join(b' xmlns:n%d="u%d"' % (number, number) for number in range(2_500)) + b"/>",
        "unbound": b"<x:xmpmeta><rdf:RDF/></x:xmpmeta>",
        "reserved": b'<a xmlns:xml="http://example.com/"/>',
        "long-name": b"<" + b"a" * 60_000 + b"/>",
        "long-value": good.replace("A cat", "A cat" * 11_000).encode(),
        "comment": b"<!--" * 15_000,
        "instructions": b"<?" * 30_000,
        "instructions-closed": b"<?a?>" * 12_000,
        "cdata": b"<a>" + b"<![CDATA[" * 6_000,
        "references": b"<a>" + b"&#65;" * 12_000 + b"</a>",
        "null-reference": good.replace("A cat", "A &#0; cat").encode(),
        "surrogate-reference": good.replace("A cat", "A &#xD800; cat").encode(),
        "far-reference": good.replace("A cat", "A &#x7FFFFFFF; cat").encode(),
        "control": good.replace("A cat", "A \x01 cat").encode(),
        "surrogates": good.encode("utf-16-le").replace("A".encode("utf-16-le"), b"\x00\xd8"),
        "utf16-odd": good.encode("utf-16-le")[:-1],
        "utf16-no-mark": good.replace("\ufeff", "").encode("utf-16-be"),
        "utf16-called-8": good.encode("utf-16-le").replace(b"\xff\xfe", b""),
        "utf32": good.encode("utf-32-be"),
        "utf7": good.replace("<", "+ADw-").encode("latin-1", "replace"),
        "latin1": good.replace("\ufeff", "").encode("latin-1"),
        "ebcdic": good.replace("\ufeff", "").encode("cp500", "replace"),
        "overlong": full.replace(b"A cat", b"A \xc0\xbccat"),
        "declared": b'<?xml version="1.0" encoding="x-unknown"?>' + full,
        "version": b'<?xml version="9.9"?>' + full,
        "two-roots": full + full,
        "junk": full + b"\xff\xd8\xff" * 100,
        "no-rdf": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        "empty-lists": described.xmp(f"<{ALT}><rdf:Alt/></{ALT}><dc:creator><rdf:Seq/></dc:creator>").encode(),
        "list-in-list": described.xmp(f"<{ALT}><rdf:Alt><rdf:li><rdf:Alt/></rdf:li></rdf:Alt></{ALT}>").encode(),
        "many-creators": described.xmp(described.creators(*map(str, range(2_000)))).encode(),
        "many-languages": described.xmp(described.alt_text(**{f"x{n}": f"text {n}" for n in range(900)})).encode(),
        "script": described.xmp(described.alt_text(x_default='"><script>alert(1)</script>')).encode(),
        "urls": described.xmp(
            "<xmpRights:WebStatement>javascript:alert(1)</xmpRights:WebStatement><cc:license rdf:resource='file:///'/>"
        ).encode(),
        "long-url": described.xmp(f"<cc:license>https://{'a' * 50_000}</cc:license>").encode(),
        "turned": described.xmp(described.alt_text(x_default="\u202e\u2066\u200f" * 900)).encode(),
        "lines": described.xmp(described.alt_text(x_default="\u2028\u2029\x85\n\r\t" * 900)).encode(),
    }


def _packets() -> Made:
    for name, packet in packets().items():
        format_ = "jpeg" if len(packet) < 65_000 else "webp"  # a segment of JPEG holds no more
        yield f"xmp-{name}.{ENDINGS.get(format_, format_)}", partial(described.with_xmp, format_, packet)
    wide = ("laughs", "laughs-utf16", "deep", "half", "noise", "null-reference", "junk")
    for name in wide:
        for format_ in ("png", "webp", "gif", "avif", "heic", "tiff"):
            end = ENDINGS.get(format_, format_)
            yield f"xmp-{name}-in.{end}", partial(described.with_xmp, format_, packets()[name])


def _places() -> Made:
    """Packets that are not where, or not as large as, their file says."""
    good = described.xmp(*described.as_elements(described.FULL)).encode()
    head = b"http://ns.adobe.com/xap/1.0/\0"
    keyword = b"XML:com.adobe.xmp\0"
    large = b"<a>" + b" " * 2_000_000 + b"</a>"
    for format_ in ("png", "webp", "gif", "avif", "heic", "tiff"):
        yield f"large.{ENDINGS.get(format_, format_)}", partial(described.with_xmp, format_, large)
    yield "largest.webp", lambda: described.with_xmp("webp", b"<a>" + b" " * 10_000_000 + b"</a>")
    yield "twice.jpg", lambda: with_segments(*[segment(0xE1, head + good)] * 40)
    yield "empty.jpg", lambda: with_segments(segment(0xE1, head))
    yield "cut-head.jpg", lambda: with_segments(segment(0xE1, head[:-1]))
    yield (
        "extended.jpg",
        lambda: with_segments(segment(0xE1, head.replace(b"xap/1.0", b"xmp/extension") + b"\xff" * 99)),
    )
    bodies = {
        "no-zeros": keyword,
        "one-flag": keyword + b"\1",
        "no-language": keyword + b"\0\0" + b"a" * 99,
        "no-keyword": keyword + b"\0\0en\0" + b"a" * 99,
        "not-packed": keyword + b"\1\0\0\0" + good,
        "half-packed": keyword + b"\1\0\0\0" + zlib.compress(good)[:99],
        "unknown-packing": keyword + b"\1\7\0\0" + zlib.compress(good),
        "flag": keyword + b"\xff\0\0\0" + zlib.compress(good),
        "bomb": keyword + b"\1\0\0\0" + _packed(bytes(1_000_000), 90),
        "bomb-of-xml": keyword + b"\1\0\0\0" + _packed(b"<a>" * 300_000, 30),
    }
    for name, body in bodies.items():
        yield f"text-{name}.png", lambda body=body: described.with_chunks(chunk(b"iTXt", body))
    damaged = chunk(b"iTXt", keyword + b"\0\0\0\0" + good)[:-4] + b"\1\2\3\4"
    yield "text-checksum.png", lambda: described.with_chunks(damaged)
    yield "text-many.png", lambda: described.with_chunks(*[chunk(b"iTXt", keyword + b"\0\0\0\0" + good)] * 3_000)
    yield (
        "packed-bomb.png",
        lambda: described.with_chunks(chunk(b"zTXt", b"a\0\0" + _packed(bytes(1_000_000), 90))),
    )
    yield "flag.webp", lambda: described.with_riff((b"XMP ", good), flags=0)
    yield "flag-alone.webp", lambda: described.with_riff(flags=4)
    yield "twice.webp", lambda: described.with_riff(*[(b"XMP ", good)] * 40, flags=4)
    yield "no-trailer.gif", lambda: described.with_blocks(b"!\xff\x0bXMP DataXMP" + bytes((9,)) + b"<a>" * 3 + b"\0")
    yield "in-blocks.gif", lambda: described.with_blocks(b"!\xff\x0bXMP DataXMP\x04<a/>\0")
    for kind, count, value in ((4, 3, b"<a/>" * 3), (2, 4, b"<a/>"), (12, 2, bytes(16)), (7, 2**31, 8), (3, 1, 9)):
        yield f"tag-{kind}.tif", partial(described.tiff, {700: (kind, count, value)})


# --------------------------------------------------------------------------- IPTC-IIM


def records() -> dict[str, bytes]:
    good = iim((80, b"Ann"), (110, b"Agency"), (116, b"(c) Ann"))
    return {
        "nothing": b"",
        "zeros": bytes(999),
        "noise": bytes(range(256)) * 9,
        "one": b"\x1c",
        "head": b"\x1c\2\x50\0",
        "past-the-end": b"\x1c\2\x50\x7f\xffAnn",
        "last-past-the-end": good + b"\x1c\2\x50\0\xffAnn",
        "extended-past-the-end": b"\x1c\2\x50\x80\4\x7f\xff\xff\xffAnn",
        "extended-most": b"\x1c\2\x50\x80\4\xff\xff\xff\xffAnn",
        "extended-long": b"\x1c\2\x50\xff\xff" + b"\xff" * 99,
        "extended-cut": b"\x1c\2\x50\x80\4\0",
        "extended-none": b"\x1c\2\x50\x80\0Ann",
        "empty": dataset(2, 80, b"") * 3,
        "many": dataset(2, 80, b"a") * 9_000,
        "other-records": b"".join(dataset(number, 80, b"a") for number in range(256)),
        "long": dataset(2, 80, b"a" * 30_000),
        "controls": dataset(2, 116, bytes(range(32)) * 9),
        "utf8-broken": iim((80, b"Zo\xeb \xff\xfe")),
        "charset-empty": iim((80, b"Ann"), charset=b""),
        "charset-unknown": iim((80, b"Zo\xc3\xab"), charset=b"\x1b" * 99),
        "charset-late": dataset(2, 80, b"Ann") + dataset(1, 90, b"\x1b%G"),
        "between": good[:9] + b"\0\0\0" + good[9:],
    }


def _records() -> Made:
    for name, record in records().items():
        if len(record) < 65_000:
            yield f"iim-{name}.jpg", partial(described.with_iim, record)
        if record:
            entry = {33723: (7, len(record), record)}
            yield f"iim-{name}.tif", partial(described.tiff, entry)
    good = photoshop(iim((80, b"Ann")))
    blocks = {
        "nothing": b"",
        "cut": good[:-5],
        "signature": b"8BIM",
        "number": b"8BIM\4",
        "name": b"8BIM\4\4\xffname",
        "size": b"8BIM\4\4\0\0\xff\xff\xff\xff" + b"a" * 99,
        "no-size": b"8BIM\4\4\0\0\0\0",
        "many": b"8BIM\4\5\0\0\0\0\0\0" * 5_000,
        "odd": b"8BIM\4\5\0\0\0\0\0\1a" + good,
        "other": b"MeSa" + good[4:],
        "within": b"8BIM\4\4\0\0" + struct.pack(">I", len(good)) + good,
    }
    for name, block in blocks.items():
        yield f"8bim-{name}.jpg", lambda block=block: with_segments(segment(0xED, b"Photoshop 3.0\0" + block))
        if block:
            entry = {34377: (1, len(block), block)}
            yield f"8bim-{name}.tif", partial(described.tiff, entry)


# --------------------------------------------------------------------------- C2PA

STORE = bytes.fromhex("6332706100110010800000AA00389B71")
BOX = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")


def jumbf(size: int, claimed: int | None = None) -> bytes:
    """A box of manifests, of `size` bytes, that says that it has `claimed`."""
    head = struct.pack(">I4sI4s", size if claimed is None else claimed, b"jumb", 38, b"jumd") + STORE + b"\3c2pa\0"
    return head.ljust(size, b"\0")[:size]


def jumbf_segment(size: int, claimed: int | None = None, number: int = 1, place: int = 1) -> bytes:
    return segment(0xEB, b"JP" + struct.pack(">HI", number, place) + jumbf(size, claimed))


def _manifests() -> Made:
    for claimed in (0, 1, 7, 8, 2**31, 2**32 - 1):
        yield f"c2pa-claims-{claimed}.jpg", lambda claimed=claimed: with_segments(jumbf_segment(300, claimed))
    for size in (0, 1, 7, 8, 15, 16, 17, 31, 32, 37, 38):
        yield f"c2pa-of-{size}.jpg", lambda size=size: with_segments(jumbf_segment(size))
    for place in (0, 2, 2**32 - 1):
        yield f"c2pa-place-{place}.jpg", lambda place=place: with_segments(*[jumbf_segment(90, place=place)] * 2)
    yield "c2pa-many.jpg", lambda: with_segments(*(jumbf_segment(90, number=number) for number in range(900)))
    yield "c2pa-empty.jpg", lambda: with_segments(segment(0xEB, b""), segment(0xEB, b"J"), segment(0xEB, b"JP"))
    for size in (0, 5, 300, 2_000_000):
        yield f"c2pa-{size}.png", lambda size=size: described.with_chunks(chunk(b"caBX", jumbf(size)))
        yield f"c2pa-{size}.webp", lambda size=size: described.with_riff((b"C2PA", jumbf(size)))
    yield "c2pa-checksum.png", lambda: described.with_chunks(chunk(b"caBX", jumbf(300))[:-1] + b"?")
    yield "c2pa-long.webp", lambda: _patched(described.with_riff((b"C2PA", jumbf(300))), b"C2PA\x2c\1", b"C2PA\xff\1")
    for format_ in ("avif", "heic"):
        for claimed in (0, 1, 2, 7, 8, 9, 2**31, 2**32 - 1):
            yield f"c2pa-claims-{claimed}.{format_}", partial(_with_box, format_, claimed)
    for blocks in (b"", b"\0", b"\1", b"\xff", b"\1a\0", b"\5abc"):
        made = partial(described.with_blocks, b"!\xff\x0bC2PA_GIF\1\0\0" + blocks + b"\0")
        yield f"c2pa-{blocks.hex()}.gif", made
    for kind, count, value in ((7, 300, jumbf(300)), (4, 9, bytes(36)), (2, 2, b"a\0"), (7, 2**31, 8), (4, 1, 7)):
        yield f"c2pa-{kind}-{count}.tif", partial(described.tiff, {0xCD41: (kind, count, value)})


def _with_box(format_: str, claimed: int) -> bytes:
    whole = described.heic() if format_ == "heic" else data(quarters(), "AVIF")
    return whole + struct.pack(">I4s", claimed, b"uuid") + BOX + bytes(99)


def _packed(block: bytes, times: int) -> bytes:
    """A block many times, never whole in memory."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(block) for _ in range(times)), packer.flush()])


def _patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)
