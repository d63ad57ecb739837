"""What outputs keep of a source's metadata: read from every format, written into every format, and nothing else."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any
from xml.dom import minidom

import pytest

from engine import decoding, encoding, metadata
from pipeline import recipes
from tests.unit import described
from tests.unit.pictures import chunk, data, quarters

FIXTURES = described.fixtures()
ALL = ["rights", "ai", "alt"]
OUTPUTS = ("avif", "webp", "jpeg", "png")
RECIPE: Any = recipes.route(recipes.load(), "raw/x") | {"keep": ALL}


def read(content: bytes, name: str, keep: list[str]) -> dict[str, Any]:
    return dict(metadata.read(decoding.open_image(content, name), content, name, keep))


def facts(**kept: Any) -> Any:
    return kept


# --------------------------------------------------------------------------- a reader that is not the engine's


def packets_in(content: bytes) -> list[bytes]:
    """Every XMP packet in a JPEG, PNG, WebP or AVIF, where its format has it."""
    if content[:2] == b"\xff\xd8":
        pattern = rb"\xff\xe1(..)http://ns\.adobe\.com/xap/1\.0/\0"
        starts = ((match.end(), match) for match in re.finditer(pattern, content, re.DOTALL))
        return [content[start : match.start() + 2 + int.from_bytes(match[1], "big")] for start, match in starts]
    if content[:4] == b"\x89PNG":
        heads = re.finditer(rb"(....)iTXtXML:com\.adobe\.xmp\0\0\0\0\0", content, re.DOTALL)
        return [content[head.end() : head.start() + 8 + int.from_bytes(head[1], "big")] for head in heads]
    if content[:4] == b"RIFF":
        heads = re.finditer(rb"XMP (....)", content, re.DOTALL)
        found = [content[head.end() : head.end() + int.from_bytes(head[1], "little")] for head in heads]
        assert bool(content[20] & 4) is bool(found)  # the flag without which browsers and libwebp do not look
        return found
    # An item of type "mime", whose place is in the box iloc: the packet itself is all that begins like one.
    count = content.count(b"application/rdf+xml\0")
    found = re.findall(rb'<\?xpacket begin=.*?<\?xpacket end="r"\?>', content, re.DOTALL)
    assert len(found) == count
    return found


def stated(content: bytes) -> dict[str, Any]:
    """What an output says, in the shape of facts; {} if it says nothing."""
    packets = packets_in(content)
    assert len(packets) <= 1
    if not packets:
        return {}
    document = minidom.parseString(packets[0])
    (description,) = document.getElementsByTagName("rdf:Description")
    found = {node.nodeName: list(_texts(node)) for node in description.childNodes}
    assert set(found) <= set(NAMES)
    rights = {
        field: found[name] if field == "creator" else found[name][0]
        for name, field in NAMES.items()
        if name in found and field in ("creator", "credit", "copyright", "licence", "licensor")
    }
    others = {field: found[name][0] for name, field in NAMES.items() if name in found and field not in rights}
    return {**({"rights": rights} if rights else {}), **others}


NAMES = {
    "dc:creator": "creator",
    "photoshop:Credit": "credit",
    "dc:rights": "copyright",
    "xmpRights:WebStatement": "licence",
    "plus:Licensor": "licensor",
    "Iptc4xmpExt:DigitalSourceType": "digital_source_type",
    "Iptc4xmpCore:AltTextAccessibility": "alt",
}


def _texts(node: Any) -> Iterator[str]:
    for child in node.childNodes:
        if child.nodeType == child.TEXT_NODE:
            yield child.data
        else:
            yield from _texts(child)


# --------------------------------------------------------------------------- reading


def test_there_are_enough_fixtures() -> None:
    assert len(FIXTURES) >= 60
    assert {name for name, _, _ in FIXTURES.values()} == set(described.FORMATS)
    assert sum(b"SECRET" in content for _, content, _ in FIXTURES.values()) >= 55  # the others are not in UTF-8


@pytest.mark.parametrize("fixture", FIXTURES)
def test_what_a_source_says_is_read(fixture: str) -> None:
    name, content, expected = FIXTURES[fixture]
    assert read(content, name, ALL) == expected


@pytest.mark.parametrize("keep", [[], ["rights"], ["ai"], ["alt"]])
def test_only_what_the_recipe_keeps_is_read(keep: list[str]) -> None:
    content = described.with_xmp("jpeg", described.xmp(*described.as_elements(described.FULL)).encode())
    fields = {"rights": "rights", "ai": "digital_source_type", "alt": "alt"}
    assert set(read(content, "jpeg", keep)) == {fields[each] for each in keep}


# --------------------------------------------------------------------------- writing


@pytest.mark.parametrize("format_", OUTPUTS)
def test_every_output_says_it_and_nothing_else(format_: str) -> None:
    for fixture, (name, content, kept) in FIXTURES.items():
        packet = metadata.packet(facts(**read(content, name, ALL)), ALL)
        made = encoding.encode(decoding.decode(content, RECIPE["sizes"]), format_, RECIPE, packet)
        assert stated(made) == kept, fixture
        assert b"SECRET" not in made, fixture
        assert not decoding.open_image(made, format_).getexif(), fixture


@pytest.mark.parametrize("format_", OUTPUTS)
def test_without_anything_to_say_there_is_no_xmp(format_: str) -> None:
    assert metadata.packet(facts(c2pa={"bytes": 7}), ALL) is None
    assert metadata.packet(facts(alt="A cat"), ["rights", "ai"]) is None
    made = encoding.encode(quarters(), format_, RECIPE, None)
    assert not re.search(b"xmp|rdf|XMP", made)


def test_the_largest_packet_fits_into_a_jpeg() -> None:
    url = "https://" + "&" * 992
    name, text = "'" * 200, "'" * 2000
    rights = {"creator": [name] * 10, "credit": name, "copyright": text, "licence": url, "licensor": url}
    packet = metadata.packet(facts(rights=rights, alt=text, digital_source_type="'" * 1000), ALL)
    assert packet
    assert 40_000 < len(packet) <= 60_000
    assert stated(encoding.encode(quarters(), "jpeg", RECIPE, packet))["alt"] == text
    assert read(described.with_xmp("jpeg", packet), "jpeg", ALL)["rights"] == rights | {"creator": [name]}


# --------------------------------------------------------------------------- alternative text given with the upload


@pytest.mark.parametrize(
    ("given", "alt"),
    [
        ("  A cat\r\n on  a mat ", "A cat on a mat"),
        ("\x00\x1b[31m\ud800\ufeffred", "[31m red"),
        ("x" * 9000, "x" * 2000),
        ("", "own"),
        (" \n", "own"),
        (None, "own"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
    ],
)
def test_the_uploads_text_goes_before_the_files(given: str | None, alt: str) -> None:
    assert metadata.with_alt(facts(width=5, alt="own"), given) == {"width": 5, "alt": alt}


# --------------------------------------------------------------------------- C2PA

STORE = bytes.fromhex("6332706100110010800000AA00389B71")  # the kind of JUMBF box that holds manifests
JUMBF = struct.pack(">I4sI4s", 2000, b"jumb", 38, b"jumd") + STORE + b"\3c2pa\0" + bytes(1962)
BOX = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481") + b"\0\0\0\0manifest\0" + bytes(8) + JUMBF


def segments_of(box: bytes, number: int = 1, size: int = 900) -> list[bytes]:
    """A box in JPEG segments: each has its number and its place, and repeats the box's head but for the first."""
    pieces = [box[start : start + size] for start in range(0, len(box), size)]
    heads = [
        b"JP" + struct.pack(">HI", number, place + 1) + (box[:8] if place else b"") for place in range(len(pieces))
    ]
    return [described.segment(0xEB, head + piece) for head, piece in zip(heads, pieces, strict=True)]


def signed(name: str) -> bytes:
    if name == "jpeg":
        other = JUMBF.replace(STORE, bytes(16))
        return described.with_segments(*segments_of(other, 2), *segments_of(JUMBF))
    if name == "png":
        return described.with_chunks(chunk(b"caBX", JUMBF))
    if name == "webp":
        return described.with_riff((b"C2PA", JUMBF))
    if name == "gif":
        blocks = b"".join(bytes((len(part),)) + part for part in (JUMBF[at : at + 250] for at in range(0, 2000, 250)))
        return described.with_blocks(b"!\xff\x0bC2PA_GIF\1\0\0" + blocks + b"\0")
    if name == "tiff":
        return described.tiff({0xCD41: (7, 2000, JUMBF)})
    whole = described.heic() if name == "heic" else data(quarters(), "AVIF")
    return whole + struct.pack(">I4s", 8 + len(BOX), b"uuid") + BOX


@pytest.mark.parametrize("keep", [[], ALL])
@pytest.mark.parametrize("name", described.FORMATS)
def test_a_c2pa_manifest_is_noticed(name: str, keep: list[str]) -> None:
    size = {"jpeg": 2016, "avif": len(BOX), "heic": len(BOX)}.get(name, 2000)
    assert read(signed(name), name, keep) == {"c2pa": {"bytes": size}}
    decoding.inspect(signed(name), RECIPE["limits"] | {"formats": list(described.FORMATS)})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jpeg", described.with_segments(*segments_of(JUMBF.replace(STORE, bytes(16))))),
        ("jpeg", described.with_segments(described.segment(0xEB, b"JP"))),
        ("png", described.with_chunks(chunk(b"caBY", JUMBF))),
        ("avif", data(quarters(), "AVIF") + struct.pack(">I4s", 24, b"uuid") + bytes(16)),
    ],
)
def test_what_is_no_c2pa_manifest_is_not_called_one(name: str, content: bytes) -> None:
    assert read(content, name, ALL) == {}
